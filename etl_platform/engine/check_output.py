"""What a check gives its caller: report, quarantine, page and printed verdict of one file. Nothing is decided."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.output.terminal_table import lines_of
from etl_platform.engine.problem_table import column_hint
from etl_platform.engine.result import CheckResult

if TYPE_CHECKING:
    from etl_platform.engine.pages.page_facts import PageFacts

QUARANTINE_CSV, REPORT = "quarantine.csv", "report.json"
_MASKED = (
    "Values that may be personal are masked: A or a is a letter, 9 a digit. --show-values shows them; use it on your "
    "own machine only."
)


@dataclass(frozen=True)
class CheckedFile:
    """One file with its result.

    Attributes:
        label: the file's name, with folders in front where two files have the same one.
        contract: None where the file was only profiled.
        checked_at: UTC.
        shows_values: whether the examples may have values of personal columns.
        not_checked: there is no verdict; the result has the reason as its error.
    """

    path: Path
    label: str
    contract: Contract | None
    result: CheckResult
    checked_at: datetime
    agency: str | None = None
    shows_values: bool = False
    not_checked: bool = False

    @property
    def outcome(self) -> str:
        return "not_checked" if self.not_checked else str(self.result.outcome)

    def to_json(self) -> dict[str, Any]:
        contract = self.contract
        about = {"id": contract.id, "version": contract.version, "sha256": contract.sha256} if contract else None
        return {
            "file": str(self.path),
            "dataset": contract.dataset if contract else None,
            "contract": about,
            "checked_at": self.checked_at.isoformat(timespec="seconds"),
            "shows_values": self.shows_values,
            **self.result.to_json(),
            "outcome": self.outcome,
        }


def write_report(checked: CheckedFile, out_dir: Path) -> None:
    """Write ``report.json`` and, for spreadsheets, the quarantine as CSV."""
    from etl_platform.engine.output.quarantine_files import export_csv
    from etl_platform.engine.split import QUARANTINE

    (out_dir / REPORT).write_text(json.dumps(checked.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    if (out_dir / QUARANTINE).exists():
        export_csv({"": out_dir / QUARANTINE}, out_dir / QUARANTINE_CSV)


def write_refused_rows(checked: CheckedFile, quarantine: Path, out: Path) -> None:
    """Write the refused rows as a workbook to correct; without refused rows, remove that of an earlier check.

    Folders above it are made.
    """
    from etl_platform.engine.spreadsheets.refused_rows import RefusedRows, write_workbook

    if not checked.result.quarantined_rows:
        out.unlink(missing_ok=True)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    write_workbook({"": RefusedRows(quarantine, checked.result)}, checked.contract, out)


def write_page(checked: CheckedFile, path: Path) -> None:
    """Write the verdict as a page for people; folders above it are made."""
    from etl_platform.engine.pages.html_page import html_page

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html_page(facts_of(checked)), "utf-8")


def facts_of(checked: CheckedFile) -> "PageFacts":
    """What the page about a file is made from."""
    from etl_platform.engine.pages.page_facts import PageFacts, column_descriptions

    contract = checked.contract
    return PageFacts(
        file=checked.path.name,
        result=checked.result,
        checked_at=checked.checked_at,
        outcome=checked.outcome,
        dataset=contract.dataset if contract else None,
        agency=checked.agency,
        contract_version=contract.version if contract else None,
        descriptions=column_descriptions(contract),
        shows_values=checked.shows_values,
    )


def problems(checked: CheckedFile) -> list[tuple[Any, ...]]:
    """What is wrong with a file, as lines of ``problem_table``."""
    from etl_platform.engine.problem_table import problem_rows

    dataset = checked.contract.dataset if checked.contract else None
    return list(problem_rows(checked.label, dataset, checked.outcome, checked.result))


def print_csv(checked: CheckedFile) -> None:
    """Print what is wrong with a file; without a contract, its profile."""
    from etl_platform.engine.problem_table import problem_table
    from etl_platform.engine.text_report import profile_table

    if checked.contract is None and checked.result.profile:
        profile_table(checked.result.profile).print_csv()
    else:
        problem_table(problems(checked)).print_csv()


def print_verdict(checked: CheckedFile) -> None:
    from etl_platform.engine.example_values import masks_values
    from etl_platform.engine.text_report import not_checked, profile_table, verdict

    contract, result = checked.contract, checked.result
    if checked.not_checked:
        print(not_checked(checked.label, result.errors[0]))
        return
    note = _MASKED if contract and not checked.shows_values and masks_values(result, contract) else ""
    print(verdict(checked.label, contract.dataset if contract else None, result, note))
    if result.sentences:
        hints = {reason: column_hint(result, reason) for reason in result.sentences}
        sentences = [
            (f"{reason}: {sentence} {hints[reason]}".strip(),) for reason, sentence in result.sentences.items()
        ]
        print(f"\n{lines_of(sentences)}")
    if contract is None and result.profile:
        print(f"\n{profile_table(result.profile)}")
