"""Which agency and contract a source key belongs to, or why it belongs to none. No network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import Agencies, AgencyChange
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.engine.contract.file_names import FileNames
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.ignored_names import ignored_name
from etl_platform.engine.output.plain_text import first_of
from etl_platform.engine.overlays.overlay_folder import for_agency
from etl_platform.engine.result import FileError


@dataclass(frozen=True)
class Route:
    """Where an object belongs. ``ignored`` is the reason why agency or contract is missing."""

    agency: str | None
    contract: Contract | None
    ignored: FileError | None = None

    @property
    def dataset(self) -> str | None:
        return self.contract.dataset if self.contract else None


@dataclass(frozen=True)
class RoutedObject:
    """An object version and where it belongs. It is routed once and then passed on.

    Attributes:
        waits_for: why it is not known whether its agency was retired or renamed; ``Intake.ingest`` raises it.
    """

    version: ObjectVersion
    route: Route
    waits_for: str | None = None

    @property
    def key(self) -> str:
        return self.version.key


NO_CONTRACT, AGENCY_RETIRED = "no_contract", "agency_retired"
FOREIGN_BUCKET, NO_SUCH_OBJECT = "foreign_bucket", "no_such_object"
CONTRACT_ERROR = "contract_error"
"""The file's contract is in error and set aside. The file is ingested when the contract is correct again."""
_MOST_NAMED = 5
_ALL_ACTIVE = Agencies()
_WHY_IGNORED = {
    "folder_marker": "the object is a folder marker, not a file",
    "no_file_name": "the key ends with /, so it has no file name",
    FOREIGN_BUCKET: "the event is of another bucket; end its notifications to the topic or the queue",
    "no_agency": "the key is not in a folder <source prefix>/<agency>/",
    NO_CONTRACT: "no contract matches this file name; add one, then run `etl-platform reconcile --repair`",
}

NEEDS_A_PERSON = frozenset({"no_file_name", "no_agency", NO_CONTRACT, CONTRACT_ERROR, AGENCY_RETIRED})
"""Why a file is ignored that somebody may have meant as a delivery."""


@dataclass(frozen=True)
class Router:
    """Routes objects with the agencies as they were when it was made. Make one for each batch.

    Attributes:
        unread: why the register of agencies could not be read. Objects with an agency wait for it.
        bucket: the only one whose objects are ingested; None if the name of the bucket does not matter.
    """

    contracts: Mapping[str, Contract]
    source_prefix: str
    agencies: Agencies
    broken: Sequence[BrokenContract] = ()
    unread: str | None = None
    bucket: str | None = None

    @cached_property
    def _file_names(self) -> FileNames[Contract | BrokenContract]:
        # With those that are set aside: a file of one of them must not get to the contract that fits next best.
        return FileNames([*self.broken, *self.contracts.values()])

    def route(self, version: ObjectVersion) -> RoutedObject:
        """Agency and contract by the key. The size only distinguishes a folder marker from a file without a name."""
        found = self._route(version)
        return RoutedObject(version, found, None if found.agency is None else self.unread)

    def _route(self, version: ObjectVersion) -> Route:
        if self.bucket not in {None, version.bucket}:
            return Route(None, None, _ignored(FOREIGN_BUCKET))
        if version.key.endswith("/"):
            return Route(None, None, _ignored("no_file_name" if version.size_bytes else "folder_marker"))
        source = object_keys.parse_source_key(version.key, self.source_prefix)
        if source is None:
            return Route(None, None, _ignored("no_agency"))
        agency = self.agencies.current_name(source.agency)
        if name := ignored_name(version.key.removeprefix(self.source_prefix)):
            return Route(agency, None, FileError(name.code, name.message))
        if retirement := self.agencies.retirement(agency):
            return Route(agency, None, FileError(AGENCY_RETIRED, _why_retired(agency, retirement)))
        return self._of_name(source.file_name, agency)

    def _of_name(self, file_name: str, agency: str) -> Route:
        match self._file_names.choose(file_name):
            case BrokenContract(error=error):
                return Route(agency, None, FileError(CONTRACT_ERROR, f"the file waits for its contract: {error}"))
            case None:
                return Route(agency, None, _no_contract(self.broken))
            case contract:
                pass
        try:
            return Route(agency, agency_contract(contract, agency, self.source_prefix))
        except ContractError as error:
            return Route(agency, None, FileError(CONTRACT_ERROR, f"the file waits for the agency's overlay: {error}"))


def agency_contract(contract: Contract, agency: str, source_key: str) -> Contract:
    """The contract as it reads the files of an agency; ContractError if the agency's overlay is in error.

    Args:
        source_key: or its prefix; the platform itself writes snapshots of APIs, so no overlay applies to them.
    """
    return contract if source_key.startswith(object_keys.FROM_API) else for_agency(contract, agency)


def route(version: ObjectVersion, contracts: Mapping[str, Contract], source_prefix: str) -> Route:
    """As ``Router.route``, while all agencies are active and no contract is in error."""
    return Router(contracts, source_prefix, _ALL_ACTIVE).route(version).route


def _no_contract(broken: Sequence[BrokenContract]) -> FileError:
    why = _ignored(NO_CONTRACT)
    in_error = first_of([PurePath(contract.path).name for contract in broken if contract.in_force], _MOST_NAMED)
    if not in_error:
        return why
    return replace(why, message=f"{why.message}. Contracts in error, which may be about this file: {in_error}")


def _ignored(code: str) -> FileError:
    return FileError(code, _WHY_IGNORED[code])


def _why_retired(agency: str, retirement: AgencyChange) -> str:
    return (
        f"agency {agency} was {retirement}; to ingest its files, run `etl-platform agency restore {agency}` and "
        f"`etl-platform reconcile --agency {agency} --repair`"
    )
