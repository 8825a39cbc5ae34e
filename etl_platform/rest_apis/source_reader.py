"""The text of a declared API → ApiSource. Strict: what is not understood is an error with its line. No files.

The fields are explained in docs/onboard/api.md.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from etl_platform import object_keys
from etl_platform.engine.contract.located_yaml import Located, Where, is_number, load_located
from etl_platform.engine.contract.model import Contract, choose_contract
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
"""RFC 9110, 5.6.2: what a header's name is made of; parameters are held to the same."""

_AUTH: dict[AuthType, tuple[set[str], set[str]]] = {
    AuthType.NONE: (set(), set()),
    AuthType.BEARER: ({"secret"}, set()),
    AuthType.API_KEY: ({"secret", "name"}, {"in"}),
    AuthType.BASIC: ({"secret", "username"}, set()),
}
_PAGING: dict[PagingType, tuple[set[str], set[str]]] = {
    PagingType.NONE: (set(), set()),
    PagingType.PAGE: (set(), {"param", "first"}),
    PagingType.OFFSET: (set(), {"param", "limit", "limit_param"}),
    PagingType.CURSOR: ({"next"}, {"param"}),
    PagingType.LINK: (set(), {"next"}),
}
"""Per type the names that it needs, and those that it may have beside ``type``."""

_Kind = TypeVar("_Kind", bound=StrEnum)


def parse_source(text: str, path: str, contracts: Mapping[str, Contract], reserved: Collection[str] = ()) -> ApiSource:
    """Read one declaration.

    Args:
        path: where it came from, for messages.
        contracts: by dataset.
        reserved: environment variables that are no API's secret.

    Raises:
        ContractError: naming file and line of the first thing that is wrong.
    """
    return _Reader(load_located(text, path), contracts, reserved).source()


class _Reader:
    """Takes one document apart; ``here`` is the path of a mapping in it."""

    def __init__(self, document: Located, contracts: Mapping[str, Contract], reserved: Collection[str]) -> None:
        self.document, self.contracts, self.reserved = document, contracts, reserved

    def source(self) -> ApiSource:
        top = self._mapping(
            (),
            {"name", "agency", "base_url", "resources"},
            {"description", "auth", "requests_per_second", "timeout_seconds", "max_pages"},
        )
        agency = self._text((), "agency")
        if object_keys.segment(agency) != agency:
            raise self.document.error(f"agency {agency!r} takes letters, digits, '.', '_' and '-'", "agency")
        resources = top["resources"]
        if not isinstance(resources, list) or not resources:
            raise self.document.error("resources takes a list with at least one entry", "resources")
        return ApiSource(
            file=self.document.path,
            name=self._text((), "name", _NAME, "small letters, digits and _"),
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
            raise self.document.error(f"base_url is no URL: {error}", "base_url") from None
        if "@" in parts.netloc:
            raise self.document.error("base_url holds a user; say it under auth", "base_url")
        if not parts.hostname or parts.query or parts.fragment or re.search(r"\s", url):
            raise self.document.error("base_url takes https://host/path, without a query", "base_url")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise self.document.error("base_url takes https: anybody on the way could read what comes", "base_url")
        return url.rstrip("/")

    def _auth(self) -> Auth:
        if "auth" not in self.document.data:
            return Auth()
        here: Where = ("auth",)
        kind = self._kind(here, AuthType, _AUTH)
        if kind is AuthType.NONE:
            return Auth()
        secret = self._text(here, "secret", _SECRET, "the name of an environment variable, in capitals")
        if secret in self.reserved or secret.startswith(("AWS_", "DAGSTER_")):
            raise self.document.error(f"{secret} is a setting of the platform and no API's business", *here, "secret")
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
        if contract is None:
            near = get_close_matches(name, self.contracts, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(sorted(self.contracts))}"
            raise self.document.error(f"no contract describes the dataset {name!r}{hint}", *here, "dataset")
        pins = contract.reading_overrides
        fits = (
            (pins.delimiter or ",") == ","
            and (pins.encoding or "utf-8").lower().replace("_", "-") in {"utf-8", "utf8"}
            and pins.sheet is None
            and (pins.header_line or 1) == 1
        )
        if not fits:
            raise self.document.error(
                f"{contract.path} pins how files are written ({', '.join(pins.names())}), but what comes from an API "
                "lands as CSV with commas in UTF-8; give it a contract of its own",
                *here,
                "dataset",
            )
        file_name = object_keys.base_name(contract.physical_name)
        if choose_contract(self.contracts.values(), file_name) is not contract:
            raise self.document.error(f"another contract takes the name {file_name} as well", *here, "dataset")
        return contract

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
            self._keys(here, "next"),
        )

    def _incremental(self, resource: Where, contract: Contract) -> Incremental | None:
        if "incremental" not in self._at(resource):
            return None
        here = (*resource, "incremental")
        self._mapping(here, {"field", "param"}, {"initial"})
        if not contract.primary_key:
            raise self.document.error(
                f"incremental needs a primaryKey in {contract.path}: without one, new and changed are the same",
                *here,
            )
        initial = self._at(here).get("initial")
        if initial is not None and (isinstance(initial, bool) or not isinstance(initial, str | int | float)):
            raise self.document.error("initial takes a text or a number", *here, "initial")
        return Incremental(
            self._text(here, "field"),
            self._text(here, "param", _TOKEN, "the name of a parameter"),
            None if initial is None else str(initial),
        )

    def _params(self, here: Where) -> dict[str, str]:
        params = self._at(here).get("params", {})
        if not isinstance(params, dict):
            raise self.document.error("params takes names and values", *here, "params")
        for name, value in params.items():
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise self.document.error(
                    f"{name} takes a text or a number; write true and false in quotes", *here, "params", name
                )
        return {name: str(value) for name, value in params.items()}

    def _keys(self, here: Where, name: str) -> Keys:
        """``a.b`` or a list of names, for names with a dot in them."""
        given = self._at(here).get(name)
        if given is None:
            return ()
        keys = given.split(".") if isinstance(given, str) else given
        if not isinstance(keys, list) or not all(isinstance(k, str) and re.fullmatch(r"[^\s'\\]+", k) for k in keys):
            raise self.document.error(f"{name} takes names with dots between them, or a list of names", *here, name)
        return tuple(keys)

    def _kind(self, here: Where, kinds: type[_Kind], fields: Mapping[_Kind, tuple[set[str], set[str]]]) -> _Kind:
        """The mapping's ``type``, whose own fields are then all that the mapping may have."""
        data = self._at(here)
        if not isinstance(data, dict) or data.get("type") not in list(kinds):
            raise self.document.error(f"{here[-1]} takes a type: one of {', '.join(kinds)}", *here, "type")
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
            raise self.document.error("takes names and values", *here)
        for name in data:
            if name not in needed | allowed:
                near = get_close_matches(name, needed | allowed, 1)
                hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(needed | allowed))}"
                raise self.document.error(f"{name} is unknown; {hint}", *here, name)
        if missing := sorted(needed - data.keys()):
            raise self.document.error(f"{', '.join(missing)} missing", *here)
        return data

    def _text(
        self,
        here: Where,
        name: str,
        grammar: re.Pattern[str] | None = None,
        takes: str = "",
        *,
        default: str | None = None,
    ) -> str:
        value = self._at(here).get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.document.error(f"{name} takes {takes or 'a text'}", *here, name)
        if grammar is not None and name in self._at(here) and not grammar.fullmatch(value):
            raise self.document.error(f"{name} takes {takes}", *here, name)
        return value

    def _rate(self) -> float | None:
        value = self.document.data.get("requests_per_second")
        if value is not None and (not is_number(value) or not 0.001 <= value <= 1_000):
            raise self.document.error("requests_per_second takes a number from 0.001 to 1,000", "requests_per_second")
        return None if value is None else float(value)

    def _whole(self, here: Where, name: str, low: int, high: int, *, default: int) -> int:
        value = self._at(here).get(name, default)
        if not is_number(value) or value != int(value) or not low <= value <= high:
            raise self.document.error(f"{name} takes a whole number from {low:,} to {high:,}", *here, name)
        return int(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
