"""Logs results of asset checks, so that Dagster shows for each partition what was evaluated last.

Dagster shows the row of a check and partition that was inserted last, and only if it is about the latest
materialization of the partition. A run has one row for each check and partition: a second result of the run replaces
the first one in its place. If another run has inserted a row since, that place is no longer shown. The result is then
logged in the other run, where it replaces the result that is shown.
"""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.dagster_internals import (
    last_evaluation,
    log_check_in_run,
    newest_materialization_id,
    one_transaction,
    shown_checks,
    with_target,
)
from etl_platform.defs.datasets.partitions import latest_materialization

NO_PARTITION = (
    "Nothing was evaluated, and all results are as before: each agency has its own results, so asset checks are "
    "executed for a partition only. Materialize the agency's partition, or name the agency as the partition of the run"
)
_MAX_ROUNDS = 5


class CheckLog:
    """The check results that one run logs.

    Args:
        planned: the checks that Dagster expects from the run of a partition. They have rows before the run starts.
    """

    def __init__(self, context: dg.OpExecutionContext, planned: Collection[dg.AssetCheckKey] = ()) -> None:
        self._context, self._instance, self._run_id = context, context.instance, context.run.run_id
        self._planned = planned
        self._logged: set[tuple[dg.AssetCheckKey, str]] = set()

    def log(
        self,
        asset: dg.AssetKey,
        partition: str,
        results: Sequence[CheckEvaluation],
        latest: dg.EventLogRecord | None = None,
    ) -> None:
        """Log results under a partition, about its latest materialization.

        Args:
            latest: that materialization, if the caller has just read it.
        """
        left = {dg.AssetCheckKey(asset, result.name): result.event(asset, partition) for result in results}
        for _ in range(_MAX_ROUNDS):
            if not left:
                return
            target = latest or latest_materialization(self._instance, asset, partition)
            run_ids = self._run_ids(partition, list(left))
            with one_transaction(self._instance):
                for key, evaluation in left.items():
                    self._log_event(with_target(evaluation, target), run_ids[key])
            self._logged |= {(key, partition) for key in left}
            settled = self._settled(partition, run_ids, target)
            left = {key: evaluation for key, evaluation in left.items() if key not in settled}
            latest = None

    def show(self, asset: dg.AssetKey, partition: str, results: Sequence[CheckEvaluation]) -> None:
        """Log the results that the run has yielded, as far as Dagster does not show them."""
        keys = [dg.AssetCheckKey(asset, result.name) for result in results]
        latest = latest_materialization(self._instance, asset, partition)
        settled = self._settled(partition, dict.fromkeys(keys, self._run_id), latest, strict=True)
        self.log(asset, partition, [one for one, key in zip(results, keys, strict=True) if key not in settled])

    def without_result(self, keys: Collection[dg.AssetCheckKey], partition: str) -> set[dg.AssetCheckKey]:
        """The checks of one asset of which Dagster shows no result in a partition."""
        if not keys:
            return set()
        latest = latest_materialization(self._instance, next(iter(keys)).asset_key, partition)
        latest_id = latest.storage_id if latest else None
        shown = shown_checks(self._instance, list(keys), partition)
        current = {key for key, row in shown.items() if row.has_result and row.target_id == latest_id}
        return set(keys) - current

    def last(self, key: dg.AssetCheckKey, partition: str) -> CheckEvaluation | None:
        """The last result of a check in a partition."""
        found = last_evaluation(self._instance, key, partition)
        return None if found is None else CheckEvaluation.of(found)

    def refuse(self, keys: Collection[dg.AssetCheckKey]) -> None:
        """Explain why checks are not executed without a partition.

        Each has a row without a result by now. The last result is logged once more, so that Dagster shows that one.
        """
        self._context.log.warning(NO_PARTITION)
        for key in sorted(keys):
            last = last_evaluation(self._instance, key)
            if last is not None and last.partition is not None:
                self._log_event(last, self._run_id)

    def _run_ids(self, partition: str, keys: Sequence[dg.AssetCheckKey]) -> dict[dg.AssetCheckKey, str]:
        """The run to log each check in: this one, or the one whose row is above that of this one."""
        with_row = [key for key in keys if key in self._planned or (key, partition) in self._logged]
        shown = shown_checks(self._instance, with_row, partition)
        # What a person reports by hand has no run, and Dagster never replaces it.
        return {key: (shown[key].run_id if key in shown else "") or self._run_id for key in keys}

    def _settled(
        self,
        partition: str,
        run_ids: Mapping[dg.AssetCheckKey, str],
        target: dg.EventLogRecord | None,
        *,
        strict: bool = False,
    ) -> set[dg.AssetCheckKey]:
        """The checks whose logged result Dagster shows, as one about the latest materialization.

        If another run has logged a result since, it ensures itself that Dagster shows that one.

        Args:
            target: the latest materialization when the results were logged.
            strict: whether the result of another run is not good enough.
        """
        if not run_ids:
            return set()
        known_id = target.storage_id if target else None
        latest_id = newest_materialization_id(self._instance, next(iter(run_ids)).asset_key, partition, known_id)
        return {
            key
            for key, shown in shown_checks(self._instance, list(run_ids), partition).items()
            if (shown.target_id == latest_id if shown.run_id == run_ids[key] else not strict)
        }

    def _log_event(self, evaluation: dg.AssetCheckEvaluation, run_id: str) -> None:
        if run_id == self._run_id:
            # Dagster accepts check results here; only the signature lacks them.
            self._context.log_event(evaluation)  # type: ignore[arg-type]
        else:
            log_check_in_run(self._instance, run_id, evaluation)
