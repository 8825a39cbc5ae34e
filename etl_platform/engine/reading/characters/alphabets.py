"""The alphabets of languages that other code pages than Windows-1252 are for. Text in, verdict out."""

import re
from dataclasses import dataclass
from unicodedata import combining, normalize

from etl_platform.engine.reading.characters.western_words import has_one_case

_V = "aeiouyąęóáéíúýěůöőüűăâîąėįųūāēī\u0131õäå"


@dataclass(frozen=True)
class Alphabet:
    """The small letters of a language beyond ASCII, and where none of its words has one of them.

    Attributes:
        misplaced: a pattern of small letters.
        one_script: all letters of a word are of the alphabet.
    """

    letters: frozenset[str]
    misplaced: re.Pattern[str] | None = None
    one_script: bool = False

    def has(self, word: str) -> bool:
        """Whether a word beyond ASCII may be of the language."""
        small = word.lower().replace("i\u0307", "i")
        beyond = [letter for letter in small if not letter.isascii()]
        if not beyond or not self.letters.issuperset(small if self.one_script else beyond) or not small.isalpha():
            return False
        return has_one_case(word, frozenset()) and (self.misplaced is None or self.misplaced.search(small) is None)


def _latin(letters: str, misplaced: str | None = None) -> Alphabet:
    return Alphabet(frozenset(letters), misplaced and re.compile(misplaced))  # type: ignore[arg-type]


def _script(first: int, last: int, more: str = "") -> Alphabet:
    return Alphabet(frozenset(map(chr, range(first, last + 1))) | frozenset(more), None, one_script=True)


POLISH = _latin("ąćęłńóśźż", f"[ńśćź][aeoyąęó]|^[ąęń]|[{_V}][ąę]|[ąę][{_V}]|q|x|v|[a-z]ó[{_V}]|^.{{,2}}$")
CZECH = _latin("áčďéěíňóřšťúůýžäôľĺŕ", f"ů[{_V}]|^ů|[{_V}]ů|ě[{_V}]|^ě|[{_V}]ě|[ďťň][{_V}]ě|w|q")
HUNGARIAN = _latin("áéíóöőúüű", f"[őű][{_V}]|[{_V}][őű]|w|q")
ROMANIAN = _latin("ăâîșțşţ", f"[ăâ][ăâî]|ă[{_V}](?![{_V}bcdfghjklmnprstvz]|$)|k|w|y|q")
SOUTH_SLAVIC = _latin("čćđšž", r"w|q|x|y|ć[bdfghjklmprstvz]|[bdfghjklmpstv]ć")
TURKISH = _latin("çğ\u0131İöşüâîû", f"^ğ|(?<![{_V}])ğ|[ğ\u0131]\u0131|\u0131[{_V}]|[{_V}]\u0131|w|q|x")
LITHUANIAN = _latin("ąčęėįšųūž", r"w|q|x|ė[aeouįų]|^ų|[ąęėįųū][ąęėįųū]")
LATVIAN = _latin("āčēģīķļņšūž", r"w|q|x|y|[āēīū][āēīū]|ņ[bdpvg]")
ESTONIAN = _latin("äöõüšž", r"w|q|x|y|ç")
_SYLLABLE = re.compile(r"(?:ngh?|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdghklmnprstvx])?[aeiouy]{1,3}(?:ng|nh|ch|[cmnpt])?")
"""A Vietnamese word is one syllable; the accents have been removed."""


class _Vietnamese(Alphabet):
    def has(self, word: str) -> bool:
        plain = "".join(part for part in normalize("NFD", word.lower()) if not combining(part)).replace("đ", "d")
        return super().has(word) and _SYLLABLE.fullmatch(plain) is not None


VIETNAMESE = _Vietnamese(frozenset("áàảãạăắằẳẵặâấầẩẫậđéèẻẽẹêếềểễệíìỉĩịóòỏõọôốồổỗộơớờởỡợúùủũụưứừửữựýỳỷỹỵ"))
CYRILLIC = _script(0x400, 0x45F, "ґғқңүұһәө")
GREEK = _script(0x386, 0x3CE)
HEBREW = _script(0x5D0, 0x5EA)
ARABIC = _script(0x621, 0x64A, "پچژگ")
