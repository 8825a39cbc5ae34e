"""How alike two names of columns are: by their words, with abbreviations and words of the same meaning. Pure."""

import re
from functools import lru_cache
from unicodedata import normalize

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_FILLERS = frozenset(["of", "the", "a", "on", "at", "in", "is", "was", "for", "to", "by", "and"])
_MEANINGS = {
    **dict.fromkeys(["no", "nr", "nbr", "num", "nmbr"], "number"),
    **dict.fromkeys(["ident", "identifier"], "id"),
    **dict.fromkeys(["dt", "day"], "date"),
    **dict.fromkeys(["tm"], "time"),
    **dict.fromkeys(["emp", "empl"], "employee"),
    **dict.fromkeys(["off", "ofc", "ofcr", "offr"], "officer"),
    **dict.fromkeys(["surname", "lname", "lastname"], "last name"),
    **dict.fromkeys(["forename", "fname", "firstname"], "first name"),
    **dict.fromkeys(["mi"], "middle initial"),
    **dict.fromkeys(["dob", "birthdate", "birthday"], "birth date"),
    **dict.fromkeys(["gender", "gndr"], "sex"),
    **dict.fromkeys(["ethnicity", "eth", "ethnic", "racial"], "race"),
    **dict.fromkeys(["motorist"], "driver"),
    **dict.fromkeys(["class"], "course"),
    **dict.fromkeys(["kind"], "type"),
    **dict.fromkeys(["addr"], "address"),
    **dict.fromkeys(["loc", "place"], "location"),
    **dict.fromkeys(["dept", "dpt"], "department"),
    **dict.fromkeys(["desc", "descr"], "description"),
    **dict.fromkeys(["cd"], "code"),
    **dict.fromkeys(["amt"], "amount"),
    **dict.fromkeys(["yr"], "year"),
    **dict.fromkeys(["hrs", "hr", "hours"], "hour"),
    **dict.fromkeys(["begin", "began", "begun", "from", "started"], "start"),
    **dict.fromkeys(["finish", "finished", "until", "ended"], "end"),
    **dict.fromkeys(["hired", "appointed", "appointment", "appt"], "hire"),
    **dict.fromkeys(["separation", "separated", "terminated", "term"], "termination"),
    **dict.fromkeys(["completed", "completion", "cmpl"], "complete"),
    **dict.fromkeys(["expires", "expiry", "expiration", "expired", "exp"], "expire"),
    **dict.fromkeys(["received", "recd", "rcvd"], "receive"),
    **dict.fromkeys(["closed", "closing"], "close"),
    **dict.fromkeys(["result", "outcome", "disp", "finding"], "disposition"),
    **dict.fromkeys(["purpose"], "reason"),
    **dict.fromkeys(["pay", "wage", "sal"], "salary"),
    **dict.fromkeys(["veh", "car"], "vehicle"),
    **dict.fromkeys(["shield", "star", "bdg"], "badge"),
    **dict.fromkeys(["title", "grade"], "rank"),
    **dict.fromkeys(["mail"], "email"),
}
"""One word for each meaning, of abbreviations and of the words that agencies use for it."""
_GENERAL = frozenset(
    [
        "name",
        "code",
        "type",
        "number",
        "id",
        "date",
        "value",
        "text",
        "flag",
        "final",
        "count",
        "group",
        "agency",
        "info",
    ]
)
_GENERAL_WEIGHT, _SUBJECT_WEIGHT = 0.5, 0.3
"""What a general word counts, and a word that names what all columns are about; other words count 1."""
_LEAST_PREFIX, _PREFIX_SCORE, _CONSONANTS_SCORE = 3, 0.9, 0.85
_LEAST_LIKE = 0.6


@lru_cache(4_096)
def words(name: str) -> tuple[str, ...]:
    """Lower-case words without accents: ``OfficerID`` and ``officer id`` give officer, id."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode()
    return tuple(word.lower() for word in _WORD.findall(plain))


def name_score(one: str, other: str, subject: str = "") -> float:
    """From 0 to 1: 1 for the same meanings in any order.

    Args:
        subject: a name of what all columns are about, such as that of the dataset; its words count less.
    """
    about = frozenset(word.rstrip("s") for word in words(subject))
    return max(_score(words(one), words(other), about), _score(_meanings(one), _meanings(other), about))


def _score(ours: tuple[str, ...], theirs: tuple[str, ...], about: frozenset[str]) -> float:
    weights = {word: _weight(word, about) for word in (*ours, *theirs)}
    total = sum(weights[word] for word in (*ours, *theirs))
    if not ours or not theirs:
        return 0.0
    best = sum(weights[word] * max(_likeness(word, other) for other in theirs) for word in ours)
    best += sum(weights[word] * max(_likeness(word, other) for other in ours) for word in theirs)
    return best / total


def _weight(word: str, about: frozenset[str]) -> float:
    if word.rstrip("s") in about:
        return _SUBJECT_WEIGHT
    return _GENERAL_WEIGHT if word in _GENERAL or word.isdigit() else 1.0


@lru_cache(4_096)
def _meanings(name: str) -> tuple[str, ...]:
    found = " ".join(_meaning(word) for word in words(name)).split()
    return tuple(dict.fromkeys(word for word in found if word not in _FILLERS)) or words(name)


def _meaning(word: str) -> str:
    singular = word[:-1] if word.endswith("s") and len(word) > _LEAST_PREFIX else word
    return _MEANINGS.get(word) or _MEANINGS.get(singular) or singular


@lru_cache(16_384)
def _likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if min(len(one), len(other)) >= _LEAST_PREFIX and (one.startswith(other) or other.startswith(one)):
        return _PREFIX_SCORE
    short, long = sorted((one, other), key=len)
    if len(short) > 1 and short == _consonants(short) and _consonants(long).startswith(short):
        return _CONSONANTS_SCORE
    # Imported here: only files with columns to pair pay for it.
    from rapidfuzz import fuzz

    like = float(fuzz.ratio(one, other)) / 100
    return like if like >= _LEAST_LIKE else 0.0


def _consonants(word: str) -> str:
    """A word as people abbreviate it: ``cmpl`` for complete."""
    return word[0] + "".join(letter for letter in word[1:] if letter not in "aeiou")
