"""The platform's errors as Dagster failures that may be retried or not, and as reasons to skip; one-line reasons."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from etl_platform.engine.errors import PermanentError
from etl_platform.errors import SettingsError, TransientError


@contextmanager
def as_dagster_failures() -> Iterator[None]:
    """A permanent error forbids a retry, a transient one allows it. Any other error is a bug and is not converted."""
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
    except TransientError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=True) from error


def skip_unless_set(job_name: str, use: Callable[[], object]) -> dg.SkipReason | None:
    """Why a sensor or a schedule skips if ``use`` finds that a setting is missing; otherwise None."""
    try:
        use()
    except SettingsError as error:
        return dg.SkipReason(f"{job_name} is not configured: {error}")
    return None


def failure_reason(event: dg.DagsterEvent) -> str:
    """Why the step of a step-failure event failed, in one line.

    The text of an unexpected error may quote a value of a row, so only its name and place are given.
    """
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return " ".join(failure.user_failure_data.description.split())
    error = failure.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "an unknown error"
    place = " ".join(error.stack[-1].split("\n")[0].split()) if error.stack else "an unknown place"
    return f"a bug in the platform: {error.cls_name} at {place}"
