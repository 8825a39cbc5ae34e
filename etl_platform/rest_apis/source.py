"""A declared REST API as plain values: its URL, its authentication, its pagination, and its datasets.

``source_reader`` reads them from the text of a declaration.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from etl_platform import object_keys
from etl_platform.engine.contract.model import Contract


class AuthType(StrEnum):
    NONE = "none"
    BEARER = "bearer"
    API_KEY = "api_key"
    BASIC = "basic"


class PagingType(StrEnum):
    NONE = "none"
    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"
    LINK = "link"


@dataclass(frozen=True)
class Auth:
    """How requests are authenticated.

    Attributes:
        secret: name of an environment variable, never the value.
        name: the header or query parameter of an API key.
        in_query: whether the API key is a query parameter.
    """

    type: AuthType = AuthType.NONE
    secret: str | None = None
    username: str | None = None
    name: str = "Authorization"
    in_query: bool = False


Keys = tuple[str, ...]
"""The path of a value in a JSON response, from the top level down."""


@dataclass(frozen=True)
class Pagination:
    """How the next page is requested.

    Attributes:
        param: the query parameter for page number, offset or cursor.
        first: number of the first page.
        limit: records per page, for offsets; sent as ``limit_param``.
        size: records of a full page, for page numbers; None if it shows in the parameters or the first page.
        next: path of the next cursor or URL in a response; empty for the Link header.
        total: path of the number of all records in a response; empty if it is not compared.
    """

    type: PagingType = PagingType.NONE
    param: str = ""
    first: int = 1
    limit: int = 100
    limit_param: str = "limit"
    size: int | None = None
    next: Keys = ()
    total: Keys = ()


@dataclass(frozen=True)
class Incremental:
    """Requests only new and changed records: ``param`` gets the highest ``field`` so far, at first ``initial``."""

    field: str
    param: str
    initial: str | None = None


@dataclass(frozen=True)
class ApiResource:
    """One path of an API, whose records fill one dataset. ``data`` is the path of its list of records in a response."""

    contract: Contract
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    data: Keys = ()
    pagination: Pagination = Pagination()
    incremental: Incremental | None = None

    @property
    def dataset(self) -> str:
        return self.contract.dataset


@dataclass(frozen=True)
class ApiSource:
    """One API of one agency.

    Attributes:
        file: path of its declaration.
        requests_per_second: None for no limit.
        max_pages: more pages of one resource are an error, so that every run ends.
    """

    file: str
    name: str
    agency: str
    base_url: str
    resources: tuple[ApiResource, ...]
    description: str = ""
    auth: Auth = Auth()
    requests_per_second: float | None = None
    timeout_s: int = 30
    max_pages: int = 10_000

    def key(self, resource: ApiResource) -> str:
        """The object key of the resource's snapshot."""
        return object_keys.api_snapshot_key(self.agency, object_keys.base_name(resource.contract.physical_name))

    def identity(self, resource: ApiResource) -> str:
        """A hash of what decides which records are read. If it changes, all are read again."""
        step = resource.incremental
        parts = [
            self.base_url,
            resource.path,
            dict(resource.params),
            resource.data,
            [step.field, step.param, step.initial] if step else None,
            resource.contract.primary_key,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
