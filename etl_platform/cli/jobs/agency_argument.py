"""The agencies of the application database as arguments of a job."""

import argparse
import re
from collections.abc import Sequence

from etl_platform.application_db.agencies import Agency, find_agency
from etl_platform.engine.errors import UsageError

_LISTED = 20


def agency_id(text: str) -> int:
    """An agency's id, as a type of an argument."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def choose_agency(known: Sequence[Agency], *, number: int | None = None, partition: str | None = None) -> Agency:
    """The agency with this id or this partition.

    Raises:
        UsageError: there is none.
        PermanentError: its slug is that of another one, too.
    """
    if partition is None:
        partition = next((agency.partition for agency in known if agency.id == number), None)
        asked = f"--agency-id {number}"
    else:
        asked = f"--agency {partition}"
    agency = None if partition is None else find_agency(partition, known)
    if agency is None:
        few = ", ".join(f"{agency.id} {agency.slug}" for agency in known[:_LISTED]) or "none"
        more = f" and {len(known) - _LISTED:,} more" if len(known) > _LISTED else ""
        raise UsageError(f"{asked}: the application database has no such agency; it has {few}{more}")
    return agency
