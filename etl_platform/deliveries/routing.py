"""Which agency and contract a source key belongs to, or why it belongs to none. No network."""

from collections.abc import Mapping
from dataclasses import dataclass

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.engine.contract.model import Contract, choose_contract


@dataclass(frozen=True)
class Route:
    """Where an object belongs. ``ignored`` is a key of WHY_IGNORED where agency or contract is missing."""

    agency: str | None
    contract: Contract | None
    ignored: str | None = None

    @property
    def dataset(self) -> str | None:
        return self.contract.dataset if self.contract else None


@dataclass(frozen=True)
class RoutedObject:
    """An object version and where it belongs. It is routed once and then passed on."""

    version: ObjectVersion
    route: Route

    @property
    def key(self) -> str:
        return self.version.key


WHY_IGNORED = {
    "folder_marker": "the object is a folder marker, not a file",
    "no_file_name": "the key ends with /, so it has no file name",
    "no_agency": "the key is not in a folder <source prefix>/<agency>/",
    "no_contract": "no contract matches this file name; add one, then run `etl-platform reconcile --repair`",
}


def route(version: ObjectVersion, contracts: Mapping[str, Contract], source_prefix: str) -> Route:
    """Find agency and contract by the key. The size only distinguishes a folder marker from a file without a name."""
    if version.key.endswith("/"):
        return Route(None, None, "no_file_name" if version.size_bytes else "folder_marker")
    source = object_keys.parse_source_key(version.key, source_prefix)
    if source is None:
        return Route(None, None, "no_agency")
    contract = choose_contract(contracts.values(), source.file_name)
    return Route(source.agency, contract, None if contract else "no_contract")
