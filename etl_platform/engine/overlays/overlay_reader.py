"""The text of an overlay and a contract → the contract as it reads the files of one agency. No files.

An overlay sets how an agency writes its files. What a value must be is the contract's alone, so an overlay that sets a
rule is an error.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any

from etl_platform.engine.contract.cadence import Cadence, cadence_of, read_duration
from etl_platform.engine.contract.custom_properties import LIKE_LAST_TIME
from etl_platform.engine.contract.drift_limits import PERCENTS, DriftLimits, declared_limits
from etl_platform.engine.contract.located_yaml import Located, load_located
from etl_platform.engine.contract.model import Column, Contract
from etl_platform.engine.contract.overlay import EVERY_COLUMN, Overlay
from etl_platform.engine.contract.reading_overrides import ReadingOverrides, delimiter_problem, encoding_problem
from etl_platform.engine.errors import ErrorList
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.engine.overlays.column_habits import (
    ColumnOverlayReader,
    meanings,
    with_contract_formats,
    with_null_tokens,
)
from etl_platform.engine.overlays.fields import TOP_FIELDS, cell_texts, mapping, text, unknown_fields, whole

_EMPTY = "write what the agency does in its own way, or delete the file"
_MAX_LINE = 1_000_000
_DURATION = ("value", "unit")
_PROPERTIES = {field: name for name, (field, _) in PERCENTS.items()} | {"ignore": "ignore"}


@lru_cache(128)
def apply_overlay(contract: Contract, text: str, path: str, name: str) -> Contract:
    """The contract with what an overlay sets.

    Args:
        text: YAML.
        path: of the overlay, for messages; ``name`` is the same below the folder of the contracts.

    Raises:
        ContractError: with file and line; if several parts are wrong, all of them (``errors``).
    """
    return _Reader(load_located(text, path, _EMPTY), contract).contract(text, name)


class _Reader:
    """Reads one document, and collects the errors of its parts."""

    def __init__(self, document: Located, contract: Contract) -> None:
        self.document, self.base, self.data = document, contract, document.data
        self.errors = ErrorList()
        self.settings: list[str] = []
        self.null_tokens: tuple[str, ...] = ()
        self.overrides: frozenset[str] = frozenset()

    def contract(self, text: str, name: str) -> Contract:
        collect, base = self.errors.collect, self.base
        for error in unknown_fields(self.document, self.data, TOP_FIELDS, base.path):
            with collect():
                raise error
        found: dict[str, Any] = {}
        with collect():
            contact = self._text("contact")
        with collect():
            self._text("description")
        with collect():
            found["reading_overrides"] = self._reading_overrides()
        with collect():
            found["cadence"] = self._cadence()
        with collect():
            found["drift_limits"] = self._drift_limits()
        columns = self._columns()
        self.errors.raise_any()
        overlay = Overlay(
            path=self.document.path,
            name=name,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            lines={column.name: self.document.line("columns", column.name) for column in columns},
            settings=tuple(self.settings),
            meanings=self._meanings(columns),
            contact=contact,
            overrides=self.overrides,
        )
        sha256 = hashlib.sha256(f"{base.sha256}\0{overlay.sha256}".encode()).hexdigest()
        return replace(base, sha256=sha256, columns=columns, overlay=overlay, **found)

    def _meanings(self, columns: Iterable[Column]) -> dict[str, dict[str, str | None]]:
        """What the texts of each column mean; null tokens of all columns once."""
        of_all = dict.fromkeys(self.null_tokens)
        found = {column.name: dict(texts) for column in columns if (texts := list(meanings(column, of_all)))}
        return found | ({EVERY_COLUMN: of_all} if of_all else {})

    def _text(self, name: str) -> str | None:
        return text(self.document, self.data[name], name) if name in self.data else None

    def _reading_overrides(self) -> ReadingOverrides:
        base, document = self.base.reading_overrides, self.document
        changes: dict[str, Any] = {}
        for name, problem in (("encoding", encoding_problem), ("delimiter", delimiter_problem)):
            if name in self.data:
                value = self.data[name]
                # A delimiter may be a blank or a tab.
                written = value if isinstance(value, str) else text(document, value, name)
                if found := problem(written):
                    raise document.error(found, name)
                changes[name] = written
        if "sheet" in self.data:
            changes["sheet"] = text(document, self.data["sheet"], "sheet")
        if "headerLine" in self.data:
            if base.no_header:
                message = f"headerLine contradicts header: none of the contract {self.base.path}; remove it"
                raise document.error(message, "headerLine")
            changes["header_line"] = whole(document, self.data["headerLine"], 1, _MAX_LINE, "headerLine")
        for name, value in changes.items():
            before = getattr(base, name)
            instead = "" if before in (None, value) else f", instead of {before!r}"
            self.settings.append(f"{name.replace('_', ' ')} {value!r}{instead}")
        self.overrides = frozenset(changes)
        return replace(base, **changes)

    def _cadence(self) -> Cadence | None:
        base = self.base.cadence
        names = [name for name in ("frequency", "latency") if name in self.data]
        if not names:
            return base
        if base is None:
            message = f"{names[0]} needs a frequency in slaProperties of the contract {self.base.path}; add it there"
            raise self.document.error(message, names[0])
        found: dict[str, timedelta] = {}
        for name in names:
            entry = mapping(self.document, self.data[name], "{value: 14, unit: d}", name)
            if other := next((field for field in entry if field not in _DURATION), None):
                raise self.document.error(f"{name} has value and unit, and no {other!r}", name, other)
            if "value" not in entry:
                raise self.document.error(f"{name} needs a value, such as {{value: 14, unit: d}}", name)
            found[name] = read_duration(self.document, {"property": name, **entry}, (name,))
            before = base.every if name == "frequency" else base.grace
            self.settings.append(f"{name} {_days(found[name])} days, instead of {_days(before)}")
        return cadence_of(found.get("frequency", base.every), found.get("latency"))

    def _drift_limits(self) -> DriftLimits:
        base, name = self.base.drift_limits, LIKE_LAST_TIME
        if name not in self.data:
            return base
        declared = mapping(self.document, self.data[name], "{rowsPercent: 80}", name)
        if "severity" in declared:
            message = f"an overlay cannot set the severity of {name}; change the contract {self.base.path}"
            raise self.document.error(message, name, "severity")
        if base.severity is None:
            raise self.document.error(f"{name} is off in the contract {self.base.path}; remove it", name)
        columns = {column.name for column in self.base.columns}
        limits = declared_limits(self.document, declared, columns, (name,))
        for field, value in limits.items():
            shown, before = (_shown(one) for one in (value, getattr(base, field)))
            self.settings.append(f"{name} {_PROPERTIES[field]} {shown}, instead of {before}")
        if "ignore" in limits:
            limits["ignore"] |= base.ignore
        return replace(base, **limits)

    def _columns(self) -> tuple[Column, ...]:
        columns = {column.name: column for column in self.base.columns}
        with self.errors.collect():
            columns |= self._read_columns()
        if "nullTokens" in self.data:
            with self.errors.collect():
                self.null_tokens = cell_texts(self.document, self.data["nullTokens"], where := "nullTokens")
                for column in self.base.file_columns:
                    found = columns[column.name]
                    columns[column.name] = with_null_tokens(self.document, found, self.null_tokens, (where,))
        return tuple(with_contract_formats(columns[column.name], column) for column in self.base.columns)

    def _read_columns(self) -> dict[str, Column]:
        if "columns" not in self.data:
            return {}
        entries = mapping(self.document, self.data["columns"], "{hire_date: {formats: [M/d/yyyy]}}", "columns")
        known = {column.name: column for column in self.base.columns}
        headers, found = self.base.known_headers, dict[str, Column]()
        for name, entry in entries.items():
            with self.errors.collect():
                self._refuse_unknown(name, known)
                reader = ColumnOverlayReader(self.document, self.base, name, headers, self.errors)
                found[name] = reader.column(known[name], entry)
                self.settings += reader.settings
        return found

    def _refuse_unknown(self, name: str, known: Mapping[str, Column]) -> None:
        in_file = [column.name for column in known.values() if column.in_file]
        if name in in_file:
            return
        if name in known:
            raise self.document.error(f"{name} is derived, so no file has it; remove it", "columns", name)
        hint = did_you_mean_or_all(name, in_file)
        raise self.document.error(f"the contract has no column {name!r}{hint}", "columns", name)


def _days(time: timedelta) -> str:
    return f"{time / timedelta(days=1):g}"


def _shown(value: Any) -> str:
    return ", ".join(sorted(value)) or "none" if isinstance(value, frozenset) else f"{value:g}"
