"""The command that suggests synonyms for a file: its contract, by name or by header, and what is printed."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.engine.contract.file_names import choose_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contract, read_folder
from etl_platform.engine.errors import EtlPlatformError, UnreadableFileError, UsageError
from etl_platform.engine.header_fit import best_fit, nearest_contract
from etl_platform.engine.machine_errors import machine_error
from etl_platform.engine.matched_columns import Rename
from etl_platform.engine.named_files import require_file
from etl_platform.engine.output.plain_text import escape_control_characters
from etl_platform.engine.overlays.overlay_folder import for_agency, overlay_path, partition_name, write_synonyms

if TYPE_CHECKING:
    from etl_platform.engine.reading.table import Table


class NoSuggestionError(EtlPlatformError):
    """The file cannot be read, or no contract is like it."""


def suggest_synonyms(
    file: Path, contract: str | None, folder: Callable[[], Path], agency: str | None = None, *, apply: bool = False
) -> list[str]:
    """Lines for people: which new column may be which column of the contract, and the synonym to add for it.

    Args:
        contract: a contract file or the name of a dataset; None: by the file's name, else by its header.
        folder: of the contracts; called unless ``contract`` is a file.
        agency: whose overlay gets the synonyms; None: the contract.
        apply: write them into the overlay.

    Raises:
        UsageError, ContractError: there is no such file or contract, or it is in error.
        NoSuggestionError: the file cannot be read, or its header has no two columns of any contract.
        OSError: an error of the machine.
    """
    require_file(file)
    try:
        chosen, partition = _choose(file, contract, folder), partition_name(agency) if agency else None
        if apply and contract is None and choose_contract([chosen], file.name) is None:
            # The header is like that of the contract, which is a guess, and an overlay is about one dataset.
            raise UsageError(
                f"--apply: no contract takes the name {file.name}; add --contract {chosen.dataset} if it is"
            )
        return [escape_control_characters(line) for line in _lines(file, chosen, partition, apply=apply)]
    except UnreadableFileError as error:
        if cause := machine_error(error):
            raise cause from None
        raise NoSuggestionError(f"{file}: {error}") from None


def _choose(file: Path, name: str | None, folder: Callable[[], Path]) -> Contract:
    from etl_platform.engine.reading.open_table import open_table

    if name and Path(name).is_file():
        return load_contract(Path(name))
    contracts = read_folder(folder())
    if name:
        return contracts.named(name)
    by_name = choose_contract(contracts.good.values(), file.name)
    chosen = by_name or _by_header(open_table(file, None), contracts.good.values())
    if chosen is None:
        raise NoSuggestionError(
            f"{file}: no contract takes this name, and the header has no two columns of any contract; "
            f"draft one: etl-platform contract draft {file}"
        )
    return chosen


def _by_header(table: "Table", contracts: Collection[Contract]) -> Contract | None:
    fits = best_fit(table, contracts)
    return fits.contract if fits else nearest_contract(table.header, contracts)


def _lines(file: Path, base: Contract, agency: str | None, *, apply: bool) -> Iterator[str]:
    from etl_platform.engine.reading.tables.headers import match_header
    from etl_platform.engine.renames.suggest import suggest_renames

    contract = base if agency is None else for_agency(base, agency)
    table = _open(file, contract)
    match = match_header(table.header, contract)
    how = (
        ""
        if choose_contract([contract], file.name)
        else "; it does not take files of this name: add a pattern to filePatterns, or rename the file"
    )
    known = f"{len(match.positions)} of {len(contract.file_columns)} columns"
    yield f"{file.name}: {known} of {contract.dataset}{how}"
    renames = suggest_renames(table, match, contract)
    for rename in renames:
        yield f"{rename.header} may be {rename.column} (score {rename.score}): {rename.reason}"
        if not apply:
            yield f"  {_advice(rename, base, agency)}"
    if rest := [name for name in match.missing if name not in {rename.column for rename in renames}]:
        yield f"not in the file: {', '.join(rest)}"
    if rest := [header for header in match.extra if header not in {rename.header for rename in renames}]:
        yield f"not in the contract: {', '.join(rest)}"
    if apply and agency is not None:
        yield write_synonyms(base, agency, {rename.header: rename.column for rename in renames})


def _advice(rename: Rename, contract: Contract, agency: str | None) -> str:
    synonym = rename.header.replace("'", "''")
    if agency is not None:
        return f"add to {overlay_path(contract, agency)}: columns: {{{rename.column}: {{synonyms: ['{synonym}']}}}}"
    line = contract.column(rename.column).line
    return f"add to synonyms of {rename.column} ({contract.path}:{line}): {{synonym: '{synonym}'}}"


def _open(file: Path, contract: Contract) -> "Table":
    from etl_platform.engine.reading.open_table import open_table
    from etl_platform.engine.reading.tables.headers import NO_HEADER_MATCH

    try:
        return open_table(file, contract)
    except UnreadableFileError as error:
        if error.code != NO_HEADER_MATCH:
            raise
        # So many columns have other names that the contract does not find the header.
        return open_table(file, None)
