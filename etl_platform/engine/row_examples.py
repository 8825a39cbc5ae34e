"""Rows that broke a rule, as the report shows them. Which columns are masked is known only after all rows."""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, MEMBER, OVERFLOW
from etl_platform.engine.privacy.masking import shape, shown
from etl_platform.engine.reading.characters.cell_characters import lost_cell
from etl_platform.engine.reading.characters.unusual_characters import LOST
from etl_platform.engine.result import Example
from etl_platform.engine.rules.compiled_contract import CompiledContract

_EXAMPLES = 5


@dataclass(frozen=True)
class _Found:
    """A row: ``place`` is its line and, in an archive with several members, the member; the texts of some columns."""

    place: Sequence[Any]
    names: Sequence[str]
    texts: Sequence[str | None]


class RowExamples:
    """The first rows for each reason. ``names`` are those of the file's columns."""

    def __init__(self, compiled: CompiledContract, names: Sequence[str]) -> None:
        self._compiled, self._names = compiled, names
        self._of_rules: dict[str, list[_Found]] = {}
        self._of_damage: dict[str, list[Example]] = {}

    def update(self, bad: pl.DataFrame, broken: Counter[str]) -> None:
        """Add bad rows of a batch.

        Args:
            broken: rows for each reason.
        """
        self._add_of_rules(bad, broken)
        self._add_of_damage(bad)

    def result(self, masked: Set[str]) -> dict[str, tuple[Example, ...]]:
        """By reason, with the cells that its rule is about."""
        of_rules = {
            reason: tuple(_example(row.place, self._value(row, masked)) for row in found)
            for reason, found in self._of_rules.items()
        }
        return of_rules | {reason: tuple(found) for reason, found in self._of_damage.items()}

    def _value(self, row: _Found, masked: Set[str]) -> str | None:
        texts = [self._shown(name, text, masked) for name, text in zip(row.names, row.texts, strict=True)]
        if len(texts) == 1:
            return texts[0]
        return ", ".join(f"{name}={text or ''}" for name, text in zip(row.names, texts, strict=True))

    def _shown(self, name: str, text: str | None, masked: Set[str]) -> str | None:
        if text is None:
            return None
        return shape(text) if name in masked else str(shown(self._compiled.contract.column(name).as_sent(text)))

    def _add_of_rules(self, bad: pl.DataFrame, broken: Counter[str]) -> None:
        places = [LINE, *_member(bad)]
        for reason in self._compiled.reasons:
            room = _EXAMPLES - len(self._of_rules.get(reason, ()))
            if room <= 0 or reason not in broken:
                continue
            inputs = self._compiled.inputs[reason]
            # From single columns: a filter of a frame costs more with each of its columns, and each has rules.
            at = bad[f"rule:{reason}"].arg_true().head(room)
            cells = [bad[name].gather(at).to_list() for name in (*places, *(f"text:{name}" for name in inputs))]
            rows = zip(*cells, strict=True)
            found = [_Found(row[: len(places)], inputs, row[len(places) :]) for row in rows]
            self._of_rules.setdefault(reason, []).extend(found)

    def _add_of_damage(self, bad: pl.DataFrame) -> None:
        """Add damaged rows, whose cells may be in a wrong column, by their shape."""
        if bad[DAMAGE].null_count() == bad.height:
            return
        places = [LINE, *_member(bad)]
        damaged = bad.filter(pl.col(DAMAGE).is_not_null()).group_by(DAMAGE, maintain_order=True).head(_EXAMPLES)
        for *place, reason, overflow, name, cell in damaged.select(
            *places, DAMAGE, OVERFLOW, *lost_cell(self._names)
        ).rows():
            value = f"{name}={shape(cell)}" if reason in LOST and cell else overflow and shape(overflow)
            if len(self._of_damage.setdefault(reason, [])) < _EXAMPLES:
                self._of_damage[reason].append(_example(place, value))


def _example(place: Sequence[Any], value: str | None) -> Example:
    line, *member = place
    return Example(line, value, *member)


def _member(bad: pl.DataFrame) -> list[str]:
    return [MEMBER] if MEMBER in bad.columns else []
