"""Our errors → Dagster's failures. The only place that decides whether a run may be retried."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from etl_platform.core.errors import PermanentError, TransientError


@contextmanager
def as_dagster_failures() -> Iterator[None]:
    """Permanent errors forbid a retry; transient ones allow it. Others are bugs and pass unchanged."""
    try:
        yield
    except PermanentError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
    except TransientError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=True) from error
