"""How alike two names of columns are: by their words, with abbreviations and words of the same meaning. Pure."""

from functools import lru_cache

from etl_platform.engine.column_words import words
from etl_platform.engine.renames.meanings import (
    DETAILS,
    EVENTS,
    FILLERS,
    KINDS,
    MEANINGS,
    NEAR,
    PHRASES,
    ROLES,
)

_WEIGHT = {
    **dict.fromkeys((*KINDS, *ROLES), 0.6),
    "date": 0.4,
    **dict.fromkeys((*DETAILS, *EVENTS), 0.3),
}
_SUBJECT_WEIGHT, _DIGITS_WEIGHT, _ACRONYM_WEIGHT = 0.2, 0.1, 0.5
"""What a word counts that names what all columns are about, digits, and a short word that nobody knows; others 1."""
_LONGEST_ACRONYM = 3
_LESS_COVERED = 0.75
"""The part of the score that comes from the name of which fewer words are in the other one."""
_LEAST_PREFIX, _PREFIX_LIKE, _LETTERS_LIKE, _NEAR_LIKE = 3, 0.9, 0.85, 0.8
_LEAST_LIKE = 0.82
_LEAST_PART = 2
_VOCABULARY = frozenset(
    {*MEANINGS, *" ".join(MEANINGS.values()).split(), *DETAILS, *KINDS, *EVENTS, *ROLES, *set().union(*NEAR)}
)


def name_score(one: str, other: str, subject: str = "") -> float:
    """From 0 to 1: 1 for the same meanings in any order.

    Args:
        subject: names of what all columns are about, such as that of the dataset; their words count less.
    """
    about = frozenset(meanings(subject))
    ours, theirs = meanings(one), meanings(other)
    if not ours or not theirs:
        return 0.0
    less, more = sorted((_covered(ours, theirs, about), _covered(theirs, ours, about)))
    return _LESS_COVERED * less + (1 - _LESS_COVERED) * more


def roles(*names: str) -> frozenset[str]:
    """Whose column the names say it is: roles that agencies do not tell apart are one."""
    found = {word for name in names for word in meanings(name) if word in ROLES}
    return frozenset(next((min(near) for near in NEAR if role in near), role) for role in found)


@lru_cache(4_096)
def meanings(name: str) -> tuple[str, ...]:
    """The words of a name, each as one word for its meaning, each once; without fillers if others are left."""
    plain = words(name)
    if phrase := PHRASES.get(" ".join(plain[:2])):
        plain = (*phrase.split(), *plain[2:])
    found = " ".join(_meaning(word) for word in plain).split()
    return tuple(dict.fromkeys(word for word in found if word not in FILLERS)) or plain


def _covered(ours: tuple[str, ...], theirs: tuple[str, ...], about: frozenset[str]) -> float:
    """The weighted share of our words that are among theirs."""
    weights = [_weight(word, about) for word in ours]
    found = [max(_likeness(word, other) for other in theirs) for word in ours]
    return sum(weight * like for weight, like in zip(weights, found, strict=True)) / sum(weights)


def _weight(word: str, about: frozenset[str]) -> float:
    if word in about:
        return _SUBJECT_WEIGHT
    if word.isdigit():
        return _DIGITS_WEIGHT
    known = word in _VOCABULARY or len(word) > _LONGEST_ACRONYM
    return _WEIGHT.get(word, 1.0) if known else _ACRONYM_WEIGHT


@lru_cache(4_096)
def _meaning(word: str) -> str:
    if known := MEANINGS.get(word):
        return known
    if word in _VOCABULARY:
        return word
    singular = word[:-1] if word.endswith("s") and len(word) > _LEAST_PREFIX else word
    return MEANINGS.get(singular) or (singular if singular in _VOCABULARY else _split(word) or singular)


def _split(word: str) -> str | None:
    """The meanings of two known words that are written as one: ``offnum``."""
    for place in range(len(word) - _LEAST_PART, _LEAST_PART - 1, -1):
        parts = word[:place], word[place:]
        if all(part in _VOCABULARY and part not in FILLERS for part in parts):
            return " ".join(MEANINGS.get(part, part) for part in parts)
    return None


@lru_cache(16_384)
def _likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if any(near >= {one, other} for near in NEAR):
        return _NEAR_LIKE
    if {one, other} <= _VOCABULARY:
        # Two known words that are not the same: start and status, star and start.
        return 0.0
    short, long = sorted((one, other), key=len)
    if len(short) >= _LEAST_PREFIX and long.startswith(short):
        return _PREFIX_LIKE
    if _abbreviates(short, long):
        return _LETTERS_LIKE
    # Imported here: only files with columns to pair pay for it.
    from rapidfuzz import fuzz

    like = float(fuzz.ratio(one, other)) / 100
    return like if like >= _LEAST_LIKE else 0.0


def _abbreviates(short: str, long: str) -> bool:
    """Whether letters of a word, the first one and consonants, are left: ``cmpl`` or ``cmplt`` for complete."""
    if len(short) < _LEAST_PART or short[0] != long[0] or any(letter in "aeiou" for letter in short[1:]):
        return False
    rest = iter(long)
    return all(letter in rest for letter in short)
