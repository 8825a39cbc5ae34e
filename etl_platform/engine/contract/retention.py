"""How long files of a dataset are kept after their delivery, if they are erased then. Time is an argument."""

from datetime import timedelta

from etl_platform.engine.contract.cadence import read_duration
from etl_platform.engine.contract.custom_properties import ERASE_AFTER_RETENTION, schema_custom_place
from etl_platform.engine.contract.located_yaml import Located

RETENTION = "retention"


def erases(document: Located) -> bool:
    """Whether files are erased after their retention; otherwise ``retention`` is for people."""
    custom = document.data["schema"][0].get("customProperties") or []
    return any(entry["property"] == ERASE_AFTER_RETENTION and entry["value"] is True for entry in custom)


def read_retention(document: Located) -> timedelta | None:
    """``retention`` of ``slaProperties``; None unless files are erased after it.

    Raises:
        ContractError: there is no retention, or two of them, or one that is no duration.
    """
    if not erases(document):
        return None
    entries = enumerate(document.data.get("slaProperties") or [])
    found = [(place, entry) for place, entry in entries if entry["property"] == RETENTION]
    if len(found) != 1:
        message = f"{ERASE_AFTER_RETENTION} needs one slaProperties entry {RETENTION}, and there are {len(found)}"
        raise document.error(message, *schema_custom_place(document, ERASE_AFTER_RETENTION))
    place, entry = found[0]
    return read_duration(document, entry, ("slaProperties", place))
