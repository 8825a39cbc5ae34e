"""Files of other code pages than Windows-1252 are refused; good Western files are not, even with a few odd words."""

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.columns import DAMAGE
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.file_dialect import FileDialect
from etl_platform.engine.reading.characters.western_words import is_western
from etl_platform_tests.unit.making import cells_of, contract_of, read_back, refusal, text

COLUMNS = [text("ident"), text("name"), text("note")]
CONTRACT = contract_of(COLUMNS)
CLASSIFIED = contract_of([text("ident"), text("name", classification="confidential"), text("note")])

SPANISH = re.findall(
    r"\w+", "Peña Núñez García López Muñoz Pérez Güell Ibáñez José Ramírez Sánchez Jiménez Córdova Avilés Íñigo"
)
FRENCH = re.findall(
    r"\w+", "Hélène Lefèvre François Benoît Noël Gérard Crêpeau Geneviève Château Jérôme Agnès Bélanger Côté"
)
GERMAN = re.findall(r"\w+", "Müller Schäfer Jäger Köhler Böhm Krüger Schröder Bäcker Günther Löwe Weiß Groß Möller")
PORTUGUESE = re.findall(r"\w+", "João Conceição Gonçalves Guimarães Magalhães Simões Assunção Araújo Antônio Sebastião")
NORDIC = re.findall(
    r"\w+", "Sørensen Jørgensen Åkesson Björk Kjær Lindström Møller Bjørn Håkansson Sjöberg Næss Söderström"
)
ITALIAN = re.findall(r"\w+", "Niccolò Nicolò Mosè Cantù Forlì Libertà Bontà Salomè")
POLISH = re.findall(
    r"\w+", "Wałęsa Żeleński Łukasz Gałązka Świątek Michał Kościół Jabłoński Wójcik Zieliński Woźniak Kamiński"
)
CZECH = re.findall(
    r"\w+", "Dvořák Říha Šťastný Žižka Kučera Němec Hruška Růžička Čech Kovář Přibyl Beneš Navrátil Kolář"
)
HUNGARIAN = re.findall(r"\w+", "Szőke Erdős Kőrösi Gergő Sütő Jenő Dezső Szűcs Lőrincz Fűrész Bőhm Csűrös")
ROMANIAN = re.findall(r"\w+", "Păun Ionuţ Popovăţ Mihăilă Băsescu Ţepeş Dragoş Rădulescu Grigoraş Constanţa")
CROATIAN = re.findall(r"\w+", "Horvatić Kovačić Babić Đorđe Marković Jurčić Petrović Lučić Čović")
TURKISH = re.findall(
    r"[^ ]+",
    "Y\u0131lmaz Şahin Y\u0131ld\u0131z Doğan Ayd\u0131n Şimşek "
    "Güneş K\u0131l\u0131ç Erdoğan Iş\u0131k Kaş\u0131kç\u0131 Alt\u0131ntaş",
)
LITHUANIAN = re.findall(
    r"\w+", "Kazlauskienė Žukauskas Šimkus Petrauskaitė Stankevičius Žemaitė Urbonavičius Mažvydas Šarūnas"
)
LATVIAN = re.findall(r"\w+", "Bērziņš Kalniņš Ozoliņš Zariņš Liepiņš Krūmiņš Pēteris Jēkabs Mārtiņš Ķēniņš")
VIETNAMESE = re.findall(r"\w+", "Nguyễn Trần Phạm Đặng Huỳnh Vũ Hồng Tuấn Thảo Hiền Phượng Dũng Quốc")
RUSSIAN = re.findall(r"\w+", "Иванов Петрова Смирнов Кузнецова Соколов Попова Лебедев Новикова")
GREEK = re.findall(r"\w+", "Παπάς Γεωργίου Νικολάου Δημητρίου Ιωάννου Βασιλείου")
WESTERN = [*SPANISH, *FRENCH, *GERMAN, *PORTUGUESE, *NORDIC, *ITALIAN]

PAGES = [
    *(("mac_roman", words) for words in (SPANISH, FRENCH, GERMAN, PORTUGUESE, NORDIC)),
    *((page, words) for page in ("cp437", "cp850") for words in (SPANISH, FRENCH, GERMAN)),
    *((page, words) for page in ("cp1250", "iso8859_2") for words in (POLISH, CZECH, HUNGARIAN, ROMANIAN, CROATIAN)),
    *((page, words) for page in ("cp852", "mac_latin2") for words in (POLISH, CZECH)),
    ("cp1254", TURKISH),
    ("iso8859_9", TURKISH),
    *((page, words) for page in ("cp1257", "iso8859_13") for words in (LITHUANIAN, LATVIAN)),
    ("cp1258", VIETNAMESE),
    *((page, RUSSIAN) for page in ("cp1251", "koi8_r", "iso8859_5", "cp866")),
    ("cp1253", GREEK),
    ("iso8859_7", GREEK),
]


def encoded(word: str, page: str) -> bytes | None:
    """None for a word that the page cannot write. cp1258 writes some accents after their letter."""
    if page == "cp1258":
        word = "".join(_for_cp1258(letter) for letter in word)
    try:
        return word.encode(page)
    except UnicodeEncodeError:
        return None


def _for_cp1258(letter: str) -> str:
    try:
        letter.encode("cp1258")
    except UnicodeEncodeError:
        parts = unicodedata.normalize("NFD", letter)
        tones = "".join(part for part in parts if part in "\u0300\u0301\u0303\u0309\u0323")
        return unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones)) + tones
    return letter


def foreign_words(page: str, words: list[str]) -> list[bytes]:
    """The words that the page writes with other bytes than Windows-1252."""
    found = (encoded(word, page) for word in words)
    return [word for word in found if word is not None and word.decode("cp1252", "replace") not in words]


def write(path: Path, names: list[bytes], filler: int = 0) -> None:
    rows = [b"%d,%s,b\n" % (number, name) for number, name in enumerate([*names, *[b"Smith"] * filler])]
    path.write_bytes(b"ident,name,note\n" + b"".join(rows))


def described(path: Path, contract: Contract = CONTRACT) -> FileDialect:
    table, _ = read_back(path, contract)
    return table.describe()


@pytest.mark.parametrize(("page", "words"), PAGES)
@pytest.mark.parametrize("case", [str.title, str.upper], ids=["title", "upper"])
def test_a_file_of_another_code_page_is_refused(
    path: Path, page: str, words: list[str], case: Callable[[str], str]
) -> None:
    names = foreign_words(page, [case(word).replace("ẞ", "ß") for word in words])
    assert len(names) > 2
    write(path, names * 20, 500)
    error = refusal(path, CONTRACT)
    assert error.code == "encoding_undecidable"
    assert page in error.message or page in {"iso8859_9", "cp437", "iso8859_13", "iso8859_2", "mac_latin2"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_six_different_words_of_another_code_page_are_enough(tmp_path: Path, data: st.DataObject) -> None:
    page, words = data.draw(st.sampled_from([item for item in PAGES if item[0] != "mac_latin2"]))
    names = foreign_words(page, words)
    chosen = (
        data.draw(st.lists(st.sampled_from(names), min_size=6, max_size=6, unique=True)) if len(names) > 5 else names
    )
    path = tmp_path / "delivery"
    write(path, chosen, 300)
    assert refusal(path, CONTRACT).code == "encoding_undecidable"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.sampled_from([*WESTERN, *(word.upper() for word in WESTERN if "ß" not in word)]), min_size=1, max_size=30
    )
)
def test_western_words_are_read_as_themselves(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "delivery"
    write(path, [word.encode("cp1252") for word in words])
    table, frame = read_back(path, CONTRACT)
    assert [name for _, name, _ in cells_of(frame)] == words
    assert table.describe().confidence["encoding"] == 0.95


SIGNS = [
    "stopped—driver fled",
    "pre\u2013trial A\u2013Z K\u20139 Smith\u2013Jones",
    "D\u2019Andre Ja\u2019kobe Hawai\u2019i aujourd\u2019hui don\u2019t",
    "5\u201910” 6½” 98.6°F 3\u00d75 ±5 20µg 10 m²",
    "¿Qué? ¡Hola! «Allá» “Bob”Smith",
    "Taser® Glock™ §1983 N° 5 1º Mª Carmen",
    "£20 €50 20€ 5¢ word…word •item",
    "NW¼SW¼ of section 7",
]


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("times", [1, 100])
def test_signs_in_their_places_are_windows_1252(path: Path, signs: str, times: int) -> None:
    write(path, [signs.encode("cp1252")] * times)
    assert described(path).confidence["encoding"] == 0.95


def test_a_few_odd_words_among_many_western_ones_do_not_refuse_the_file(path: Path) -> None:
    odd = [word.encode("cp1250") for word in ("Erdős", "Němec", "Şahin")]
    write(path, [word.encode("cp1252") for word in WESTERN] * 5 + odd)
    dialect = described(path)
    assert [item.word for item in dialect.encoding_evidence[:3]] == ["Erdõs", "Nìmec", "ªahin"]
    assert [item.line for item in dialect.encoding_evidence[:3]] == [len(WESTERN) * 5 + n for n in (2, 3, 4)]
    assert 0.9 < dialect.confidence["encoding"] < 0.95


def test_a_sign_in_place_of_a_letter_damages_its_row_where_the_file_is_western(path: Path) -> None:
    write(path, [word.encode("cp1252") for word in WESTERN] + ["Jabłoński".encode("cp1250")])
    _, frame = read_back(path, CONTRACT)
    assert frame[DAMAGE].to_list() == [None] * len(WESTERN) + ["row.broken_character"]


def test_a_mixed_file_of_two_code_pages_is_refused(path: Path) -> None:
    write(path, [word.encode("cp1252") for word in SPANISH] + [word.encode("mac_roman") for word in SPANISH])
    assert "mac_roman" in refusal(path, CONTRACT).message


def test_foreign_words_far_below_the_sample_refuse_the_file(path: Path) -> None:
    rows = b"1,Smith,b\n" * 400_000
    path.write_bytes(b"ident,name,note\n" + rows + b"".join(b"2,%s,c\n" % w.encode("cp1250") for w in POLISH[:6]))
    assert refusal(path, CONTRACT).line is not None


@pytest.mark.parametrize("contract", [CONTRACT, CLASSIFIED], ids=["open", "classified"])
def test_the_refusal_shows_a_word_unless_the_contract_classifies_columns(path: Path, contract: Contract) -> None:
    write(path, [word.encode("mac_roman") for word in SPANISH])
    error = refusal(path, contract)
    assert ("('" in error.message) == (contract is CONTRACT)
    assert "mac_roman" in error.message


def test_the_words_on_which_windows_1252_rests_are_masked_in_the_report(path: Path) -> None:
    write(path, ["Peña".encode("cp1252")])
    assert [item.word for item in described(path).encoding_evidence] == ["Peña"]
    assert [item.word for item in described(path, CLASSIFIED).encoding_evidence] == ["Aaaa"]
    assert FileDialect.from_json(described(path).to_json()) == described(path)


@pytest.mark.parametrize("page", ["mac_roman", "cp1250", "cp850"])
def test_a_contract_that_sets_the_code_page_reads_its_words(path: Path, page: str) -> None:
    words = POLISH if page == "cp1250" else SPANISH
    write(path, [word.encode(page) for word in words])
    contract = contract_of(COLUMNS, servers=[{"server": "d", "type": "s3", "location": "s3://b/k", "encoding": page}])
    _, frame = read_back(path, contract)
    assert [name for _, name, _ in cells_of(frame)] == words


@pytest.mark.parametrize(
    "word",
    [
        *WESTERN,
        *(word.upper() for word in WESTERN if "ß" not in word),
        "PEñA",
        "NUñEZ",
        "Þórunn",
        "Sigurður",
        "Novotný",
    ],
)
def test_a_western_word_is_western(word: str) -> None:
    assert is_western(word)


def test_words_in_which_a_program_replaced_letters_by_underscores_do_not_refuse_a_file(tmp_path: Path) -> None:
    words = [f"{name}{number}" for number in range(20) for name in ("GarcÌ_a", "ChapeÌ_n", "MuÌ_oz")]
    path = tmp_path / "delivery"
    path.write_bytes(b"ident,name,note\n" + "".join(f"1,{word},x\n" for word in words).encode("cp1252"))
    _, frame = read_back(path, contract_of(COLUMNS))
    assert [name for _, name, _ in cells_of(frame)] == words


@given(name=st.sampled_from(["Ibáñez", "Núñez", "Señorío", "Íñigo"]), cut=st.integers(0, 3))
def test_a_letter_cut_beside_a_whole_one_damages_its_row(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: int
) -> None:
    letters = [offset for offset, byte in enumerate(name.encode()) if byte >= 0xC0]
    offset = letters[cut % len(letters)]
    broken = name.encode()[: offset + 1] + name.encode()[offset + 2 :]
    path = tmp_path_factory.mktemp("cut") / "delivery"
    path.write_bytes("ident,name,note\n1,Peña,x\n2,".encode() + broken + b",x\n")
    _, frame = read_back(path, contract_of(COLUMNS))
    assert frame[DAMAGE].to_list() == [None, "row.broken_character"]
