"""Each contract and declared API as an external asset, whose check is red while the declaration is in error.

``contracts_sensor`` logs the results; people can run the checks too.
"""

import hashlib
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract, ContractFolder
from etl_platform.engine.errors import ContractError, ErrorList, NotInForceError
from etl_platform.engine.overlays.overlay_folder import (
    agencies_of,
    for_agency,
    list_overlays,
    overlay_path,
    unused_overlays,
)
from etl_platform.rest_apis.source_folder import SourceFolder
from etl_platform.settings import code_version

CONTRACT_CHECK = "contract_is_valid"
_CONTRACTS, _APIS = "contracts", "api_declarations"
_OTHER = re.compile(r"[^A-Za-z0-9_]")
_MOST_LOGGED = 5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Declaration:
    """A contract or the declaration of an API, as it was loaded.

    Attributes:
        contract: None if it is in error, or declares an API.
        error: why it is set aside.
        agencies: those with an overlay.
        own_identity: a hash of what the result of the check depends on, without the overlays.
    """

    key: dg.AssetKey
    path: str
    contract: Contract | None
    error: ContractError | None
    own_identity: str
    agencies: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> str:
        """A hash of everything that the result of the check depends on. The overlays are read here, once."""
        if self.contract is None or not self.agencies:
            return self.own_identity
        paths = [overlay_path(self.contract, agency) for agency in self.agencies]
        texts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]
        return _short_hash(" ".join((self.own_identity, *texts)))

    def find_error(self) -> ContractError | None:
        """The error, also one that only compiling the rules shows, or one of an overlay.

        Such a contract is not set aside. An overlay in error sets aside the files of its agency.
        """
        if self.contract is None or self.error is not None:
            return self.error
        # Loading the definitions must not import Polars.
        from etl_platform.engine.check import check_contract
        from etl_platform.engine.overlays.check_overlay import check_overlay

        errors = ErrorList()
        try:
            check_contract(self.contract)
            for agency in self.agencies:
                with errors.collect():
                    check_overlay(for_agency(self.contract, agency))
            errors.raise_any()
        except ContractError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a fault of one check must not hide the results of the others
            return ContractError(f"cannot be checked: {type(error).__name__}: {error}; report this", path=self.path)
        return None


def contract_evaluation(declaration: Declaration, error: ContractError | None) -> CheckEvaluation:
    """The result of a declaration's check; ``error`` is the one that ``find_error`` found."""
    notes = declaration.contract.notes if declaration.contract else ()
    more = {"not_checked": "\n".join(notes)} if notes else {}
    more |= {"overlays": ", ".join(declaration.agencies)} if declaration.agencies else {}
    if error is None:
        return CheckEvaluation(CONTRACT_CHECK, True, metadata={"file": declaration.path, **more})
    if isinstance(error, NotInForceError):
        return CheckEvaluation(CONTRACT_CHECK, True, metadata={"file": declaration.path}, description=str(error))
    line = {} if error.line is None else {"line": error.line}
    # The error can be in a reference table beside the contract.
    every = "\n".join(map(str, error.errors))
    return CheckEvaluation(CONTRACT_CHECK, False, metadata={"file": error.path, **line}, description=every)


def declarations(folder: ContractFolder, apis: SourceFolder, datasets: Collection[str]) -> list[Declaration]:
    """Of each contract and API, and of each overlay of no contract.

    Args:
        datasets: of all contracts; ``folder`` may have only those that a run needs.
    """
    places = {Path(contract.path).parent for contract in folder.all}
    overlays = {place: list_overlays(place) for place in places}
    agencies = {place: agencies_of(paths) for place, paths in overlays.items()}
    found = [_of_contract(contract, agencies[Path(contract.path).parent]) for contract in folder.all]
    unused = [error for place in sorted(places) for error in unused_overlays(overlays[place], datasets)]
    found += [_of_unused(error) for error in unused]
    errors: dict[str, ContractError | None] = {source.file: None for source in apis.good}
    errors |= {error.path: error for error in apis.broken}
    return found + [_declaration(_APIS, path, None, error, str(error)) for path, error in sorted(errors.items())]


def warn_of_errors(declared: Sequence[Declaration]) -> None:
    """A line about errors and one about drafts in the log of every process that loads the definitions."""
    waiting = [str(each.error) for each in declared if isinstance(each.error, NotInForceError)]
    errors = [str(each.error) for each in declared if each.error and not isinstance(each.error, NotInForceError)]
    if waiting:
        log.warning("contracts that are not in force: %s", _first(waiting))
    if errors:
        log.warning("contracts or declared APIs in error are set aside: %s", _first(errors))


def _first(errors: Sequence[str]) -> str:
    """The first errors, and how many more there are."""
    more = [f"and {len(errors) - _MOST_LOGGED} more"] if len(errors) > _MOST_LOGGED else []
    return "; ".join([*errors[:_MOST_LOGGED], *more])


def _of_contract(contract: Contract | BrokenContract, agencies: Mapping[str, Sequence[str]]) -> Declaration:
    if isinstance(contract, BrokenContract):
        return _declaration(_CONTRACTS, contract.path, None, contract.error, f"{contract.sha256} {contract.error}")
    # A transform hook is code, so its check can change with a release.
    identity = f"{contract.sha256} {code_version()}"
    declaration = _declaration(_CONTRACTS, contract.path, contract, None, identity)
    return replace(declaration, agencies=tuple(agencies.get(contract.dataset, ())))


def _of_unused(error: ContractError) -> Declaration:
    """Of an overlay of no contract. Its key has the name of the folder, because many agencies can have such a file."""
    name = _OTHER.sub("_", "_".join(Path(error.path).parts[-2:]))
    key = dg.AssetKey([_CONTRACTS, f"{name}_{_short_hash(error.path)}"])
    return Declaration(key, error.path, None, error, _short_hash(str(error)))


def _declaration(
    group: str, path: str, contract: Contract | None, error: ContractError | None, identity: str
) -> Declaration:
    name = Path(path).name
    stem = re.sub(r"(\.odcs)?\.ya?ml$", "", name)
    if _OTHER.search(stem) or name.endswith(".yml"):
        # Dagster names the outputs of a step by the key, so other characters must not make two keys alike.
        stem = f"{_OTHER.sub('_', stem)}_{_short_hash(name)}"
    return Declaration(dg.AssetKey([group, stem]), path, contract, error, _short_hash(identity))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def build_contract_checks(declared: Sequence[Declaration]) -> dg.Definitions:
    """The assets and their checks; nothing if nothing is declared."""
    if not declared:
        return dg.Definitions()
    by_key = {declaration.key: declaration for declaration in declared}
    about = "The declaration has no error, and its rules compile. Files of a contract in error wait."
    specs = [dg.AssetCheckSpec(CONTRACT_CHECK, asset=key, description=about) for key in by_key]

    @dg.multi_asset_check(name="check_contracts", specs=specs, can_subset=True)
    def check_contracts(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for check in sorted(context.selected_asset_check_keys):
            declaration = by_key[check.asset_key]
            yield contract_evaluation(declaration, declaration.find_error()).result(declaration.key)

    assets = [
        dg.AssetSpec(
            declaration.key,
            description=f"{declaration.path}, as this code location has loaded it.",
            group_name=declaration.key.path[0],
            kinds={"yaml"},
        )
        for declaration in declared
    ]
    return dg.Definitions(assets=assets, asset_checks=[check_contracts])
