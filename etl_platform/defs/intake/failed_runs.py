"""The last failed intake run that worked on a queue message, and the errors that it recorded. No decisions."""

from collections.abc import Iterator

import dagster as dg

from etl_platform.defs.intake.intake_config import message_ids_of
from etl_platform.defs.intake.intake_runs import JOB_NAME
from etl_platform.deliveries.dead_letters.reasons import LastRun

FAILED = "failed"
"""Name of a failed step's metadata: one text per delivery that failed."""
_PAGE = 100
_MAX_RUNS = 2_000
_ENDED_BADLY = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class FailedRuns:
    """Searches failed runs, the newest first, as far back as a lookup needs and at most 2,000 runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._run_of: dict[str, str] = {}
        self._errors: dict[str, tuple[str, ...]] = {}
        self._unread = self._runs()

    def last_of(self, message_id: str) -> LastRun | None:
        """The newest failed run that worked on the message."""
        while message_id not in self._run_of:
            run = next(self._unread, None)
            if run is None:
                return None
            for worked_on in message_ids_of(run):
                self._run_of.setdefault(worked_on, run.run_id)
        run_id = self._run_of[message_id]
        if run_id not in self._errors:
            self._errors[run_id] = tuple(self._errors_of(run_id))
        return LastRun(run_id, self._errors[run_id])

    def _runs(self) -> Iterator[dg.DagsterRun]:
        filters = dg.RunsFilter(job_name=JOB_NAME, statuses=_ENDED_BADLY)
        cursor: str | None = None
        for _ in range(_MAX_RUNS // _PAGE):
            page = self._instance.get_runs(filters, cursor=cursor, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            cursor = page[-1].run_id

    def _errors_of(self, run_id: str) -> Iterator[str]:
        for entry in self._instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
            event = entry.dagster_event
            failure = event.step_failure_data.user_failure_data if event is not None else None
            failed = failure.metadata.get(FAILED) if failure is not None else None
            if isinstance(failed, dg.JsonMetadataValue) and isinstance(failed.data, list):
                yield from (str(item) for item in failed.data)
