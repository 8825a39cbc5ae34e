"""How well two columns under different names agree: by their names, and by what they hold. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.model import ColumnType
from etl_platform.engine.drafting.column_names import words
from etl_platform.engine.privacy.masking import shape

LEAST_SCORE = 0.6
_LEAST_LEAD = 0.05
"""A pair whose score is so near to that of another pair of the same column is not decided."""
_CLOSED_LIST = 50
_SHAPES = 200


@dataclass(frozen=True)
class Content:
    """What a column holds: its type, and the rows by text (``complete``, or a sample)."""

    kind: ColumnType
    counts: Mapping[str, int]
    complete: bool


@dataclass(frozen=True)
class Pair:
    """Two names for one column. ``score`` is from 0 to 1; ``reason`` quotes no value."""

    one: str
    other: str
    score: float
    reason: str


def pair_columns(ones: Mapping[str, Content], others: Mapping[str, Content]) -> list[Pair]:
    """The pairs of which each column is the other's best, by a clear lead; best first."""
    every = [pair for one in ones for other in others if (pair := _pair(one, ones[one], other, others[other]))]
    every.sort(key=lambda pair: (-pair.score, pair.one, pair.other))
    found: list[Pair] = []
    for pair in every:
        rivals = [p for p in every if (p.one == pair.one) != (p.other == pair.other)]
        if all(rival.score <= pair.score - _LEAST_LEAD for rival in rivals):
            found.append(pair)
    return found


def _pair(one: str, left: Content, other: str, right: Content) -> Pair | None:
    content, content_reason = _content_score(left, right)
    name = name_score(one, other)
    score = 0.5 * name + 0.5 * content
    if content == 0 or score < LEAST_SCORE:
        return None
    return Pair(one, other, round(score, 2), f"the names agree by {name:.0%}, {content_reason}")


def name_score(one: str, other: str) -> float:
    """From 0 to 1: 1 for the same words in any order."""
    # Imported here: only commands that people start pay for it.
    from rapidfuzz import fuzz

    left, right = " ".join(sorted(words(one))), " ".join(sorted(words(other)))
    if not left or not right:
        return 0.0
    plain, parts = fuzz.ratio(left, right), fuzz.token_set_ratio(left, right)
    return float(max(plain, 0.5 * plain + 0.5 * parts)) / 100


def _content_score(left: Content, right: Content) -> tuple[float, str]:
    if left.kind is not right.kind:
        return 0.0, "the types differ"
    if left.kind not in {ColumnType.STRING, ColumnType.INTEGER}:
        return 0.6, f"both hold {left.kind} values"
    if left.complete and right.complete and max(len(left.counts), len(right.counts)) <= _CLOSED_LIST:
        shared = _overlap(_folded(left.counts), _folded(right.counts))
        return shared, f"they share {shared:.0%} of their values"
    if left.kind is ColumnType.INTEGER:
        return 0.6, "both hold integers"
    shared = _overlap(_shapes(left.counts), _shapes(right.counts))
    return 0.8 * shared, f"{shared:.0%} of the forms of their values are the same"


def _folded(texts: Iterable[str]) -> set[str]:
    return {text.casefold() for text in texts}


def _shapes(counts: Mapping[str, int]) -> set[str]:
    return {shape(text) for text in _first(list(counts), _SHAPES)}


def _first(texts: Sequence[str], most: int) -> Sequence[str]:
    return texts[:: -(-len(texts) // most) or 1]


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0
