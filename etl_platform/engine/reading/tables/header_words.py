"""How a row of names looks: header words, and the forms in which a name is written. Texts only, no files."""

import re
from collections.abc import Iterable, Sequence
from unicodedata import normalize

from etl_platform.engine.contract.model import fold

_WORDS = (
    "action active address age agency allegation amount badge beat begin begins case category charge city "
    "class code codes color colour comment comments complaint cost count county court created date dates "
    "day department dept desc description disposition district division dob email employee end ethnicity "
    "file first flag from full gender group height hire hired hiredate hour id ids incident key kind "
    "label last lat latitude level lng location lon longitude mail make middle model month name names no "
    "note notes nr num number offence offense officer officers outcome pay percent person phone place "
    "plate precinct price qty quantity race rank rate reason ref reference remark remarks report result "
    "salary score sex source start start_date state status stop street subject surname suspect "
    "termination time title to total type types unit unit_id updated url value vehicle version victim "
    "violation weight year zip zone"
)
HEADER_WORDS = frozenset(_WORDS.split())
"""Words of which column names are made. Few of them are values of a cell."""
_NAME = re.compile(r"[^\W\d][^\r\n\t]{0,59}")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VALUE = re.compile(
    r"\s*+[-+(]?[$€£]?\s*+\.?[0-9][0-9,. ]*+\)?\s*+%?\s*+"
    r"|\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T].*)?|\s*[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?(?: ?[AaPp][Mm])?\s*"
    r"|[^\s@]++@(?:[^\s@.]++\.)++[^\s@.]++|https?://.*"
)
"""A cell may be of any length, so patterns for cells never go back within a run of characters."""

_NO_VALUE = re.compile(r"\s*(?:n/?a|null|none|nil|unknown|unk|tbd|missing|-+|\?+)\s*", re.IGNORECASE)


def is_value(text: str) -> bool:
    """Whether a cell is a number, an amount, a date, a time or a web address, so not a column name."""
    return _VALUE.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a cell may be the name of a column: short text that begins with a letter."""
    return _NAME.fullmatch(text.strip()) is not None


def has_header_word(text: str) -> bool:
    """Whether a short text contains a word of which column names are made."""
    words = _WORD.findall(text)
    return 0 < len(words) <= 4 and any(word.casefold() in HEADER_WORDS for word in words)


def are_names(texts: Sequence[str]) -> bool:
    """Whether all texts may be column names, each of them once."""
    return (
        not any(_NO_VALUE.fullmatch(text) for text in texts)
        and all(map(is_name, texts))
        and len(set(map(fold, texts))) == len(texts)
    )


def written_forms(names: Iterable[str]) -> list[str]:
    """The usual ways to write names: with their case, blanks and normal form changed."""
    forms: set[str] = set()
    for name in names:
        bare = name.strip()
        for spelt in (name, bare, bare.replace("_", " "), bare.replace(" ", "_"), re.sub(r"[\s_]", "", bare)):
            for cased in (spelt, spelt.lower(), spelt.upper(), spelt.title(), spelt.capitalize()):
                forms |= {cased, normalize("NFC", cased), normalize("NFD", cased)}
    return sorted(forms - {""})
