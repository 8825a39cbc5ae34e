"""Errors of the machine: memory, threads, open files, disks. They prove nothing about the file that was read. Pure.

Libraries hide them: zlib and expat report missing memory as damage, and a rejection may be raised while an error of the
machine is handled. So the whole chain of an error is searched.
"""

import errno
import io
import zlib
from collections.abc import Iterator

from etl_platform.engine.errors import EtlPlatformError

_TEXTS = (
    "os error",
    "out of memory",
    "cannot allocate memory",
    "no space left",
    "too many open files",
    "resource temporarily unavailable",
    "new thread",
    "spawn thread",
    "shutdown",
)
"""In errors of Polars, of imports and of Python's threads, which have no class of their own for these causes."""
_POLARS = ("polars", "pyo3_runtime")
_ZLIB_WITHOUT_MEMORY = "Error -4 "


def machine_error(error: BaseException) -> BaseException | None:
    """The error of the machine among this error and those that were being handled when it was raised, if any."""
    return next((cause for cause in chain(error) if _is_of_the_machine(cause)), None)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that were being handled when it was raised, also with ``from None``."""
    seen: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        found = todo.pop()
        if found is not None and found not in seen:
            seen.append(found)
            yield found
            todo += [found.__cause__, found.__context__]


def _is_of_the_machine(error: BaseException) -> bool:
    if isinstance(error, io.UnsupportedOperation):
        # A file on disk has a place to seek; Python found none because a call of the system failed.
        return True
    if isinstance(error, OSError):
        # Decompressors raise OSError without a number for damaged bytes. EINVAL is a seek to a place that these name.
        return error.errno not in {None, errno.EINVAL}
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, EtlPlatformError):
        return False
    if isinstance(error, zlib.error):
        return str(error).startswith(_ZLIB_WITHOUT_MEMORY)
    # The texts of other errors may quote the file, in which these words prove nothing.
    may_say = isinstance(error, (RuntimeError, ImportError)) or type(error).__module__.startswith(_POLARS)
    return may_say and any(text in str(error).lower() for text in _TEXTS)
