"""Files that a person names are looked up first, so that nothing is recorded of a file that was never delivered."""

from collections.abc import Iterable

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.plain_text import counted, first_of
from etl_platform.errors import ObjectMissingError, UnsafeKeyError
from etl_platform.settings import bucket_name
from etl_platform.storage.object_store import ObjectStore

_MOST_NAMED = 10
_WHAT_TO_GIVE = "Give bucket and key of a delivered file, such as from_client/<agency>/<File>.csv"


def require_named_files(store: ObjectStore, versions: Iterable[ObjectVersion]) -> None:
    """Look up each file of which only bucket, key and version are given, as a person gives them.

    A file that an event or a listing described was there. If it is gone, its sender must see that; so it is rejected.

    Raises:
        UsageError: names the files that do not exist.
        TransientError: infrastructure.
    """
    problems = [problem for one in versions if one.is_named_only and (problem := _problem(store, one))]
    if not problems:
        return
    named = first_of(problems, _MOST_NAMED, "; ")
    raise UsageError(f"nothing was ingested: {counted(len(problems), 'file')} not found: {named}. {_WHAT_TO_GIVE}")


def _problem(store: ObjectStore, version: ObjectVersion) -> str | None:
    if not version.key:
        return "the key is empty"
    try:
        bucket = bucket_name(version.bucket)
    except ValueError as error:
        return f"bucket {version.bucket!r} {error}"
    named = f"s3://{bucket}/{version.key}" + (f" in version {version.version_id}" if version.version_id else "")
    try:
        store.head(bucket, version.key, version.version_id)
    except ObjectMissingError:
        return f"no {named}"
    except UnsafeKeyError as error:
        return str(error)
    return None
