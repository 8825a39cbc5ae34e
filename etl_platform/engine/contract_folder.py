"""The contracts of a folder, read from disk: those that can be used, and those in error.

A contract in error must not stop the others, so ``read_contracts`` sets it aside. ``load_contracts`` is for callers
that need all of them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.contract_status import not_in_force
from etl_platform.engine.contract.declared_names import declared_names
from etl_platform.engine.contract.foreign_key_targets import SetAside, with_targets
from etl_platform.engine.contract.model import Contract, file_stem, fold
from etl_platform.engine.contract.reference_tables import ReferenceFolder
from etl_platform.engine.errors import ContractError, NotInForceError, UsageError
from etl_platform.engine.machine_errors import machine_error
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.engine.rules.check_names import RuleCheck, refuse_colliding_checks, step_outputs

_SUFFIXES = (".odcs.yaml", ".odcs.yml")
_REFERENCES = "references"
_IN_THE_FOLDER = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""Errors of the system that do not pass: the contract, or a table that it names, is not a readable file."""


@dataclass(frozen=True)
class BrokenContract:
    """A contract that is set aside for an error. Its files wait until it is corrected.

    Attributes:
        dataset, physical_name, file_patterns: as far as they can be read, else by its file name.
        sha256: over its text.
    """

    path: str
    error: ContractError
    dataset: str
    physical_name: str
    file_patterns: tuple[str, ...]
    sha256: str

    @property
    def in_force(self) -> bool:
        return not isinstance(self.error, NotInForceError)


@dataclass(frozen=True)
class ContractFolder:
    """The contracts of a folder.

    Attributes:
        good: by dataset.
        broken: those in error, and those that are not in force, in order of their paths.
    """

    good: dict[str, Contract] = field(default_factory=dict)
    broken: tuple[BrokenContract, ...] = ()

    @property
    def all(self) -> list[Contract | BrokenContract]:
        """In order of their paths."""
        return sorted((*self.good.values(), *self.broken), key=lambda contract: contract.path)

    @property
    def in_error(self) -> list[BrokenContract]:
        """Those of ``broken`` that somebody has to correct."""
        return [contract for contract in self.broken if contract.in_force]

    @property
    def datasets(self) -> list[str]:
        """Sorted; those of contracts in error too, so that what was delivered before stays visible."""
        return sorted({contract.dataset for contract in self.all})

    def only(self, datasets: Collection[str]) -> "ContractFolder":
        """Those of some datasets."""
        good = {name: contract for name, contract in self.good.items() if name in datasets}
        return ContractFolder(good, tuple(broken for broken in self.broken if broken.dataset in datasets))

    def find(self, dataset: str) -> Contract | None:
        """The contract of a dataset, if there is one; ContractError if it is set aside."""
        if dataset in self.good:
            return self.good[dataset]
        for broken in self.broken:
            if broken.dataset == dataset:
                raise broken.error
        return None

    def named(self, dataset: str) -> Contract:
        """The contract of a dataset that a person names as ``--contract``.

        Raises:
            UsageError: no contract describes it.
            ContractError: it is set aside.
        """
        contract = self.find(dataset)
        if contract is None:
            raise UsageError(
                f"--contract {dataset}: no such file, and no such dataset{did_you_mean_or_all(dataset, self.good)}"
            )
        return contract


def contract_paths(folder: Path) -> list[Path]:
    """The contract files of a folder, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIXES))
    except OSError as error:
        raise ContractError(f"this folder of contracts cannot be read: {error.strerror}", path=str(folder)) from None


def load_contract(path: Path) -> Contract:
    """Read one contract and the reference tables that it names; ContractError if one is broken or cannot be read."""
    contract = parse_contract(_read(path), str(path), ReferenceFolder(path.parent / _REFERENCES))
    refuse_colliding_checks(contract)
    return contract


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract of a folder by dataset.

    Raises:
        ContractError: a contract is broken, or the folder has none.
    """
    found = read_folder(folder)
    for broken in found.in_error:
        raise broken.error
    return found.good


def read_folder(folder: Path) -> ContractFolder:
    """The contracts of a folder; those in error are set aside.

    Raises:
        ContractError: the folder cannot be read, or has no contract.
    """
    paths = contract_paths(folder)
    if not paths:
        raise ContractError("this folder has no *.odcs.yaml; name another folder, or add a contract", path=str(folder))
    return read_contracts(paths)


def read_contracts(paths: Iterable[Path], beside: Iterable[Path] = ()) -> ContractFolder:
    """The contracts of these files. Where several contradict each other, all of them are set aside.

    Args:
        beside: contracts that foreign keys may refer to; nothing else is done with them.

    Raises:
        OSError, MemoryError: an error of the machine, which says nothing about a contract.
    """
    good: list[Contract] = []
    broken: list[BrokenContract] = []
    paths = sorted(set(paths))
    for path in paths:
        try:
            contract = load_contract(path)
        except Exception as error:  # noqa: BLE001 - a fault of the reader must not stop the other contracts
            # An error of the machine must stop them: it passes, and files of this contract would be ignored for it.
            cause = machine_error(error)
            if cause and not isinstance(cause, _IN_THE_FOLDER):
                raise cause from None
            broken.append(_set_aside(path, error if isinstance(error, ContractError) else _fault(path, error)))
            continue
        if contract.in_force:
            good.append(contract)
        else:
            broken.append(_set_aside(path, NotInForceError(not_in_force(contract.status), path=contract.path)))
    for find_contradictions in (_same_datasets, _same_ids, _same_outputs, _same_files):
        errors = dict(find_contradictions(good))
        broken += [_set_aside(Path(path), error) for path, error in errors.items()]
        good = [contract for contract in good if contract.path not in errors]
    if beside and any(contract.foreign_keys for contract in good):
        others = read_contracts(set(beside) - set(paths))
    else:
        others = ContractFolder()
    good, unresolved = _with_foreign_keys(good, broken, others)
    by_dataset = {contract.dataset: contract for contract in good}
    return ContractFolder(by_dataset, tuple(sorted((*broken, *unresolved), key=lambda contract: contract.path)))


def _with_foreign_keys(
    good: Sequence[Contract], broken: Sequence[BrokenContract], beside: ContractFolder
) -> tuple[list[Contract], list[BrokenContract]]:
    """The contracts with what their foreign keys refer to, and those that refer to nothing."""
    known = (*good, *beside.good.values())
    aside = [SetAside(one.path, one.dataset, one.in_force) for one in (*broken, *beside.broken)]
    found: list[Contract] = []
    unresolved: list[BrokenContract] = []
    for contract in good:
        try:
            found.append(with_targets(contract, known, aside) if contract.foreign_keys else contract)
        except ContractError as error:
            unresolved.append(_set_aside(Path(contract.path), error))
    return found, unresolved


def _fault(path: Path, error: Exception) -> ContractError:
    message = f"cannot be read: {type(error).__name__}: {error}; report this, with the contract"
    return ContractError(message, path=str(path))


def _set_aside(path: Path, error: ContractError) -> BrokenContract:
    try:
        text = _read(path)
    except ContractError:
        text = ""
    stem = next((path.name.removesuffix(end) for end in _SUFFIXES if path.name.endswith(end)), path.stem)
    names = declared_names(text, stem)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return BrokenContract(str(path), error, names.dataset, names.physical_name, names.file_patterns, sha256)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1:,} is not UTF-8; save it as UTF-8"
    except FileNotFoundError:
        problem = "there is no such file"
    except OSError as error:
        raise ContractError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    raise ContractError(f"cannot be read: {problem}", path=str(path))


def _same_datasets(contracts: Iterable[Contract]) -> Iterator[tuple[str, ContractError]]:
    # Databases that read silver do not distinguish the case of a table's name.
    for contract, other in _same(contracts, lambda contract: contract.dataset.casefold()):
        message = f"the dataset {contract.dataset} is already described by {other.path}; remove or rename one of them"
        yield contract.path, ContractError(message, path=contract.path)


def _same_files(contracts: Iterable[Contract]) -> Iterator[tuple[str, ContractError]]:
    """Contracts with the same file name or pattern: the order of their names would decide which of them gets a file."""
    owners: dict[tuple[str, str], list[tuple[Contract, int | None, str]]] = defaultdict(list)
    for contract in contracts:
        name = contract.physical_name
        owners["name", fold(file_stem(name))].append((contract, contract.line, f"the file name {name!r}"))
        for pattern in {fold(pattern, keep="*"): pattern for pattern in contract.file_patterns}.items():
            owners["pattern", pattern[0]].append((contract, contract.patterns_line, f"the file pattern {pattern[1]!r}"))
    for first, *others in owners.values():
        for own, (other, line, _) in (*((first, other) for other in others[:1]), *((other, first) for other in others)):
            contract, own_line, what = own
            message = f"{what} is also that of {other.path}:{line}; change one of them"
            yield contract.path, ContractError(message, path=contract.path, line=own_line)


def _same_ids(contracts: Iterable[Contract]) -> Iterator[tuple[str, ContractError]]:
    for contract, other in _same(contracts, lambda contract: contract.id):
        message = f"the id {contract.id!r} is already used by {other.path}; give each contract its own"
        yield contract.path, ContractError(message, path=contract.path)


def _same(contracts: Iterable[Contract], key: Callable[[Contract], Hashable]) -> Iterator[tuple[Contract, Contract]]:
    """Each contract that shares the key with another one, and that other."""
    groups: dict[Hashable, list[Contract]] = defaultdict(list)
    for contract in contracts:
        groups[key(contract)].append(contract)
    for first, *others in groups.values():
        yield from ((first, other) for other in others[:1])
        yield from ((other, first) for other in others)


def _same_outputs(contracts: Iterable[Contract]) -> Iterator[tuple[str, ContractError]]:
    """Datasets such as ``a`` and ``a_b``, where a check ``b`` of the first would have the name of the second."""
    owners: dict[str, list[tuple[Contract, RuleCheck | None]]] = defaultdict(list)
    for contract in contracts:
        for output, check in step_outputs(contract).items():
            owners[output].append((contract, check))
    for first, *others in owners.values():
        for other in others:
            yield _indistinct(*first, *other)
            yield _indistinct(*other, *first)


def _indistinct(
    contract: Contract, check: RuleCheck | None, other: Contract, other_check: RuleCheck | None
) -> tuple[str, ContractError]:
    own, others = _described(contract, check), _described(other, other_check)
    place = f"{other.path}:{other_check.line}" if other_check else other.path
    message = f"Dagster cannot distinguish {own} from {others} ({place}); rename one of them"
    return contract.path, ContractError(message, path=contract.path, line=check.line if check else None)


def _described(contract: Contract, check: RuleCheck | None) -> str:
    return f"the check {check.name} of {contract.dataset}" if check else f"the dataset {contract.dataset}"
