"""What an error during the check of a delivery means: a verdict that is recorded, or a failure that is retried. Pure.

A verdict is final, so a passing error of the machine must never become one. In doubt a delivery fails and is retried.
"""

import traceback
from concurrent.futures import BrokenExecutor, CancelledError

from etl_platform.deliveries.routing import CONTRACT_ERROR
from etl_platform.engine.errors import ContractError, EtlPlatformError, TransformError
from etl_platform.engine.machine_errors import chain, machine_error
from etl_platform.engine.result import FileError
from etl_platform.errors import TransientError

TRANSFORM_FAILED, INTERNAL_ERROR = "transform_failed", "internal_error"
OUR_FAULTS = frozenset({CONTRACT_ERROR, TRANSFORM_FAILED, INTERNAL_ERROR})
"""Codes of rejections that are no verdict on the file: the sender need not do anything."""
TRIES = 3
"""An error that nobody raised on purpose is a verdict only if the check also failed on two earlier receives."""
_PASSING = (TransientError, OSError, MemoryError, BrokenExecutor, CancelledError)
"""OSError includes a full disk, too many open files, and the network errors of most clients."""
_NO_NEW_FILE = "then run `etl-platform replay`. The sender need not send the file again"


def verdict_on(error: Exception, receive_count: int | None) -> FileError | None:
    """Why a delivery is rejected whose check raised this error; None if the delivery failed and must be retried.

    Args:
        receive_count: of the queue message; None if a person started the work and sees the error.
    """
    if is_passing(error):
        return None
    if isinstance(error, TransformError):
        message = f"{error}. The data team must correct the hook or the contract, {_NO_NEW_FILE}"
        return FileError(TRANSFORM_FAILED, message)
    if isinstance(error, ContractError):
        return FileError(CONTRACT_ERROR, f"{error}. The data team must correct the contract, {_NO_NEW_FILE}")
    if receive_count is None or receive_count < TRIES:
        return None
    return FileError(
        INTERNAL_ERROR,
        f"the platform cannot check this file ({describe(error)}). The data team must have the program corrected, "
        f"{_NO_NEW_FILE}",
    )


def is_passing(error: BaseException) -> bool:
    """Whether the machine or another system may be the cause, so that the same input may succeed later.

    The causes of an error count too: a hook that runs out of memory raises a TransformError.
    """
    return machine_error(error) is not None or any(isinstance(cause, _PASSING) for cause in chain(error))


def describe(error: BaseException) -> str:
    """An error in one line. The text of a foreign error may quote a value of a row, so its place is given instead."""
    name = type(error).__name__
    if isinstance(error, EtlPlatformError):
        return f"{name}: {' '.join(str(error).split())}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    ours = [
        f"{frame.filename[frame.filename.rindex('etl_platform/') :]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "etl_platform/" in frame.filename
    ]
    return f"{name} at {ours[-1]}" if ours else name
