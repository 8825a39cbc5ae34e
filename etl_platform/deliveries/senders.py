"""Whether an agency ever sent a file: an event alone, which anybody may have written, makes no agency. No decision."""

from etl_platform import object_keys
from etl_platform.deliveries.routing import NO_SUCH_OBJECT, RoutedObject
from etl_platform.engine.result import FileError
from etl_platform.storage.object_store import ObjectStore

_WHY = "there is and was no such object, and the agency has sent nothing else; find out who sent this event"


def never_sent(store: ObjectStore, bucket: str, source_prefix: str, missing: RoutedObject) -> FileError | None:
    """Why an event is ignored whose object is missing; None if the agency has sent a file, or this cannot be known.

    A versioned bucket keeps the versions of a file that was deleted before it was read.

    Raises:
        TransientError: infrastructure.
    """
    version, route = missing.version, missing.route
    assert route.agency is not None, "only the files of an agency are read"
    assert route.dataset is not None, "only the files of a contract are read"
    if not version.key.startswith(source_prefix) or store.is_versioned(version.bucket) is not True:
        return None
    folder = f"{source_prefix}{version.key[len(source_prefix) :].partition('/')[0]}/"
    if any(True for _ in store.versions(version.bucket, folder)):
        return None
    if any(True for _ in store.list(bucket, object_keys.report_prefix(route.dataset, route.agency))):
        return None
    return FileError(NO_SUCH_OBJECT, _WHY)
