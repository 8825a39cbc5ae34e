"""Reads the event log of the stack's Dagster instance: runs, and outcomes that write no object."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from dagster import DagsterInstance

_OBSERVATIONS = 100


class StackEventLog:
    """The event log in a DAGSTER_HOME that uses SQLite.

    Do not read it before the first report exists: in an empty DAGSTER_HOME this process and the daemon would both
    create the tables, and one of them would fail.
    """

    def __init__(self, dagster_home: Path) -> None:
        self._home = dagster_home
        self._open_instance: DagsterInstance | None = None

    def outcome(self, dataset: str, agency: str, delivery_id: str) -> str | None:
        """The latest outcome of a delivery among the observations of the bronze asset; None if there is none."""
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
        """The number of runs, the number of unfinished runs, and a line for each failed run."""
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

        if self._open_instance is None:
            self._open_instance = dg.DagsterInstance.from_config(str(self._home))
        return self._open_instance

    def __enter__(self) -> Self:
        import dagster  # noqa: F401 - import it while the daemon starts, so that it delays nothing

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open_instance is not None:
            self._open_instance.dispose()
