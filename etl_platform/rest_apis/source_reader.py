"""Parses the declaration of an API into an ApiSource. Unknown and invalid fields are errors with a line. No files.

The fields are explained in docs/onboard/api.md.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from etl_platform import object_keys
from etl_platform.engine.contract.file_names import choose_contract
from etl_platform.engine.contract.located_yaml import Located, Where, is_number, load_located
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.rest_apis.source import (
    ApiResource,
    ApiSource,
    Auth,
    AuthType,
    Incremental,
    Keys,
    Pagination,
    PagingType,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
"""Characters of a header name (RFC 9110, 5.6.2); the same are allowed in parameter names."""

_AUTH: dict[AuthType, tuple[set[str], set[str]]] = {
    AuthType.NONE: (set(), set()),
    AuthType.BEARER: ({"secret"}, set()),
    AuthType.API_KEY: ({"secret", "name"}, {"in"}),
    AuthType.BASIC: ({"secret", "username"}, set()),
}
_PAGING: dict[PagingType, tuple[set[str], set[str]]] = {
    PagingType.NONE: (set(), {"total"}),
    PagingType.PAGE: (set(), {"param", "first", "size", "total"}),
    PagingType.OFFSET: (set(), {"param", "limit", "limit_param", "total"}),
    PagingType.CURSOR: ({"next"}, {"param", "total"}),
    PagingType.LINK: (set(), {"next", "total"}),
}
"""By type: the required fields, and the optional ones besides ``type``."""

_Kind = TypeVar("_Kind", bound=StrEnum)


def parse_source(
    text: str,
    path: str,
    contracts: Mapping[str, Contract],
    reserved: Collection[str] = (),
    in_error: Mapping[str, ContractError] = MappingProxyType({}),
) -> ApiSource:
    """Read one declaration.

    Args:
        path: of the file, for messages.
        contracts: by dataset.
        reserved: environment variables that must not be used as secrets.
        in_error: by dataset, the error of a contract that is set aside.

    Raises:
        ContractError: with file and line of the first error.
    """
    return _Reader(load_located(text, path), contracts, reserved, in_error).source()


class _Reader:
    """Parses one document; ``here`` is the path of a mapping in it."""

    def __init__(
        self,
        document: Located,
        contracts: Mapping[str, Contract],
        reserved: Collection[str],
        in_error: Mapping[str, ContractError],
    ) -> None:
        self.document, self.contracts, self.reserved, self.in_error = document, contracts, reserved, in_error

    def source(self) -> ApiSource:
        top = self._mapping(
            (),
            {"name", "agency", "base_url", "resources"},
            {"description", "auth", "requests_per_second", "timeout_seconds", "max_pages"},
        )
        agency = self._text((), "agency")
        if object_keys.segment(agency) != agency:
            raise self.document.error(f"agency {agency!r} must have only letters, digits, '.', '_' and '-'", "agency")
        resources = top["resources"]
        if not isinstance(resources, list) or not resources:
            raise self.document.error("resources must be a list with at least one entry", "resources")
        return ApiSource(
            file=self.document.path,
            name=self._text((), "name", _NAME, "a lower-case letter, followed by lower-case letters, digits and _"),
            agency=agency,
            base_url=self._base_url(),
            resources=tuple(self._resource(number) for number in range(len(resources))),
            description=self._text((), "description", default=""),
            auth=self._auth(),
            requests_per_second=self._rate(),
            timeout_s=self._whole((), "timeout_seconds", 1, 600, default=30),
            max_pages=self._whole((), "max_pages", 1, 1_000_000, default=10_000),
        )

    def _base_url(self) -> str:
        url = self._text((), "base_url")
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise self.document.error(f"base_url is not a valid URL: {error}", "base_url") from None
        if "@" in parts.netloc:
            raise self.document.error(
                "base_url must not contain a user or password; declare them under auth", "base_url"
            )
        if not parts.hostname or parts.query or parts.fragment or re.search(r"\s", url):
            raise self.document.error("base_url must be https://host/path, without a query", "base_url")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise self.document.error("base_url must use https, because http is not encrypted", "base_url")
        return url.rstrip("/")

    def _auth(self) -> Auth:
        if "auth" not in self.document.data:
            return Auth()
        here: Where = ("auth",)
        kind = self._kind(here, AuthType, _AUTH)
        if kind is AuthType.NONE:
            return Auth()
        secret = self._text(here, "secret", _SECRET, "the name of an environment variable, in upper case")
        if secret in self.reserved or secret.startswith(("AWS_", "DAGSTER_")):
            raise self.document.error(
                f"{secret} is a setting of the platform and cannot be the secret of an API; choose another name",
                *here,
                "secret",
            )
        place = self._text(here, "in", re.compile("header|query"), "header or query", default="header")
        return Auth(
            kind,
            secret,
            self._text(here, "username", default="") or None,
            self._text(here, "name", _TOKEN, "the name of a header or parameter", default="Authorization"),
            place == "query",
        )

    def _resource(self, number: int) -> ApiResource:
        here: Where = ("resources", number)
        self._mapping(here, {"dataset", "path"}, {"params", "data_path", "pagination", "incremental"})
        contract = self._contract(here)
        path = self._text(here, "path", re.compile(r"/[^\s?#]*"), "a path that begins with /, without a query")
        incremental = self._incremental(here, contract)
        return ApiResource(
            contract,
            path,
            self._params(here),
            self._keys(here, "data_path"),
            self._pagination((*here, "pagination")),
            incremental,
        )

    def _contract(self, here: Where) -> Contract:
        name = self._text(here, "dataset")
        contract = self.contracts.get(name)
        if contract is None and name in self.in_error:
            raise self.document.error(f"the contract of {name} is in error: {self.in_error[name]}", *here, "dataset")
        if contract is None:
            hint = did_you_mean_or_all(name, sorted(self.contracts))
            raise self.document.error(f"unknown dataset {name!r}{hint}", *here, "dataset")
        self._refuse_other_formats(contract, here)
        file_name = object_keys.base_name(contract.physical_name)
        if choose_contract(self.contracts.values(), file_name) is not contract:
            raise self.document.error(
                f"another contract also matches the file name {file_name}; correct its filePatterns", *here, "dataset"
            )
        return contract

    def _refuse_other_formats(self, contract: Contract, here: Where) -> None:
        """Snapshots are UTF-8 CSV with commas; the contract's reading overrides must not require another format."""
        overrides = contract.reading_overrides
        fits = (
            (overrides.delimiter or ",") == ","
            and (overrides.encoding or "utf-8").lower().replace("_", "-") in {"utf-8", "utf8"}
            and overrides.sheet is None
            and (overrides.header_line or 1) == 1
        )
        if not fits:
            raise self.document.error(
                f"{contract.path} sets {', '.join(overrides.names())}, but records of an API are landed as UTF-8 CSV "
                "with commas; declare a separate contract for the API",
                *here,
                "dataset",
            )

    def _pagination(self, here: Where) -> Pagination:
        if here[-1] not in self._at(here[:-1]):
            return Pagination()
        kind = self._kind(here, PagingType, _PAGING)
        param = "" if kind in {PagingType.NONE, PagingType.LINK} else str(kind)
        return Pagination(
            kind,
            self._text(here, "param", _TOKEN, "the name of a parameter", default=param),
            self._whole(here, "first", 0, 1, default=1),
            self._whole(here, "limit", 1, 1_000_000, default=100),
            self._text(here, "limit_param", _TOKEN, "the name of a parameter", default="limit"),
            self._whole(here, "size", 1, 1_000_000, default=0) if "size" in self._at(here) else None,
            self._keys(here, "next"),
            self._keys(here, "total"),
        )

    def _incremental(self, resource: Where, contract: Contract) -> Incremental | None:
        if "incremental" not in self._at(resource):
            return None
        here = (*resource, "incremental")
        self._mapping(here, {"field", "param"}, {"initial"})
        if not contract.primary_key:
            message = (
                f"incremental needs a primaryKey in {contract.path}, to find the record that a new version replaces"
            )
            raise self.document.error(message, *here)
        initial = self._at(here).get("initial")
        if initial is not None and (isinstance(initial, bool) or not isinstance(initial, str | int | float)):
            raise self.document.error("initial must be a string or a number", *here, "initial")
        return Incremental(
            self._text(here, "field"),
            self._text(here, "param", _TOKEN, "the name of a parameter"),
            None if initial is None else str(initial),
        )

    def _params(self, here: Where) -> dict[str, str]:
        params = self._at(here).get("params", {})
        if not isinstance(params, dict):
            raise self.document.error("params must be a mapping of names to values", *here, "params")
        for name, value in params.items():
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise self.document.error(
                    f"{name} must be a string or a number; write true and false in quotes", *here, "params", name
                )
        return {name: str(value) for name, value in params.items()}

    def _keys(self, here: Where, name: str) -> Keys:
        """The value ``a.b`` as a path of names. A list of names is allowed too, for names that contain a dot."""
        given = self._at(here).get(name)
        if given is None:
            return ()
        keys = given.split(".") if isinstance(given, str) else given
        if not isinstance(keys, list) or not all(isinstance(k, str) and re.fullmatch(r"[^\s'\\]+", k) for k in keys):
            raise self.document.error(f"{name} must be names separated by dots, or a list of names", *here, name)
        return tuple(keys)

    def _kind(self, here: Where, kinds: type[_Kind], fields: Mapping[_Kind, tuple[set[str], set[str]]]) -> _Kind:
        """The mapping's ``type``; raises ContractError for fields that this type does not have."""
        data = self._at(here)
        if not isinstance(data, dict) or data.get("type") not in list(kinds):
            raise self.document.error(f"{here[-1]} must have a type: one of {', '.join(kinds)}", *here, "type")
        kind = kinds(data["type"])
        needed, allowed = fields[kind]
        self._mapping(here, {"type", *needed}, allowed)
        return kind

    def _at(self, here: Where) -> Any:
        data: Any = self.document.data
        for step in here:
            data = data[step]
        return data

    def _mapping(self, here: Where, needed: set[str], allowed: set[str]) -> dict[str, Any]:
        data = self._at(here)
        if not isinstance(data, dict):
            raise self.document.error("must be a mapping of names to values", *here)
        for name in data:
            if name not in needed | allowed:
                hint = did_you_mean_or_all(name, sorted(needed | allowed))
                raise self.document.error(f"unknown field {name}{hint}", *here, name)
        if missing := sorted(needed - data.keys()):
            raise self.document.error(f"missing: {', '.join(missing)}", *here)
        return data

    def _text(
        self,
        here: Where,
        name: str,
        pattern: re.Pattern[str] | None = None,
        expected: str = "a string",
        *,
        default: str | None = None,
    ) -> str:
        value = self._at(here).get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.document.error(f"{name} must be {expected}", *here, name)
        if pattern is not None and name in self._at(here) and not pattern.fullmatch(value):
            raise self.document.error(f"{name} must be {expected}", *here, name)
        return value

    def _rate(self) -> float | None:
        value = self.document.data.get("requests_per_second")
        if value is not None and (not is_number(value) or not 0.001 <= value <= 1_000):
            raise self.document.error("requests_per_second must be a number from 0.001 to 1,000", "requests_per_second")
        return None if value is None else float(value)

    def _whole(self, here: Where, name: str, low: int, high: int, *, default: int) -> int:
        value = self._at(here).get(name, default)
        if not is_number(value) or value != int(value) or not low <= value <= high:
            raise self.document.error(f"{name} must be a whole number from {low:,} to {high:,}", *here, name)
        return int(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
