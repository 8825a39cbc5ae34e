"""Are personal values of the samples in the logs of a stack? Names, addresses, birth dates and words of emails."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from email.utils import parseaddr
from pathlib import Path

from etl_platform.local.samples import Sample

_PERSONAL = ("first_name", "last_name", "email", "dob")
_FAULTS = {"not given", "1899-12-30"}
_LOGS = ("*.log", "*.out", "*.err")
# S3's own log of requests, which holds their keys; it is not ours.
_NOT_OURS = {"emulator.log"}


def personal_values(samples: Iterable[Sample], emails: Iterable[str]) -> set[str]:
    """In lower case."""
    return {value.lower() for value in (*_of_officers(samples), *_of_emails(emails))}


def _of_officers(samples: Iterable[Sample]) -> Iterator[str]:
    for sample in samples:
        if sample.dataset == "officer_detail":
            for row in csv.DictReader(io.StringIO(sample.content.decode())):
                yield from (row[name] for name in _PERSONAL if row[name].strip() and row[name] not in _FAULTS)


def _of_emails(emails: Iterable[str]) -> Iterator[str]:
    for body in map(json.loads, emails):
        address = parseaddr(body["email_sender"])[1]
        # The user names the object, so it would come with any key.
        yield from (part for part in (address, address.partition("@")[0]) if part)
        yield body["email_content"].splitlines()[0]


def leaks(folder: Path, values: Iterable[str]) -> list[str]:
    """A line for each log below ``folder`` that has any of the values, with where the first one stands.

    Raises:
        ValueError: there are no logs, or no values: nothing would be proved.
    """
    wanted = sorted(values)
    logs = sorted(path for pattern in _LOGS for path in folder.rglob(pattern) if path.name not in _NOT_OURS)
    if not wanted or not any(path.stat().st_size for path in logs):
        raise ValueError(f"{len(logs)} logs and {len(wanted)} values: nothing to look for")
    return [found for path in logs if (found := _leak(path, wanted))]


def _leak(path: Path, wanted: Iterable[str]) -> str | None:
    text = path.read_text("utf-8", errors="replace").lower()
    found = [value for value in wanted if value in text]
    if not found:
        return None
    line = text[: text.index(found[0])].count("\n") + 1
    return f"{path}: {len(found)} personal values of the samples, the first in line {line}"
