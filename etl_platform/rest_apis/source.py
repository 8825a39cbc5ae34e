"""A declared REST API as plain values: where it is, how it is asked, which dataset each of its resources fills.

How a declaration is read from its text is decided in ``api_source_reader``.
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
    """``secret`` is the name of an environment variable, never a value.

    Attributes:
        name: the header, or the query parameter, that an API key stands in.
        in_query: whether it stands in the query.
    """

    type: AuthType = AuthType.NONE
    secret: str | None = None
    username: str | None = None
    name: str = "Authorization"
    in_query: bool = False


Keys = tuple[str, ...]
"""Names from the top of an answer down to a value."""


@dataclass(frozen=True)
class Pagination:
    """How the next page is asked for.

    Attributes:
        param: the query parameter that takes page number, offset or cursor.
        first: number of the first page.
        limit: records a page, for offsets; sent in ``limit_param``.
        next: where an answer holds the next cursor or URL; empty for the Link header.
    """

    type: PagingType = PagingType.NONE
    param: str = ""
    first: int = 1
    limit: int = 100
    limit_param: str = "limit"
    next: Keys = ()


@dataclass(frozen=True)
class Incremental:
    """Only what is new or changed: ``param`` takes the highest value of ``field`` seen so far, ``initial`` at first."""

    field: str
    param: str
    initial: str | None = None


@dataclass(frozen=True)
class ApiResource:
    """One path of an API, whose records fill one dataset. ``data`` says where an answer holds its list of records."""

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
        file: where it is declared.
        requests_per_second: None where there is no limit.
        max_pages: more than these of one resource are an error, so that a run ends.
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
        """Where what the API holds of a dataset lies."""
        return object_keys.api_snapshot_key(self.agency, object_keys.base_name(resource.contract.physical_name))

    def identity(self, resource: ApiResource) -> str:
        """Hash of what decides which records come, and which of them are one. A change of it starts afresh."""
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
