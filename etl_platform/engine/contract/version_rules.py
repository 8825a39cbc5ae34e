"""Whether a contract's version says what changed since an earlier one. No files, no git."""

import re
from collections.abc import Iterator

from etl_platform.engine.contract.located_yaml import load_located
from etl_platform.engine.contract.model import Column, Contract, fold
from etl_platform.engine.errors import ContractError

_VERSION = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")


def version_problem(old: Contract, new: Contract, old_text: str, new_text: str) -> ContractError | None:
    """An error if the contract was edited without a new version, or changed its data under the same major version.

    Comments and layout do not count, and what is not in force yet may be edited freely.
    """
    documents = load_located(old_text, old.path), load_located(new_text, new.path)
    if documents[0].data == documents[1].data or not old.in_force:
        return None
    numbers = _VERSION.fullmatch(old.version), _VERSION.fullmatch(new.version)
    if numbers[0] is None or numbers[1] is None:
        wrong = old.version if numbers[0] is None else new.version
        return documents[1].error(
            f"version {wrong!r} cannot be compared; write three numbers, such as 1.2.0", "version"
        )
    before, after = (tuple(map(int, match.groups())) for match in numbers if match)
    breaking = list(breaking_changes(old, new))
    major, minor, _ = before
    # Under 0 every minor version may break, as in Semantic Versioning.
    wanted = f"{major + 1}.0.0" if breaking and major else f"{major}.{minor + 1}.0"
    why = f" ({'; '.join(breaking)})" if breaking else ""
    if after <= before:
        return documents[1].error(f"was changed{why}, and version is still {new.version}; write {wanted}", "version")
    if breaking and after[: 1 if major else 2] == before[: 1 if major else 2]:
        message = f"version {new.version} is not enough after {old.version} for a breaking change{why}; write {wanted}"
        return documents[1].error(message, "version")
    return None


def breaking_changes(old: Contract, new: Contract) -> Iterator[str]:
    """What breaks queries of silver, or refuses files that were accepted for their header, in words."""
    if old.dataset != new.dataset:
        yield f"the dataset {old.dataset} is now {new.dataset}"
    columns = {column.name: column for column in new.columns}
    for column in old.columns:
        if column.name in columns:
            yield from _changes_of(column, columns[column.name])
        else:
            yield f"the column {column.name} is gone"
    before = {column.name for column in old.columns}
    for column in new.columns:
        if column.required and column.in_file and column.name not in before:
            yield f"the new column {column.name} is required"
    if old.primary_key != new.primary_key:
        yield f"the primary key {_named(old)} is now {_named(new)}"


def _changes_of(old: Column, new: Column) -> Iterator[str]:
    name = old.name
    if old.type_name != new.type_name:
        yield f"{name} was {old.type_name} and is {new.type_name}"
    if old.required and not new.required:
        yield f"{name} may be empty now"
    if new.required and not old.required:
        yield f"{name} is required now"
    if old.labels != new.labels:
        yield f"{name} has other labels"
    known = {fold(header) for header in new.header_names} if new.in_file else set()
    if old.in_file and (gone := [header for header in old.header_names if fold(header) not in known]):
        yield f"{name} is no longer read from the header {gone[0]!r}"


def _named(contract: Contract) -> str:
    return " and ".join(contract.primary_key) or "(none)"
