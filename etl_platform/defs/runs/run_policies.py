"""Which runs go first in Dagster's queue, and which runs and steps are repeated after a failure."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from etl_platform.defs.runs.failures import as_dagster_failures

BEFORE_BACKFILLS = {"dagster/priority": "1"}
"""Tag of runs that sensors and daily schedules start. Runs that people and backfills start have priority 0."""

AFTER_EVERYTHING = {"dagster/priority": "-1"}
"""Tag of runs that nobody waits for."""

_MAX_RETRIES = "dagster/max_retries"
NOT_REPEATED = {_MAX_RETRIES: "0"}
"""Tag of runs that must not be repeated: a queue redelivers their messages, or a person waits for their end.

All other runs are started again if their process crashed: see run_retries in dagster.yaml.
"""

STEP_RETRIES = 3


@contextmanager
def retried_if_transient(
    context: dg.OpExecutionContext | dg.AssetExecutionContext, first_wait_s: int = 30
) -> Iterator[None]:
    """Errors as Dagster failures; after a transient one the step runs again, after 30, 60 and 120 seconds.

    A RetryPolicy would also repeat the step after a bug, and after a person terminated the run.
    """
    try:
        with as_dagster_failures():
            yield
    except dg.Failure as failure:
        if not failure.allow_retries or context.run.tags.get(_MAX_RETRIES) == NOT_REPEATED[_MAX_RETRIES]:
            raise
        wait_s = first_wait_s * 2**context.retry_number
        context.log.warning(f"{failure.description}; the step runs again in {wait_s} seconds, if it has retries left")
        raise dg.RetryRequested(STEP_RETRIES, wait_s) from failure
