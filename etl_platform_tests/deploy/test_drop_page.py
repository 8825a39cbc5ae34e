"""The page that takes files, in a real browser: by mouse, by keyboard and without scripts; and what it is for axe."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_platform_tests.deploy.browser import axe
from etl_platform_tests.deploy.driven_browser import DrivenBrowser, driven_browser
from etl_platform_tests.integration.check_gateways import check_gateway
from etl_platform_tests.integration.local_page import local_page
from etl_platform_tests.unit.engine.pages.page_parts import ATTACKS
from etl_platform_tests.unit.engine.web_check.test_posted_file import BAD, GOOD, HEADER

_BROKEN = "document.documentElement.dataset.broken ?? null"
_VERDICT = "document.querySelector('.verdict')?.innerText?.length > 0"
_AXE = """
axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(done =>
  done.violations.filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => [one.id, one.nodes[0].html.slice(0, 200)]))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_page(tmp_path_factory.mktemp("temporary")) as url:
        yield url


@pytest.fixture
def browser() -> Iterator[DrivenBrowser]:
    with driven_browser() as browser:
        yield browser


def file(folder: Path, *rows: str, name: str = "Officer_Detail.csv") -> Path:
    path = folder / name
    path.write_text("".join(rows), "utf-8")
    return path


def test_a_good_file_is_dropped_on_the_page_and_checked(page: str, browser: DrivenBrowser, tmp_path: Path) -> None:
    browser.open(page)
    assert browser.run(axe() + _AXE) == []
    browser.drop_file(file(tmp_path, HEADER, GOOD))
    assert browser.run("document.querySelector('input[type=file]').files[0].name") == "Officer_Detail.csv"
    browser.run("document.querySelector('button').click()")
    browser.wait(_VERDICT)
    assert "its only row is good" in browser.run("document.body.innerText")
    browser.run("document.querySelector('.links a').click()")
    browser.wait("document.querySelector('form') !== null")


def test_a_bad_file_is_checked_by_keyboard_alone_and_without_scripts(
    page: str, browser: DrivenBrowser, tmp_path: Path
) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    browser.choose_file(file(tmp_path, HEADER, GOOD, BAD))
    reached = []
    for _ in range(6):
        browser.press("Tab")
        reached.append(browser.run("document.activeElement.id || document.activeElement.type"))
        if reached[-1] == "submit":
            break
    assert reached == ["agency", "dataset", "values", "file", "submit"]
    browser.press("Enter")
    browser.wait(_VERDICT)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "1 of its 2 rows will not be taken" in browser.run("document.body.innerText")
    link = browser.run("(a => [a.download, a.href.slice(0, 30)])(document.querySelector('a[download]'))")
    assert link == ["refused-rows.xlsx", "data:application/vnd.openxmlfo"]
    assert browser.run(axe() + _AXE) == []


def test_no_hostile_file_runs_a_script_or_changes_the_page(page: str, browser: DrivenBrowser, tmp_path: Path) -> None:
    for number, attack in enumerate(ATTACKS):
        cell = '"' + attack.replace('"', '""') + '"'
        name = f"{number}{attack}.csv".replace("/", "_").replace("\0", "")
        hostile = file(tmp_path, HEADER.replace("\n", f",{cell}\n"), GOOD.replace("2001-02-03", cell), BAD, name=name)
        browser.open(page)
        browser.run("document.querySelector('select').value = 'officer_detail'")
        browser.choose_file(hostile)
        browser.run("document.querySelector('button').click()")
        browser.wait(_VERDICT)
        assert browser.run(_BROKEN) is None, attack
        assert browser.run("document.querySelectorAll('script, img, b, iframe, [onload], [onerror]').length") == 0, (
            attack
        )


def test_a_name_without_a_contract_returns_to_the_form_with_the_reason(
    page: str, browser: DrivenBrowser, tmp_path: Path
) -> None:
    browser.open(page)
    browser.choose_file(file(tmp_path, HEADER, GOOD, name="oficer.csv"))
    browser.run("document.querySelector('button').click()")
    browser.wait("document.querySelector('[role=alert]') !== null")
    assert browser.run("document.querySelector('select').value") == "officer_detail"
    assert "Did you mean officer_detail?" in browser.run("document.querySelector('[role=alert]').innerText")
    assert browser.run(axe() + _AXE) == []


def test_the_page_of_the_gateway_takes_a_token_and_answers_with_the_verdict(
    browser: DrivenBrowser, tmp_path: Path
) -> None:
    with check_gateway(tmp_path) as gateway:
        browser.open(f"{gateway.url}/check")
        assert browser.run(axe() + _AXE) == []
        for token, shown in (("wrong", "[role=alert]"), (gateway.tokens[0], ".verdict")):
            browser.run(f"document.querySelector('#token').value = '{token}'")
            browser.choose_file(file(tmp_path, HEADER, GOOD, BAD))
            browser.run("document.querySelector('button').click()")
            browser.wait(f"document.querySelector('{shown}')?.innerText?.length > 0")
            assert browser.run(axe() + _AXE) == []
        assert "Receipt" in browser.run("document.body.innerText")
        assert browser.run("document.querySelectorAll('a[download]').length") == 0
