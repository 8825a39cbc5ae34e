"""Logs results of asset checks, so that Dagster shows for each partition the results of its present state.

Dagster shows the row of a check and partition that was inserted last, and only if it is about the latest
materialization of the partition. A run has one row for each check and partition: a second result of the run replaces
the first one in its place. If another run has inserted a row since, that place is no longer shown. The result is then
logged in the other run, where it replaces the result that is shown.

Several runs can log at the same time, each about what it read before. So a run evaluates again after it has logged, and
logs again if the verdict differs. The run that logged last has therefore seen that its verdict holds. Whoever changes
the partition after that, by a report, evaluates and logs after it, too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.dagster_internals import (
    ShownCheck,
    last_evaluation,
    log_check_in_run,
    newest_materialization_id,
    one_transaction,
    shown_checks,
    with_target,
)
from etl_platform.defs.datasets.partitions import latest_materialization
from etl_platform.errors import TransientError

NO_PARTITION = (
    "Nothing was evaluated, and all results are as before: each agency has its own results, so asset checks are "
    "executed for a partition only. Materialize the agency's partition, or name the agency as the partition of the run"
)
_MAX_ROUNDS, _MAX_EXACT_ROUNDS = 20, 5
Results: TypeAlias = Mapping[dg.AssetCheckKey, CheckEvaluation]


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
        evaluate: Callable[[], Sequence[CheckEvaluation]],
        *,
        yielded: Sequence[CheckEvaluation] = (),
        exact: bool = False,
        latest: dg.EventLogRecord | None = None,
    ) -> bool:
        """Log the results of a partition about its latest materialization, until the verdicts logged last hold.

        Args:
            evaluate: the results as the partition is now; called again after each round of logging.
            yielded: results that the step has yielded, which are logged only if Dagster does not show them.
            exact: log again also if only counts and texts differ, as far as that ends: other runs may deliver without
                a pause.
            latest: the latest materialization, if the caller has just read it.

        Returns:
            Whether counts and texts are current, too.

        Raises:
            TransientError: infrastructure, or the verdicts changed in each of 20 rounds.
        """
        logged: dict[dg.AssetCheckKey, CheckEvaluation] = {}
        rows: dict[dg.AssetCheckKey, str] = {}
        for number in range(_MAX_ROUNDS):
            results = {dg.AssetCheckKey(asset, one.name): one for one in evaluate()}
            latest = self._latest(asset, partition, latest)
            shown = self._shown(results, logged, partition)
            if not number:
                logged = {
                    key: one
                    for one in yielded
                    if _is_about(shown.get(key := dg.AssetCheckKey(asset, one.name)), self._run_id, latest)
                }
                rows = dict.fromkeys(logged, self._run_id)
            is_exact = exact and number < _MAX_EXACT_ROUNDS
            left = {
                key: one
                for key, one in results.items()
                if key not in logged
                or not (one == logged[key] if is_exact else _same_verdict(one, logged[key]))
                or not _is_settled(shown.get(key), rows[key], latest)
            }
            if not left:
                return all(one == logged[key] for key, one in results.items())
            # What a person reports by hand has no run, and Dagster never replaces it.
            rows |= {key: (shown[key].run_id if key in shown else "") or self._run_id for key in left}
            with one_transaction(self._instance):
                for key, one in left.items():
                    self._log_event(with_target(one.event(asset, partition), latest), rows[key])
            self._logged |= {(key, partition) for key in left}
            logged |= left
        raise TransientError(
            f"the verdicts of {asset.to_user_string()} of {partition} changed in {_MAX_ROUNDS} rounds of logging; "
            "it will be retried"
        )

    def last(self, key: dg.AssetCheckKey, partition: str) -> CheckEvaluation | None:
        """The last result of a check in a partition."""
        found = last_evaluation(self._instance, key, partition)
        return None if found is None else CheckEvaluation.of(found)

    def refuse(self, keys: Collection[dg.AssetCheckKey]) -> None:
        """Explain why checks are not executed without a partition.

        Dagster has written a row without a result for each. The last result is logged again, so that it is shown.
        """
        self._context.log.warning(NO_PARTITION)
        for key in sorted(keys):
            last = last_evaluation(self._instance, key)
            if last is not None and last.partition is not None:
                self._log_event(last, self._run_id)

    def _shown(
        self, results: Results, logged: Collection[dg.AssetCheckKey], partition: str
    ) -> dict[dg.AssetCheckKey, ShownCheck]:
        """What Dagster shows of the checks of which this run has a row. The first row of a run is always shown."""
        with_row = [key for key in results if key in logged or key in self._planned or (key, partition) in self._logged]
        return shown_checks(self._instance, with_row, partition) if with_row else {}

    def _latest(self, asset: dg.AssetKey, partition: str, known: dg.EventLogRecord | None) -> dg.EventLogRecord | None:
        """The latest materialization of a partition; read only if it is not the known one."""
        if known is not None:
            newest_id = newest_materialization_id(self._instance, asset, partition, known.storage_id)
            if newest_id == known.storage_id:
                return known
        return latest_materialization(self._instance, asset, partition)

    def _log_event(self, evaluation: dg.AssetCheckEvaluation, run_id: str) -> None:
        if run_id == self._run_id:
            # Dagster accepts check results here; only the signature lacks them.
            self._context.log_event(evaluation)  # type: ignore[arg-type]
        else:
            log_check_in_run(self._instance, run_id, evaluation)


def _is_about(shown: ShownCheck | None, run_id: str, target: dg.EventLogRecord | None) -> bool:
    """Whether Dagster shows the result of a run about a materialization."""
    target_id = target.storage_id if target else None
    return shown is not None and shown.has_result and shown.run_id == run_id and shown.target_id == target_id


def _is_settled(shown: ShownCheck | None, run_id: str, target: dg.EventLogRecord | None) -> bool:
    """Whether Dagster shows the result that was logged in a run, as one about the latest materialization.

    If another run has inserted a row since, that run evaluates again after it.
    """
    return _is_about(shown, run_id, target) or (shown is not None and shown.run_id != run_id)


def _same_verdict(one: CheckEvaluation, other: CheckEvaluation) -> bool:
    return (one.passed, one.severity) == (other.passed, other.severity)
