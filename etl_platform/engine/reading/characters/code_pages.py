"""Windows-1252 or another code page, decided by the words of a file that is not UTF-8. Bytes in, verdict out.

A word is evidence for another code page if it may be a word of the page's languages, and in Windows-1252 it cannot be
Western. A few odd words among many plausible ones do not decide.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from unicodedata import normalize

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import EncodingEvidence
from etl_platform.engine.privacy.masking import shape
from etl_platform.engine.reading.characters import alphabets
from etl_platform.engine.reading.characters.western_words import is_scrambled, is_surely_foreign, is_western, sure_signs

WORD = re.compile(rb"(?<![A-Za-z'\x80-\xff])[A-Za-z']*+[\x80-\xff][A-Za-z'\x80-\xff]*+")
"""A word with a byte beyond ASCII. It is searched from the start of each word only, however long a cell is."""
_LONGEST_WORD = 100
_FEW, _HANDFUL = 3, 6
"""Words of another code page that refuse a file: a few different ones, or a handful of one."""
_MIN_RATIO = 4
"""For each of them, at most so many words that only Windows-1252 explains."""
_MIN_SHARE = 20
"""For each odd word, at most so many that may be Western, whether the other page explains them or not."""
_MAX_WORDS = 5_000
"""Different words that are judged; a larger file has the usual ones among them."""
_EXAMPLES = 5
_PUNCTUATION = frozenset("\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2022¿¡«»ªº·°®\u2122\u00a0'")
_SLAVIC = (alphabets.POLISH, alphabets.CZECH, alphabets.HUNGARIAN, alphabets.ROMANIAN, alphabets.SOUTH_SLAVIC)
_BALTIC = (alphabets.LITHUANIAN, alphabets.LATVIAN, alphabets.ESTONIAN)
_PAGES: dict[str, tuple[alphabets.Alphabet, ...]] = {
    "mac_roman": (),
    "cp850": (),
    "cp437": (),
    "iso8859_15": (),
    "cp1250": _SLAVIC,
    "iso8859_2": _SLAVIC,
    "cp852": _SLAVIC,
    "mac_latin2": _SLAVIC,
    "cp1254": (alphabets.TURKISH,),
    "cp857": (alphabets.TURKISH,),
    "cp1257": _BALTIC,
    "iso8859_13": _BALTIC,
    "cp775": _BALTIC,
    "cp1258": (alphabets.VIETNAMESE,),
    "cp1251": (alphabets.CYRILLIC,),
    "koi8_r": (alphabets.CYRILLIC,),
    "iso8859_5": (alphabets.CYRILLIC,),
    "cp866": (alphabets.CYRILLIC,),
    "cp1253": (alphabets.GREEK,),
    "iso8859_7": (alphabets.GREEK,),
    "cp1255": (alphabets.HEBREW,),
    "cp1256": (alphabets.ARABIC,),
}
"""Other code pages with the alphabets that they are for; without one, they are for Western languages."""


@dataclass
class JudgedWord:
    """A word of the file.

    Attributes:
        text: as Windows-1252 reads it; the five bytes that it lacks are C1 controls.
        western: whether it may be Western in Windows-1252.
        sure: whether it is surely not, whatever the language.
        scrambled: whether it is surely not, whatever the code page.
        for_pages: pages that explain it, where Windows-1252 does not.
        against_pages: pages that do not explain it, where Windows-1252 does.
    """

    text: str
    line: int
    western: bool
    sure: bool
    scrambled: bool
    for_pages: frozenset[str]
    against_pages: frozenset[str]
    times: int = 0

    @property
    def lost(self) -> list[int]:
        """Places of signs that are a letter in every page that explains the word."""
        return sure_signs(self.text) if self.for_pages else []


@dataclass
class CodePageEvidence:
    """The words of a file that are not UTF-8."""

    words: dict[bytes, JudgedWord] = field(default_factory=dict)
    more_western: int = 0
    more_odd: int = 0

    def judge(self, raw: bytes, line: int) -> JudgedWord | None:
        """The verdict on a word; None for signs and single letters, which are no evidence."""
        return self.words.get(raw) or _judged(raw, line, _PAGES if len(self.words) < _MAX_WORDS else {})

    def count(self, raw: bytes, word: JudgedWord) -> None:
        """Count a word that is read as Windows-1252."""
        word.times += 1
        if raw in self.words:
            return
        if len(self.words) < _MAX_WORDS or (not word.western and len(self.words) < 2 * _MAX_WORDS):
            self.words[raw] = word
        elif word.western:
            self.more_western += 1
        else:
            self.more_odd += 1

    @property
    def western_share(self) -> float:
        """Of the words that may be Western; 1 without words."""
        return self.western / (self.western + self.odd) if self.western + self.odd else 1.0

    @property
    def western(self) -> int:
        return self.more_western + sum(word.times for word in self.words.values() if word.western)

    @property
    def odd(self) -> int:
        return self.more_odd + sum(word.times for word in self.words.values() if not word.western)

    def evidence(self, *, mask: bool) -> tuple[EncodingEvidence, ...]:
        """Some words on which the verdict rests, odd ones first.

        Args:
            mask: words must not be shown.
        """
        words = sorted(self.words.values(), key=lambda word: (word.western, word.line))[:_EXAMPLES]
        return tuple(EncodingEvidence(shape(word.text) if mask else word.text, word.line) for word in words)

    def refusal(self, *, mask: bool) -> UnreadableFileError | None:
        """Why the words are not Windows-1252; None where they may be.

        Args:
            mask: words must not be shown.
        """
        odd = [word for word in self.words.values() if not word.western]
        if not odd:
            return None
        fitting = self._fitting(odd)
        if not fitting and not self._are_of_other_pages(odd):
            return None
        first = min(odd, key=lambda word: (not fitting.keys() <= word.for_pages, word.line))
        words = f"{sum(word.times for word in odd):,} words, the first of them"
        shown = "" if mask else f" ({first.text!r})"
        pages = f"; they fit {', '.join(list(fitting)[:3])}" if fitting else ""
        return UnreadableFileError(
            "encoding_undecidable",
            f"{words} on line {first.line}{shown}, are neither UTF-8 nor plausible Windows-1252{pages}; save the file "
            "as UTF-8, or have its encoding set in the contract",
            first.line,
        )

    def _are_of_other_pages(self, odd: list[JudgedWord]) -> bool:
        """Whether most words are of several code pages, or of none.

        Odd signs in words that no page explains are not: they may be damage of their row.
        """
        explained = sum(word.times for word in odd if word.for_pages)
        scrambled = sum(word.times for word in odd if word.scrambled)
        return scrambled > self.western or (explained >= _HANDFUL and explained > self.western)

    def _fitting(self, odd: list[JudgedWord]) -> dict[str, int]:
        """Pages that enough words fit, the best first, with the number of words."""
        found: dict[str, int] = {}
        total = sum(word.times for word in odd)
        for page in _PAGES:
            explained = [word for word in odd if page in word.for_pages]
            for_it = sum(word.times for word in explained)
            sure = sum(word.times for word in explained if word.sure)
            against = self.more_western + sum(word.times for word in self.words.values() if page in word.against_pages)
            enough = for_it >= (_FEW if len(explained) > 1 else _HANDFUL)
            often = _MIN_RATIO * for_it >= against and _MIN_SHARE * for_it >= self.western
            if ((enough and often) or sure > against) and 2 * for_it >= total:
                found[page] = for_it
        best = max(found.values(), default=0)
        return {page: times for page, times in sorted(found.items(), key=lambda pair: -pair[1]) if 2 * times >= best}


def has_foreign_words(texts: Iterable[bytes]) -> bool:
    """Whether texts that should be Windows-1252 have words that surely are not, or enough that seem not to be."""
    evidence = CodePageEvidence()
    for text in texts:
        for raw in WORD.findall(text):
            if word := evidence.judge(raw, 0):
                evidence.count(raw, word)
    sure = any(word.sure and not word.western for word in evidence.words.values())
    return sure or evidence.refusal(mask=True) is not None


def _judged(raw: bytes, line: int, pages: Collection[str]) -> JudgedWord | None:
    """One word; ``pages`` to which a Western word is compared, because that takes most of the time."""
    text = as_cp1252(raw.strip(b"\xa0'"))
    if not 2 <= len(text) <= _LONGEST_WORD or not any(map(str.isalpha, text)):
        return None
    western = is_western(text)
    explained = {page for page in (pages if western else _PAGES) if not _differing(page).isdisjoint(raw)}
    by_page = {page: _explains(page, raw) for page in explained}
    return JudgedWord(
        text,
        line,
        western,
        not western and is_surely_foreign(text),
        is_scrambled(text),
        frozenset(page for page, fits in by_page.items() if fits and not western),
        frozenset(page for page, fits in by_page.items() if not fits and western),
    )


def as_cp1252(raw: bytes) -> str:
    """Text of Windows-1252; the five bytes that it lacks are C1 controls."""
    return "".join(map(_CP1252.__getitem__, raw))


_CP1252 = [code.decode("cp1252", "ignore") or chr(code[0]) for code in (bytes([number]) for number in range(256))]


@cache
def _differing(page: str) -> frozenset[int]:
    """The bytes that a page reads as another character than Windows-1252 does."""
    return frozenset(code for code in range(128, 256) if bytes([code]).decode(page, "replace") != _CP1252[code])


def _explains(page: str, raw: bytes) -> bool:
    try:
        text = normalize("NFC", raw.decode(page))
    except UnicodeDecodeError:
        return False
    if not all(sign.isalpha() or sign in _PUNCTUATION for sign in text):
        return False
    languages = _PAGES[page]
    if not languages:
        return is_western(text)
    parts = [part for part in re.split(r"\W", text) if not part.isascii()]
    return bool(parts) and any(all(map(language.has, parts)) for language in languages)
