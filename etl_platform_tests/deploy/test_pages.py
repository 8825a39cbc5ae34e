"""Pages for people in a real browser: accessibility, width of a phone, and texts that try to run as scripts."""

from dataclasses import replace
from pathlib import Path

import pytest

from etl_platform.deliveries.overview.page import overview_page
from etl_platform.engine.contract_folder import load_contract, load_contracts
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.pages.dictionary_page import dictionary_page
from etl_platform.engine.pages.html_page import html_page
from etl_platform.engine.pages.page_facts import EarlierFile, LastFile
from etl_platform.local.samples import Sample, build_samples
from etl_platform_tests.deploy.browser import axe, dump_page, run_in_page
from etl_platform_tests.unit.deliveries.overview_ledger import full_state, many_agencies
from etl_platform_tests.unit.deliveries.test_overview_page import hostile_page
from etl_platform_tests.unit.engine.pages.page_parts import AT, ATTACKS, facts_of
from etl_platform_tests.unit.engine.pages.test_html_page import FINDING, hostile
from etl_platform_tests.unit.making import CONTRACTS

_NAMES = ("clean", "bad_rows", "missing_column", "cp1252_semicolons", "utf16_tabs", "workbook", "empty_file")
SAMPLES = [sample for sample in build_samples() if sample.name in {*_NAMES, "preamble_and_totals"}]
_BROKEN = "document.documentElement.dataset.broken"
_AXE = """
axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(done => write(
  done.violations.filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => [one.id, one.nodes[0].html.slice(0, 200)])));
"""
_WIDTH = """
const frame = document.createElement('iframe');
frame.width = WIDTH;
document.querySelectorAll('script').forEach(script => script.remove());
frame.srcdoc = document.documentElement.outerHTML;
frame.onload = () => {
  const page = frame.contentDocument.documentElement;
  write([page.scrollWidth, page.clientWidth]);
};
document.body.appendChild(frame);
"""


def page(sample: Sample, folder: Path) -> str:
    """The page of a sample as a delivery with two deliveries before it."""
    contract = load_contract(CONTRACTS / f"{sample.dataset}.odcs.yaml")
    name = sample.key.rpartition("/")[2]
    facts = facts_of(folder, contract, sample.content, name)
    series = (
        EarlierFile(AT, "accepted", 140, 3),
        EarlierFile(AT, "rejected", None, None),
        EarlierFile(AT, facts.outcome, facts.result.rows, facts.result.quarantined_rows, is_this=True),
    )
    drift = DriftComparison(1, "a", (FINDING,))
    before = {name: replace(one, nulls=3) for name, one in facts.result.profile.items()}
    sent = {"delivery_id": "0123456789abcdef0123", "delivered_at": AT, "agency": sample.agency}
    return html_page(replace(facts, series=series, drift=drift, last=LastFile(12, before), **sent))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_page_has_no_serious_fault_of_accessibility(sample: Sample, tmp_path: Path) -> None:
    assert run_in_page(page(sample, tmp_path), axe() + _AXE) == []


def test_the_overview_of_200_agencies_has_no_serious_fault_of_accessibility() -> None:
    opened = "document.querySelectorAll('details').forEach(one => { one.open = true; });"
    page_ = overview_page(many_agencies(200).facts(state=full_state()))
    assert run_in_page(page_, axe() + _AXE) == []
    assert run_in_page(page_, axe() + opened + _AXE) == []


def test_texts_of_senders_in_the_overview_run_no_script() -> None:
    found = run_in_page(hostile_page(ATTACKS), f"write({_BROKEN} === undefined);")
    assert found is True


@pytest.mark.parametrize("width", [360, 1_000])
def test_the_overview_is_not_wider_than_its_window(width: int) -> None:
    page_ = overview_page(many_agencies(30).facts(days=365, state=full_state()))
    found, window = run_in_page(page_, _WIDTH.replace("WIDTH", str(width)))
    assert found <= window


def test_the_overview_opens_cells_by_keyboard_without_a_script() -> None:
    script = """
    const cell = document.querySelector('td summary');
    cell.focus();
    const focused = document.activeElement === cell;
    cell.click();
    write([focused, cell.parentElement.open, cell.parentElement.innerText.includes('etl-platform show')]);
    """
    assert run_in_page(overview_page(many_agencies(3).facts()), script) == [True, True, True]


def test_the_dictionary_has_no_serious_fault_of_accessibility() -> None:
    assert run_in_page(dictionary_page(load_contracts(CONTRACTS).values()), axe() + _AXE) == []


def test_axe_finds_a_fault(tmp_path: Path) -> None:
    faulty = page(SAMPLES[0], tmp_path).replace('<html lang="en">', "<html>")
    assert [found[0] for found in run_in_page(faulty, axe() + _AXE)] == ["html-has-lang"]


@pytest.mark.parametrize("width", [320, 1_000])
def test_a_page_fits_its_window(tmp_path: Path, width: int) -> None:
    (sample,) = (sample for sample in SAMPLES if sample.name == "bad_rows")
    needed, available = run_in_page(page(sample, tmp_path), _WIDTH.replace("WIDTH", str(width)))
    assert needed <= available <= width


def test_no_text_of_a_file_or_contract_runs(tmp_path: Path) -> None:
    found = run_in_page(hostile(tmp_path, ATTACKS), f"write([{_BROKEN} ?? null, document.scripts.length]);")
    assert found == [None, 1]


def test_the_policy_of_a_page_forbids_a_script_that_was_put_in(tmp_path: Path) -> None:
    text = page(SAMPLES[0], tmp_path)
    script = f"{_BROKEN} = 1"
    assert 'data-broken="1"' not in dump_page(text, script, 1_000)
    assert 'data-broken="1"' in dump_page(text.replace("Content-Security-Policy", "none"), script, 1_000)
