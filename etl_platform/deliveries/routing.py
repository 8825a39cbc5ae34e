"""Where a source key belongs: agency and contract, or the reason why nowhere. No network."""

from collections.abc import Mapping
from dataclasses import dataclass

from etl_platform import object_keys
from etl_platform.engine.contract.model import Contract, choose_contract


@dataclass(frozen=True)
class Route:
    """Where a key belongs: an agency and a contract, or the reason why nowhere."""

    agency: str | None
    contract: Contract | None
    ignored: str | None = None


WHY_IGNORED = {
    "folder_marker": "a folder was created; there is no file in it yet",
    "no_file_name": "the key ends with /, so it names no file",
    "no_agency": "the key does not lie in <source prefix>/<agency>/",
    "no_contract": "no contract knows this file name; add one, and `reconcile --repair` takes the file in",
}


def route(key: str, size_bytes: int | None, contracts: Mapping[str, Contract], source_prefix: str) -> Route:
    """Decide by key alone: a folder marker and a key without agency or contract are ignored."""
    if key.endswith("/"):
        return Route(None, None, "no_file_name" if size_bytes else "folder_marker")
    source = object_keys.parse_source_key(key, source_prefix)
    if source is None:
        return Route(None, None, "no_agency")
    contract = choose_contract(contracts.values(), source.file_name)
    return Route(source.agency, contract, None if contract else "no_contract")
