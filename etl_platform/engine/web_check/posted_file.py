"""The check of a posted file: its contract by name or choice, and the verdict as a page or a report. No network."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl_platform.engine.check_contracts import CheckContracts, NotADeliveryError
from etl_platform.engine.check_output import CheckedFile, facts_of
from etl_platform.engine.contract.model import Contract, usual_file_name
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.engine.ignored_names import ignored_name
from etl_platform.engine.near_names import nearest
from etl_platform.engine.overlays.overlay_folder import partition_name
from etl_platform.engine.web_check.file_form import RefusedPostError

_MAX_LINKED_BYTES = 1_400_000
"""Chrome saves nothing of a data URL with more than 2 MiB, which is a third longer than its bytes."""
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class PostedFile:
    """A file as it came.

    Attributes:
        path: where it is; its name there means nothing.
        name: under which it is to be sent, without folders.
        dataset: empty where the name decides.
        agency: empty where no overlay applies.
    """

    path: Path
    name: str
    dataset: str = ""
    agency: str = ""
    shows_values: bool = False


@dataclass(frozen=True)
class Verdict:
    """A checked file, and what else its sender has to know."""

    checked: CheckedFile
    notes: tuple[str, ...] = ()


def check_posted(posted: PostedFile, contracts: CheckContracts, folder: Path) -> Verdict:
    """Check a posted file; its results stay in ``folder``.

    Raises:
        RefusedPostError: no contract is meant.
        ContractError, OSError, MemoryError, RuntimeError: as ``check_file``.
    """
    from etl_platform.engine.check import check_file
    from etl_platform.engine.example_values import with_values
    from etl_platform.engine.split import QUARANTINE

    agency = partition_name(posted.agency) if posted.agency else None
    contracts = replace(contracts, agency=agency, shows_values=posted.shows_values)
    contract = _contract(posted, contracts)
    result = check_file(posted.path, contract, folder, as_of=contracts.at.date())
    if posted.shows_values and result.quarantined_rows:
        result = with_values(result, contract, folder / QUARANTINE)
    checked = CheckedFile(Path(posted.name), posted.name, contract, result, contracts.at, agency, posted.shows_values)
    return Verdict(checked, tuple(_name_notes(posted.name, contract, contracts)))


def _name_notes(name: str, contract: Contract, contracts: CheckContracts) -> Iterator[str]:
    """A dataset was chosen for the check. On arrival the name alone decides."""
    if contracts.named:
        return
    if ignored := ignored_name(name):
        yield f"On arrival the file will be ignored: {ignored.message}."
    elif (found := contracts.by_name(name)) is None or found.dataset != contract.dataset:
        taken = f"as {found.dataset}" if found else "by no dataset"
        usual = usual_file_name(contract.physical_name)
        yield f"Under the name {name} the file will be taken {taken}. Send it under another name, such as {usual}."


def _contract(posted: PostedFile, contracts: CheckContracts) -> Contract:
    try:
        if posted.dataset and not contracts.named:
            chosen = contracts.of_agency(contracts.folder.find(posted.dataset))
        else:
            chosen = contracts.choose(posted.name, posted.path)
    except NotADeliveryError as error:
        close = error.likely or _close_dataset(posted.name, contracts.folder.good.values())
        hint = f"Did you mean {close}? " if close and "did you mean" not in error.problem else ""
        message = f"{error.problem[:1].upper()}{error.problem[1:]}. {hint}Choose the dataset, and the file once more."
        raise RefusedPostError(404, error.code, message, close or "") from None
    except ContractError:
        # Where a contract lies is not for senders.
        message = "The contract of this file is in error; the data team has to correct it."
        raise RefusedPostError(422, "contract_error", message) from None
    if chosen is None:
        datasets = sorted(contracts.folder.good)
        close = nearest(posted.dataset, datasets) or ""
        hint = f"Did you mean {close}?" if close else f"Choose one of {', '.join(datasets)}."[:400]
        raise RefusedPostError(404, "unknown_dataset", f"There is no dataset {posted.dataset}. {hint}", close)
    return chosen


def _close_dataset(name: str, contracts: Iterable[Contract]) -> str | None:
    stem = name.partition(".")[0].casefold()
    names = {
        text.partition(".")[0].casefold(): one.dataset for one in contracts for text in (one.dataset, one.physical_name)
    }
    close = nearest(stem, names)
    return names[close] if close else None


def verdict_page(verdict: Verdict, *, back: str, receipt: str | None = None, workbook: Path | None = None) -> str:
    """The page, with links to check another file and to save the refused rows.

    Args:
        back: address of the page that takes files.
        workbook: the folder with the results of the check, where the refused rows are offered as a workbook.
    """
    from etl_platform.engine.pages.html_page import html_page
    from etl_platform.engine.pages.page_facts import PageLink

    checked, links, notes = verdict.checked, [PageLink("Check another file", back)], [*verdict.notes]
    if workbook is not None and checked.result.quarantined_rows:
        try:
            content = _refused_rows(checked, workbook)
            href = f"data:{_XLSX};base64,{b64encode(content).decode()}"
            links.append(PageLink("Save the refused rows as a workbook to correct", href, "refused-rows.xlsx"))
        except UsageError as error:
            notes.append(f"There is no workbook of the refused rows: {error}.")
    return html_page(replace(facts_of(checked), receipt=receipt, links=tuple(links), notes=tuple(notes)))


def _refused_rows(checked: CheckedFile, folder: Path) -> bytes:
    from etl_platform.engine.check_output import write_refused_rows
    from etl_platform.engine.split import QUARANTINE

    out = folder / "refused-rows.xlsx"
    write_refused_rows(checked, folder / QUARANTINE, out)
    if out.stat().st_size > _MAX_LINKED_BYTES:
        raise UsageError("it is too large for this page; correct the rule with the most rows first, and check again")
    return out.read_bytes()


def verdict_report(verdict: Verdict, receipt: str) -> dict[str, Any]:
    """The report for programs, without profile and preview: the sender has the values, and nobody else needs them."""
    report = {name: found for name, found in verdict.checked.to_json().items() if name not in {"profile", "preview"}}
    outcome = str(verdict.checked.result.outcome)
    return {"receipt": receipt, "outcome": outcome, "notes": list(verdict.notes), **report}
