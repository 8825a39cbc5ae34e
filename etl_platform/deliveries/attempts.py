"""Attempts at one delivery, and which of them may overwrite what another one has written. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from etl_platform.deliveries.delivery import Reprocessing


class ContestedError(Exception):
    """Another attempt, under another contract or release, has written, and may not have reported yet."""


@dataclass(frozen=True)
class Author:
    """The attempt that writes silver and quarantine, as their metadata name it.

    Attributes:
        derived_from: hash of everything that its result depends on, see ``delivery.derived_from``.
        reprocessing: None for an arrival.
        has_reported: whether the report of the delivery is of this attempt, so that no other one counts.
    """

    derived_from: str
    reprocessing: Reprocessing | None = None
    has_reported: bool = False

    @property
    def metadata(self) -> Mapping[str, str | None]:
        attempt_id = self.reprocessing.attempt_id if self.reprocessing else None
        return {"attempt": attempt_id, "made-of": self.derived_from}

    def may_overwrite(self, attempt_id: str | None, derived_from: str | None) -> bool:
        """Whether this attempt may overwrite an object of the same delivery.

        A reprocessing overwrites its own object, and the one that it found. An arrival is too late if the delivery was
        reprocessed since. It overwrites the object of another arrival only if it has the report.

        Args:
            attempt_id: the reprocessing that wrote the object; None where an arrival did.
            derived_from: of the attempt that wrote it; None if release 0.2 or an older one did.

        Raises:
            ContestedError: the report must decide first.
        """
        if self.reprocessing is not None:
            return attempt_id in {self.reprocessing.attempt_id, self.reprocessing.after}
        if attempt_id is not None:
            return False
        if derived_from != self.derived_from and not self.has_reported:
            raise ContestedError
        return True
