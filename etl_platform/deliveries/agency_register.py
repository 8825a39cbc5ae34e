"""The register of agencies that were retired or renamed: one object of the bucket, so the intake needs no Dagster."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from etl_platform.engine.errors import UsageError
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, ReportError, TransientError
from etl_platform.object_keys import AGENCY_REGISTER
from etl_platform.storage.object_store import ObjectStore, find_object

_MAX_WRITES = 20


@dataclass(frozen=True)
class AgencyChange:
    """What was done to an agency, when (UTC) and by whom. Without ``renamed_to`` it was retired."""

    at: datetime
    by: str
    renamed_to: str | None = None

    def __str__(self) -> str:
        done = f"renamed to {self.renamed_to}" if self.renamed_to else "retired"
        return f"{done} on {self.at:%Y-%m-%d} by {self.by}"


@dataclass(frozen=True)
class Agencies:
    """The agencies that were retired or renamed, by the name of their folder. All others are active."""

    changes: Mapping[str, AgencyChange] = field(default_factory=dict)

    def current_name(self, agency: str) -> str:
        """The name under which the agency's files are stored now."""
        while (change := self.changes.get(agency)) is not None and change.renamed_to:
            agency = change.renamed_to
        return agency

    def is_active(self, agency: str) -> bool:
        return agency not in self.changes

    def retirement(self, agency: str) -> AgencyChange | None:
        """The retirement of the agency, if it is retired."""
        change = self.changes.get(agency)
        return change if change is not None and change.renamed_to is None else None

    def with_retired(self, agency: str, by: str, at: datetime) -> "Agencies":
        """Raises UsageError if the agency was renamed."""
        self._require_not_renamed(agency)
        if agency in self.changes:
            return self
        return Agencies({**self.changes, agency: AgencyChange(at, by)})

    def with_restored(self, agency: str) -> "Agencies":
        """Raises UsageError if the agency was renamed."""
        self._require_not_renamed(agency)
        return self._without(agency)

    def with_renamed(self, old: str, new: str, by: str, at: datetime) -> "Agencies":
        """Raises UsageError if one of the agencies is retired, or ``old`` was renamed to another one."""
        if old == new:
            raise UsageError(f"{old} has this name already")
        for agency in (old, new):
            if self.retirement(agency):
                raise UsageError(f"{agency} is retired; run `etl-platform agency restore {agency}` first")
        change = self.changes.get(old)
        if change is not None and change.renamed_to == new:
            return self
        self._require_not_renamed(old)
        if self.current_name(new) not in {new, old}:
            self._require_not_renamed(new)
        # Renaming back ends the earlier change, or the two names would refer to each other.
        return Agencies({**self._without(new).changes, old: AgencyChange(at, by, new)})

    def _without(self, agency: str) -> "Agencies":
        return Agencies({name: change for name, change in self.changes.items() if name != agency})

    def _require_not_renamed(self, agency: str) -> None:
        if self.current_name(agency) != agency:
            raise UsageError(f"{agency} was {self.changes[agency]}; name {self.current_name(agency)} instead")


class AgencyRegister:
    """The register of one bucket. Every method raises ReportError if it cannot read the object."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def read(self) -> Agencies:
        try:
            data = json.loads(self._store.read(self._bucket, AGENCY_REGISTER))
            return Agencies({name: _from_json(change) for name, change in data["agencies"].items()})
        except ObjectMissingError:
            return Agencies()
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            problem = f"not a register of agencies ({error!r}); restore an earlier version of the object"
            raise ReportError(f"s3://{self._bucket}/{AGENCY_REGISTER}: {problem}") from None

    def change(self, change: Callable[[Agencies], Agencies]) -> Agencies:
        """Apply a change to the register as it is; returns the register after it.

        Raises:
            UsageError: raised by the change; nothing is written.
            TransientError: infrastructure failed, or others keep changing the register.
        """
        for _ in range(_MAX_WRITES):
            head = find_object(self._store, self._bucket, AGENCY_REGISTER)
            before = self.read()
            after = change(before)
            if after == before:
                return after
            body = {"agencies": {name: _to_json(one) for name, one in sorted(after.changes.items())}}
            text = json.dumps(body, ensure_ascii=False, indent=1) + "\n"
            try:
                self._store.write(
                    self._bucket,
                    AGENCY_REGISTER,
                    text.encode(),
                    if_absent=head is None,
                    if_match=head.etag if head else None,
                )
            except PreconditionFailedError:
                continue
            return after
        raise TransientError(f"{AGENCY_REGISTER} changed {_MAX_WRITES} times while it was being written; run it again")


def _to_json(change: AgencyChange) -> dict[str, str]:
    renamed = {"renamed_to": change.renamed_to} if change.renamed_to else {}
    return {"at": change.at.isoformat(), "by": change.by, **renamed}


def _from_json(data: Mapping[str, Any]) -> AgencyChange:
    return AgencyChange(datetime.fromisoformat(data["at"]), str(data["by"]), data.get("renamed_to"))
