"""What the foreign keys of a contract refer to among the other contracts of its folder. No files."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from etl_platform.engine.contract.foreign_key_reader import column_named
from etl_platform.engine.contract.foreign_keys import ForeignKey, Reference
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, ErrorList
from etl_platform.engine.near_names import did_you_mean_or_all


@dataclass(frozen=True)
class SetAside:
    """A contract that is in error, or not in force."""

    path: str
    dataset: str
    in_error: bool

    @property
    def why(self) -> str:
        state = "is in error" if self.in_error else "is not in force"
        return f"the contract of {self.dataset} ({PurePath(self.path).name}) {state}"


def with_targets(contract: Contract, good: Collection[Contract], set_aside: Sequence[SetAside]) -> Contract:
    """The contract with the names behind its references, and a note for each that cannot be evaluated.

    Args:
        good: the contracts that can be used, this one too.
        set_aside: the others. A reference to one of them is no error of this contract.

    Raises:
        ContractError: unknown datasets or columns, or columns of another type; all of them.
    """
    errors, keys = ErrorList(), list[ForeignKey]()
    for key in contract.foreign_keys:
        with errors.collect():
            keys.append(_with_target(contract, key, good, set_aside))
    errors.raise_any()
    notes = [f"{contract.path}:{key.line}: {key} is not evaluated: {key.waits_for}" for key in keys if key.waits_for]
    return replace(contract, foreign_keys=tuple(keys), notes=(*contract.notes, *notes))


def _with_target(
    contract: Contract, key: ForeignKey, good: Collection[Contract], set_aside: Sequence[SetAside]
) -> ForeignKey:
    at = ContractError("", path=contract.path, line=key.line)
    first = key.to[0]
    other = next((one for one in good if _is_meant(first, one.path, one.dataset, one.schema_id)), None)
    if other is None:
        return replace(key, waits_for=_waits_for(first, set_aside) or _unknown(first, good, at))
    others = [column_named(reference, other.columns, at, other.dataset) for reference in key.to]
    for name, column in zip(key.columns, others, strict=True):
        own = contract.column(name)
        if own.type_name != column.type_name:
            message = f"{name} is {own.type_name}, but {other.dataset}.{column.name} is {column.type_name} in "
            message += f"{PurePath(other.path).name}:{column.line}; give both the same logicalType"
            raise ContractError(message, path=contract.path, line=key.line)
    names = tuple(column.name for column in others)
    if problem := _without_sense(contract, key, other.dataset, names):
        raise ContractError(problem, path=contract.path, line=key.line)
    return replace(key, dataset=other.dataset, other_columns=names)


def _without_sense(contract: Contract, key: ForeignKey, dataset: str, names: tuple[str, ...]) -> str | None:
    """Why no row could break a foreign key, or nearly every row would."""
    if len(set(names)) < len(names):
        return "to names a column twice; keep one"
    if dataset == contract.dataset and names == key.columns:
        return f"the relationship of {key.name} refers to itself, so every value is there; name another column"
    return None


def _is_meant(reference: Reference, path: str, dataset: str, schema_id: str | None) -> bool:
    if reference.file is not None and reference.file != PurePath(path).name:
        return False
    return reference.dataset == dataset or (reference.by_id and reference.dataset == schema_id)


def _waits_for(reference: Reference, set_aside: Sequence[SetAside]) -> str:
    """Why the contract that a reference means cannot be read; empty if none that is set aside can be meant."""
    for one in set_aside:
        # The ids of a contract in error may be unreadable.
        if _is_meant(reference, one.path, one.dataset, reference.dataset if reference.file else None):
            return one.why
    if reference.by_id and reference.file is None and any(one.in_error for one in set_aside):
        names = ", ".join(PurePath(one.path).name for one in set_aside if one.in_error)
        return f"no contract that can be read has the id {reference.dataset}, and {names} cannot be read"
    return ""


def _unknown(reference: Reference, good: Collection[Contract], at: ContractError) -> str:
    names = sorted(one.dataset for one in good)
    hint = did_you_mean_or_all(reference.dataset, names)
    place = f" in {reference.file}" if reference.file else ""
    message = f"relationship to {reference.text}: there is no dataset {reference.dataset}{place}{hint}"
    raise ContractError(message, path=at.path, line=at.line)
