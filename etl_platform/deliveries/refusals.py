"""Whether S3 refuses one object alone or the whole platform: it is asked for objects of other agencies. No Dagster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from etl_platform.deliveries.check_errors import TRIES
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.errors import AccessDeniedError, ObjectMissingError, ObjectRefusedError, PreconditionFailedError
from etl_platform.storage.object_store import ObjectStore

ACCESS_DENIED = "access_denied"
_MOST_ASKED = 5
_WHAT_TO_DO = (
    "Files of other agencies can be read. Send the file again, owned by the account of the bucket "
    "(bucket-owner-full-control); or the data team must allow the platform to read it"
)


@dataclass(frozen=True)
class Refusals:
    """What S3's refusal to read one delivery means.

    Attributes:
        receive_count: of the queue message; None if a person started the work and sees the error.
    """

    store: ObjectStore
    source_prefix: str
    version: ObjectVersion
    receive_count: int | None

    @contextmanager
    def of_one_object(self) -> Iterator[None]:
        """Turn an AccessDeniedError into an ObjectRefusedError if it is about this object alone.

        It is, if the object was also refused on two earlier receives, while an object of another agency can be read.
        A policy that was just changed, or a permission that the platform lost, must not reject a file.
        """
        try:
            yield
        except AccessDeniedError as error:
            if self.receive_count is None or self.receive_count < TRIES or not self._can_read_others():
                raise
            raise ObjectRefusedError(ACCESS_DENIED, f"{error}. {_WHAT_TO_DO}") from None

    def _can_read_others(self) -> bool:
        bucket = self.version.bucket
        folders = self.store.folders(bucket, self.source_prefix)
        others = (folder for folder in folders if not self.version.key.startswith(folder))
        for folder in islice(others, _MOST_ASKED):
            head = next(iter(self.store.list(bucket, folder)), None)
            if head is None:
                continue
            try:
                self.store.read_start(head, 1)
            except (AccessDeniedError, ObjectMissingError, ObjectRefusedError, PreconditionFailedError):
                continue
            return True
        return False
