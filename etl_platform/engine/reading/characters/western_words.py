"""Whether a text may be a word of a Western European language. Text in, verdict out.

Letters of another code page, read as Windows-1252, are letters or signs where no Western word has them: ``Dvoøák``,
``Wa³êsa``. The rules know the places of letters, not words, so that names are judged like words.
"""

import re

_V = "aeiouyáéíóúýàèìòùâêîôûäëïöüåæøœãõ"
"""Vowels."""
_C = "bcdfghjklmnpqrstvwxz"
_SHORT_WORDS = frozenset(
    re.findall(
        r"\w+", "a i o y an as at be by co de do ex go he if in is it la le me my no of ok on or re so to un up us we"
    )
)
"""Words and prefixes of one or two letters before or after a dash."""
_AFTER_APOSTROPHE = re.compile(r"(?:s|t|re|ve|ll|d|m|n|em|en|er|all|hui|[A-ZÀ-Þ].*)?\Z")

_MISPLACED = re.compile(
    "|".join(
        (
            # A tilde: Spanish, Portuguese. With an accent as in 'ún' the letter before is a vowel, too.
            f"(?<![{_V}])(?<!^)ñ",
            f"ñ(?![{_V}])",
            "ã(?!o|e|s?$|i$)|[bcdfgjkpxz]ã$|.sã$",
            "(?<!^v)õ(?!e)|(?<=^v)õ(?!$|e)",
            # A cedilla is beside a vowel.
            f"(?<![{_V}])ç(?![{_V}]|$)",
            # Acute and grave: è ends a syllable, ì ò ù end words or belong to short Vietnamese ones.
            f"è[{_V}jkh]|[aeáíóúý]è|(?<!^n)[iou]è$|ièn(?!e)|^è[^vrs]",
            f"(?<=[{_V}])ì(?!$)|ì(?!$|nh?$|t$|m$|ch?$)",
            f"(?<=[{_V}])ò(?!$)|ò[ðáíéýì]",
            "ù(?!$|ng$|nh?$|[yactim]$|nez$)",
            # Circumflex.
            "(?<!b)ê[bdgkzjfw]|â(?:[dkjzv]|s$)",
            "î[bdgkzvjp]|û(?!t|r|ch|m|$)(?<!brû)(?<!eû)|.{4}û$",
            # A diaeresis separates vowels.
            f"(?<![{_V}])ï|eï$|(?<![{_V}])ÿ",
            f"(?<![{_V}])(?<!^bront)ë",
            # Nordic letters.
            "[aeoyáéíóúýìèù]ø|ø[áíéóúýìèù]|øe(?!$|[grt]|ns?$|n[de])|øi(?!e|$)",
            f"[{_V}]æ|^æ[eiu]",
            "^ð|(?<![íóúáæöéýrf])(?<!ei)(?<!gu)(?<!fri)(?<!vi)ð(?!s|ur$|ar$|a$)",
            "(?<!^)þ|^þ(?!ór|or|ur|rá|rö|jó|ei|ú)",
            "ý(?!$|ch$|m$)(?<!^sý(?=k))(?<!^[tdvrn]ý(?=[nrtdb]))|..[scmzg]ý$",
            # œ of French, and the carons that Windows-1252 has.
            f"[{_V}]œ|(?<!^)œ(?![uid]|tus|be|the)|^œ(?![ndstu])",
            f"(?<=[bcdfghjkmnpqstvwxz])[šž](?=[{_C}])",
        )
    )
)
_FOREIGN_RUN = re.compile(r"[^\0-\x7f\xa0\u2013-\u201d\u2022\u2026]{3,}")
"""Characters beyond ASCII in a row, except blanks, dashes, quotation marks and dots."""
_COMMON_LETTERS = frozenset("áéíóúñüçèêàâôîûëïöäßÁÉÍÓÚÑÜÇÈÊÀÂÔÎÛËÏÖÄ")
_COMMON_SMALL = frozenset("áéíóúñüöäçßø")
"""Letters that stay small where a program capitalises ASCII only, as in ``PEñA``."""
_SIGN = re.compile(r"[^\w'\-]|[\u02c6ƒ\u00b2\u00b3\u00b9\u00bc-\u00be\u00aa\u00ba\u00b5]")
_ORDINALS = "ªºµ"
_COMPASS = frozenset("NSEW")
"""As in ``NW¼SW¼``, a part of a section of land."""
_NO_BREAK_SPACE = "\u00a0"
_DASHES = frozenset("\u2013\u2014…")
_APOSTROPHES = frozenset("\u2018\u2019")
_BETWEEN_WORDS = frozenset("“”™®©ªº°\u00d7¼½¾")
"""Signs that may be between two words: before a capital."""
_NEVER_IN_WORD = frozenset("\u201aƒ„†‡\u02c6‰\u2039\u203a¡¢£¤¥¦§¬¯±²³¶\u00b8¹¼½¾¿\u02dc•¨»«µ÷€")
_NEVER_AFTER_WORD = frozenset("\u201aƒ„\u02c6‰\u2039¡¢£¤¥¦§¬¯±³¶\u00b8¹º¿\u02dc€")
_NEVER_AFTER_LETTERS = frozenset("\u201aƒ\u02c6")
_NEVER_BEFORE_WORD = frozenset("£¥¤¦¬¯¶\u00b8ƒ\u02c6‰")
_NEVER_BEFORE_SMALL = frozenset("©®±†‡¼½¾ªº")
_UNDEFINED = frozenset("\x81\x8d\x8f\x90\x9d")
"""The bytes that Windows-1252 does not have."""


def is_western(word: str) -> bool:
    """Whether a word of letters and signs beyond ASCII may be Western European, or two such words around a sign."""
    return not is_surely_foreign(word) and not any(_MISPLACED.search(part.lower()) for part in _SIGN.split(word))


def is_surely_foreign(word: str) -> bool:
    """Whether signs, capitals or rows of letters beyond ASCII are where no Western word of any language has them."""
    return (
        bool(odd_signs(word))
        or not all(has_one_case(part, _COMMON_SMALL) for part in _SIGN.split(word))
        or is_scrambled(word)
    )


def is_scrambled(word: str) -> bool:
    """Whether a word has bytes that Windows-1252 lacks, or many different characters beyond ASCII in a row."""
    runs = (run for run in _FOREIGN_RUN.findall(word) if len(set(run)) > 1 and not _COMMON_LETTERS.issuperset(run))
    return not _UNDEFINED.isdisjoint(word) or any(runs)


def odd_signs(word: str) -> list[int]:
    """Places of signs that no Western text has beside the letters of a word."""
    return [found.start() for found in _SIGN.finditer(word) if _is_odd(word, found.start())]


def sure_signs(word: str) -> list[int]:
    """Of the odd signs, those within a word that are no punctuation: a letter has been there."""
    inner = (place for place in odd_signs(word) if 0 < place < len(word) - 1)
    return [place for place in inner if word[place] in _NEVER_IN_WORD and word[place - 1].isalpha()]


def _is_odd(word: str, place: int) -> bool:
    sign, head, tail = word[place], _letters_before(word, place), _letters_after(word, place)
    if sign in _UNDEFINED:
        return True
    if head and tail:
        return _is_odd_within(sign, head, tail)
    if head:
        return sign in _NEVER_AFTER_WORD and (len(head) > 2 or sign in _NEVER_AFTER_LETTERS)
    return bool(tail) and (sign in _NEVER_BEFORE_WORD or (sign in _NEVER_BEFORE_SMALL and tail[0].islower()))


def _is_odd_within(sign: str, head: str, tail: str) -> bool:
    if sign in _DASHES:
        return not all(map(_is_part, (head, tail))) and not (len(head) == len(tail) == 1)
    if sign == _NO_BREAK_SPACE:
        return tail.islower() and (not _has_vowel(head) or not _has_vowel(tail))
    if sign in _APOSTROPHES:
        return len(head) > 2 and head[-1].lower() in _C and _AFTER_APOSTROPHE.match(tail) is None
    if sign in _BETWEEN_WORDS:
        return tail[0].islower() or not (_has_vowel(head) or set(head) <= _COMPASS)
    return sign in _NEVER_IN_WORD


def _is_part(letters: str) -> bool:
    """Whether letters before or after a dash may be a word."""
    return len(letters) > 2 or letters.lower() in _SHORT_WORDS


def _has_vowel(letters: str) -> bool:
    return any(letter in _V for letter in letters.lower())


def _letters_before(word: str, place: int) -> str:
    start = place
    while start and _is_letter(word[start - 1]):
        start -= 1
    return word[start:place]


def _letters_after(word: str, place: int) -> str:
    end = place + 1
    while end < len(word) and _is_letter(word[end]):
        end += 1
    return word[place + 1 : end]


def _is_letter(sign: str) -> bool:
    return sign.isalpha() and sign not in _ORDINALS


def has_one_case(word: str, may_be_small: frozenset[str]) -> bool:
    """Whether capitals beyond ASCII are first or among capitals, and small letters not between capitals.

    Args:
        may_be_small: letters beyond ASCII that may be small between capitals.
    """
    for place, letter in enumerate(word):
        if letter.isascii() or not letter.isalpha():
            continue
        before, after = word[place - 1 : place], word[place + 1 : place + 2]
        if letter.isupper():
            if place and (before.islower() or (after.islower() and before.isalpha())):
                return False
        elif before.isupper() and after.isupper() and letter not in may_be_small:
            return False
    return True
