"""Progress of long work, as one line on stderr."""

from collections.abc import Mapping
from typing import ClassVar

from etl_platform.engine.check_progress import CheckProgress


class ProgressLine(CheckProgress):
    """``CheckProgress`` with the stages of every job; it shows ``what`` where a stage has no number."""

    STAGES: ClassVar[Mapping[str, str]] = {
        **CheckProgress.STAGES,
        "agencies": "reconciling: {:,} agencies",
        "records": "reading an API: {:,} records",
        "messages": "reading dead letters: {:,} messages",
        "reports": "reading: {:,} reports",
        "exported": "exporting: {:,} rows",
        "compared": "looking for files of another contract: {:,} agencies",
        "again": "reading again: {:,} files",
        "copies": "copying: {:,} attachments",
        "emails": "archiving: {:,} emails",
        "tombstones": "erasing: {:,} tombstones",
        "versions": "erasing: {:,} versions of objects",
    }
