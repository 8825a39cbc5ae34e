"""The contract of each file that is checked before it is sent: a named one, or the one that the file's name matches."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from etl_platform.engine.check_output import CheckedFile
from etl_platform.engine.contract.file_names import FileNames
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import BrokenContract, ContractFolder, load_contract, read_folder
from etl_platform.engine.errors import EtlPlatformError, UsageError
from etl_platform.engine.header_fit import fitting_contract
from etl_platform.engine.ignored_names import ignored_name
from etl_platform.engine.named_files import NamedFile
from etl_platform.engine.overlays.overlay_folder import for_agency, partition_name
from etl_platform.engine.result import CheckResult, FileError


class NotADeliveryError(UsageError):
    """A file that would be ignored on arrival.

    Args:
        code: what its report would have.
        problem: why it would be ignored.
        advice: what to do at the command line, if anything.
        likely: the dataset whose columns the file has, if there is one.
    """

    def __init__(self, code: str, problem: str, advice: str = "", likely: str | None = None) -> None:
        self.code, self.problem, self.likely = code, problem, likely
        super().__init__(f"{problem}; {advice}" if advice else problem)


@dataclass(frozen=True)
class CheckContracts:
    """The contract of each file: ``named`` for all of them, or the one of ``folder`` that matches the file's name.

    Attributes:
        agency: the partition whose overlays apply.
        shows_values: whether values of personal columns are shown.
        at: when the check began, UTC; its day is the day of delivery.
    """

    named: Contract | None = None
    folder: ContractFolder = field(default_factory=ContractFolder)
    profile_only: bool = False
    agency: str | None = None
    shows_values: bool = False
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def read(cls, arguments: argparse.Namespace, folder: Callable[[], Path]) -> "CheckContracts":
        """Read contracts once for all files; raise what concerns all files, such as an error of the named contract."""
        name, agency = arguments.contract, partition_name(arguments.agency) if arguments.agency else None
        if arguments.profile_only:
            return cls(profile_only=True)
        shows_values = arguments.show_values
        if name and Path(name).is_file():
            return cls(load_contract(Path(name)), agency=agency, shows_values=shows_values)
        contracts = read_folder(folder())
        return cls(contracts.named(name) if name else None, contracts, agency=agency, shows_values=shows_values)

    def choose(self, name: str, path: Path) -> Contract | None:
        """None if files are only profiled.

        Args:
            name: the name under which the file is sent.
            path: where it is.

        Raises:
            NotADeliveryError: the name decides, and no contract matches it.
            ContractError: the overlay of the agency is in error.
        """
        if self.profile_only or self.named:
            return self.of_agency(self.named)
        if ignored := ignored_name(name):
            raise NotADeliveryError(ignored.code, f"{name} would be ignored on arrival: {ignored.message}")
        contract, good = self.by_name(name), self.folder.good
        if isinstance(contract, BrokenContract):
            raise NotADeliveryError("contract_error", f"{name} would wait for its contract: {contract.error}")
        if contract is None:
            fits = fitting_contract(path, good.values())
            problem = f"no contract matches the file name {name}" + (f"; {fits.hint(name)}" if fits else "")
            advice = f"name one with --contract ({', '.join(good)}) or look at the file with --profile-only"
            raise NotADeliveryError("no_contract", problem, advice, fits.contract.dataset if fits else None)
        return self.of_agency(contract)

    def by_name(self, name: str) -> Contract | BrokenContract | None:
        """The contract that a file of this name gets on arrival, without the overlay of an agency."""
        return self._file_names.choose(name)

    @cached_property
    def _file_names(self) -> FileNames[Contract | BrokenContract]:
        return FileNames([*self.folder.broken, *self.folder.good.values()])

    def checked_file(self, file: NamedFile, contract: Contract | None, result: CheckResult) -> CheckedFile:
        return CheckedFile(file.path, file.label, contract, result, self.at, self.agency, self.shows_values)

    def not_checked(self, file: NamedFile, error: EtlPlatformError) -> CheckedFile:
        """A file without a verdict, and the reason."""
        reason = FileError(error.code if isinstance(error, NotADeliveryError) else "failed", str(error))
        return replace(self.checked_file(file, None, CheckResult(errors=(reason,))), not_checked=True)

    def of(self, dataset: str | None) -> Contract | None:
        return self.of_agency(self.named or (self.folder.good[dataset] if dataset else None))

    def of_agency(self, contract: Contract | None) -> Contract | None:
        return contract if contract is None or self.agency is None else for_agency(contract, self.agency)
