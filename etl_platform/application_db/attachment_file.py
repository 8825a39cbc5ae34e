"""An attachment as the application database records it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttachmentFile:
    """One row of ``attachments``: a file in the application's document store. ``size_bytes`` may be unrecorded."""

    id: int
    source_key: str
    file_name: str
    content_type: str | None
    size_bytes: int | None
