"""The contracts of a folder, read from disk."""

from pathlib import Path

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.reference_tables import ReferenceFolder
from etl_platform.engine.errors import ContractError

_SUFFIXES = (".odcs.yaml", ".odcs.yml")
_REFERENCES = "references"


def load_contract(path: Path) -> Contract:
    """Read one contract and the reference tables that it names; ContractError if one is broken or cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot be read: {_reason(error)}", path=str(path)) from None
    return parse_contract(text, str(path), ReferenceFolder(path.parent / _REFERENCES))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1:,} is not UTF-8; save it as UTF-8"
    return "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)


def contract_paths(folder: Path) -> list[Path]:
    """The contract files of a folder, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(_SUFFIXES))
    except OSError as error:
        raise ContractError(f"this folder of contracts cannot be read: {error.strerror}", path=str(folder)) from None


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract of a folder by dataset.

    Raises:
        ContractError: a contract is broken, two describe the same dataset, or the folder has no contract.
    """
    contracts: dict[str, Contract] = {}
    for path in contract_paths(folder):
        contract = load_contract(path)
        refuse_duplicate_dataset(contract, contracts.setdefault(contract.dataset, contract))
    if not contracts:
        raise ContractError("this folder has no *.odcs.yaml; name another folder, or add a contract", path=str(folder))
    return contracts


def refuse_duplicate_dataset(contract: Contract, first: Contract) -> None:
    """Raise ContractError if another file describes the same dataset."""
    if first.path != contract.path:
        message = f"the dataset {contract.dataset} is already described by {first.path}; remove one of them"
        raise ContractError(message, path=contract.path)
