"""An attachment as the application's database lists it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AttachmentFile:
    """One row of ``attachments``: a file of the application's document store. Without a size, none was recorded."""

    id: int
    source_key: str
    file_name: str
    content_type: str | None
    size_bytes: int | None
