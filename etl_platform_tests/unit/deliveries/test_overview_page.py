"""The page of all agencies: what it says, and that no text of a sender can break out of its place."""

import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256

import pytest

from etl_platform.deliveries.overview.page import overview_page
from etl_platform.deliveries.overview.state import Overview
from etl_platform_tests.unit.deliveries.overview_ledger import NOW, OverviewLedger, full_state, many_agencies
from etl_platform_tests.unit.engine.pages.page_parts import ATTACKS, Parts


@pytest.fixture(scope="module")
def page() -> str:
    return overview_page(many_agencies(60).facts(state=full_state()))


def hostile_page(texts: tuple[str, ...]) -> str:
    """A page in which each text of a sender is one of these."""
    ledger = OverviewLedger()
    for text in texts:
        ledger.put(text, NOW - timedelta(days=3), file=f"{text}.csv", code="empty_file", why=text)
    return overview_page(ledger.facts(state=full_state(texts[:5])))


def test_the_page_has_what_needs_a_person_first_and_counts_it(page: str) -> None:
    text = Parts(page).text
    assert "Stuck: 1" in text
    assert "Refused now: 6" in text
    assert "Not recognised: 1" in text
    assert (
        text.index("Stuck") < text.index("Refused now") < text.index("Arrivals") < text.index("Rows and refused rows")
    )
    assert "the header lacks the required column ident" in text
    assert "comes again at 2026-11-30 13:00:00 UTC" in text


def test_agencies_without_trouble_are_folded_and_counted(page: str) -> None:
    folded = re.search(r"<summary>(\d+) more agencies, (\d+) of them with trouble</summary>", page)
    assert folded is not None
    shown = page[: folded.start()].count('<tr><th scope="row"><bdi>agency_')
    assert int(folded[1]) > 30
    assert page.count("<bdi>agency_059</bdi></th>") == 1
    assert shown


def test_each_cell_with_a_file_has_the_command_that_shows_its_verdict() -> None:
    ledger = OverviewLedger()
    report = ledger.put("a", NOW - timedelta(days=3), quarantined=4)
    page = overview_page(ledger.facts())
    assert f"<code>etl-platform show {report.delivery_id}</code>" in page
    assert "2026-11-27 accepted, 10 rows, 4 in quarantine" in Parts(page).text


def test_an_installation_without_a_file_has_a_page() -> None:
    text = Parts(overview_page(OverviewLedger().facts())).text
    assert "Nothing needs a person." in text
    assert "No agency has sent a file." in text
    assert "Overdue files were not looked for." in text


def test_texts_of_senders_add_no_element_and_no_attribute() -> None:
    harmless = Parts(hostile_page(tuple(f"word{number}" for number in range(len(ATTACKS)))))
    attacked_page = hostile_page(ATTACKS)
    attacked = Parts(attacked_page)
    assert sorted(map(str, attacked.elements)) == sorted(map(str, harmless.elements))
    assert "{{ 7 * 7 }}" in attacked.text
    assert not {"\x1b", "\u202e", "\u2066", "\x00"} & set(attacked_page)


def test_the_page_loads_nothing_and_its_policy_allows_only_its_style(page: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}'" in page
    assert not re.search(r"""(?:src|srcset|action|poster)=|url\(|@import|https?:""", page)
    assert "style=" not in page.replace(style, "")


def test_each_id_is_unique_and_each_reference_has_its_target(page: str) -> None:
    parts = Parts(page)
    assert len(parts.ids) == len(set(parts.ids))
    assert set(parts.references) <= set(parts.ids)


def test_a_part_that_was_not_looked_at_is_not_called_good() -> None:
    ledger = OverviewLedger()
    assert "No file is overdue." not in Parts(overview_page(ledger.facts(state=Overview()))).text


def test_an_ignored_file_whose_name_resembles_that_of_a_contract_is_named_so() -> None:
    page = overview_page(OverviewLedger().facts(state=full_state(("Thngs.csv", "b", "add one", "d", "e"))))
    assert "no_contract: add one. Did you mean things.csv?" in Parts(page).text
