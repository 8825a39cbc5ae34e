"""Checks that logs contain no personal values of the samples: names, addresses, birth dates, texts of emails."""

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
# The emulator logs the keys of requests; that log is not the platform's.
_IGNORED = {"emulator.log"}


def personal_values(samples: Iterable[Sample], emails: Iterable[str]) -> set[str]:
    """The personal values of the samples, in lower case."""
    return {value.lower() for value in (*_of_officers(samples), *_of_emails(emails))}


def _of_officers(samples: Iterable[Sample]) -> Iterator[str]:
    for sample in samples:
        if sample.dataset == "officer_detail":
            for row in csv.DictReader(io.StringIO(sample.content.decode())):
                yield from (row[name] for name in _PERSONAL if row[name].strip() and row[name] not in _FAULTS)


def _of_emails(emails: Iterable[str]) -> Iterator[str]:
    for body in map(json.loads, emails):
        address = parseaddr(body["email_sender"])[1]
        # The object key contains the user, so logging a key would log it.
        yield from (part for part in (address, address.partition("@")[0]) if part)
        yield body["email_content"].splitlines()[0]


def scan_logs(folder: Path, values: Iterable[str]) -> list[str]:
    """A line for each log below ``folder`` that contains some of the values, with the line of the first.

    Raises:
        ValueError: there are no logs or no values, so the check would prove nothing.
    """
    searched = sorted(values)
    logs = sorted(path for pattern in _LOGS for path in folder.rglob(pattern) if path.name not in _IGNORED)
    if not searched or not any(path.stat().st_size for path in logs):
        raise ValueError(f"{len(logs)} logs and {len(searched)} values: nothing to check")
    return [found for path in logs if (found := _scan_log(path, searched))]


def _scan_log(path: Path, searched: Iterable[str]) -> str | None:
    text = path.read_text("utf-8", errors="replace").lower()
    found = [value for value in searched if value in text]
    if not found:
        return None
    line = text[: text.index(found[0])].count("\n") + 1
    return f"{path}: contains {len(found)} personal values of the samples, the first in line {line}"
