"""Arguments that name an agency of the application database."""

import argparse
import re
from collections.abc import Sequence

from etl_platform.application_db.agencies import Agency, find_agency
from etl_platform.engine.errors import UsageError

_MAX_LISTED = 20


def agency_id(text: str) -> int:
    """An argument that is an agency's id."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def choose_agency(known: Sequence[Agency], *, number: int | None = None, partition: str | None = None) -> Agency:
    """The agency with this id or this partition.

    Raises:
        UsageError: there is no such agency.
        PermanentError: another agency has the same slug.
    """
    if partition is None:
        partition = next((agency.partition for agency in known if agency.id == number), None)
        argument = f"--agency-id {number}"
    else:
        argument = f"--agency {partition}"
    agency = None if partition is None else find_agency(partition, known)
    if agency is None:
        some = ", ".join(f"{agency.id} {agency.slug}" for agency in known[:_MAX_LISTED]) or "no agencies"
        more = f" and {len(known) - _MAX_LISTED:,} more" if len(known) > _MAX_LISTED else ""
        raise UsageError(f"{argument}: unknown agency; the application database has {some}{more}")
    return agency
