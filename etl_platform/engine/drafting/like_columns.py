"""How well two columns of different files agree under different names, for a draft that has no contract yet. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.model import ColumnType
from etl_platform.engine.privacy.masking import shape
from etl_platform.engine.renames.name_words import name_score
from etl_platform.engine.renames.pairs import Pair, decided_pairs

_CLOSED_LIST = 50
_SHAPES = 200


@dataclass(frozen=True)
class Content:
    """What a column holds: its type, and the rows by text (``complete``, or a sample)."""

    kind: ColumnType
    counts: Mapping[str, int]
    complete: bool


def like_columns(ones: Mapping[str, Content], others: Mapping[str, Content]) -> list[Pair]:
    """The decided pairs of a column of ``ones`` and one of ``others``."""
    return decided_pairs(_pair(one, ones[one], other, others[other]) for one in ones for other in others)


def _pair(one: str, left: Content, other: str, right: Content) -> Pair:
    content, content_reason = _content_score(left, right)
    name = name_score(one, other)
    score = 0.5 * name + 0.5 * content if content else 0.0
    return Pair(one, other, round(score, 2), f"the names agree by {name:.0%}, {content_reason}")


def _content_score(left: Content, right: Content) -> tuple[float, str]:
    numbers = {left.kind, right.kind} == {ColumnType.INTEGER, ColumnType.NUMBER}
    if left.kind is not right.kind:
        return (0.6, "both hold numbers") if numbers else (0.0, "the types differ")
    if left.kind not in {ColumnType.STRING, ColumnType.INTEGER}:
        return 0.6, f"both hold {left.kind} values"
    if left.complete and right.complete and max(len(left.counts), len(right.counts)) <= _CLOSED_LIST:
        return _list_score(_folded(left.counts), _folded(right.counts))
    if left.kind is ColumnType.INTEGER:
        return 0.6, "both hold integers"
    shared = _overlap(_shapes(left.counts), _shapes(right.counts))
    return 0.8 * shared, f"{shared:.0%} of the forms of their values are the same"


def _folded(texts: Iterable[str]) -> set[str]:
    return {text.casefold() for text in texts}


def _list_score(ours: set[str], theirs: set[str]) -> tuple[float, str]:
    shared = _overlap(ours, theirs)
    if not shared and len({text[0] for text in ours}) == len(ours) and _first(ours) == _first(theirs):
        return 0.6, "their values begin with the same letters"
    return shared, f"they share {shared:.0%} of their values"


def _first(texts: set[str]) -> list[str]:
    return sorted(text[0] for text in texts)


def _shapes(counts: Mapping[str, int]) -> set[str]:
    return {shape(text) for text in _spread(list(counts), _SHAPES)}


def _spread(texts: Sequence[str], most: int) -> Sequence[str]:
    """Up to ``most`` texts from all parts of the list."""
    return texts[:: -(-len(texts) // most) or 1]


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0
