"""Dagster's event log of the local stack, read from outside: outcomes that leave no object, and the runs."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from dagster import DagsterInstance

_OBSERVATIONS = 100


class DagsterLog:
    """Reads what the daemon's runs wrote into a DAGSTER_HOME that uses SQLite.

    Ask it nothing before the first record: on an empty home, this process and the daemon would both create the
    tables, and one of the two fails.
    """

    def __init__(self, dagster_home: Path) -> None:
        self._home = dagster_home
        self._opened: DagsterInstance | None = None

    def outcome(self, dataset: str, agency: str, delivery_id: str) -> str | None:
        """The latest outcome that a run observed on the bronze asset for a delivery, if any."""
        import dagster as dg

        found = self._instance().fetch_observations(
            dg.AssetRecordsFilter(dg.AssetKey(["bronze", dataset]), asset_partitions=[agency]),
            limit=_OBSERVATIONS,
        )
        for record in found.records:
            observation = record.asset_observation
            metadata = observation.metadata if observation else {}
            values = {name: value.value for name, value in metadata.items()}
            if values.get("delivery_id") == delivery_id and "outcome" in values:
                return str(values["outcome"])
        return None

    def runs(self) -> tuple[int, int, list[str]]:
        """How many runs there are, how many have not ended, and a line for each that failed."""
        import dagster as dg

        runs = self._instance().get_runs()
        failed = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        return (
            len(runs),
            sum(not run.is_finished for run in runs),
            [f"{run.job_name} {run.run_id}: {run.status.value}" for run in runs if run.status in failed],
        )

    def _instance(self) -> "DagsterInstance":
        import dagster as dg

        if self._opened is None:
            self._opened = dg.DagsterInstance.from_config(str(self._home))
        return self._opened

    def __enter__(self) -> Self:
        import dagster  # noqa: F401 - here it costs nothing: the daemon is still loading

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.dispose()
