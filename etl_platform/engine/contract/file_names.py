"""Which contract belongs to a file name. No files."""

from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Generic, Protocol, TypeVar

from etl_platform.engine.contract.model import file_stem, fold


class NamesFiles(Protocol):
    """What says by their names which files it is about: a contract, also one in error."""

    @property
    def physical_name(self) -> str: ...

    @property
    def file_patterns(self) -> tuple[str, ...]: ...

    @property
    def in_force(self) -> bool: ...


Named = TypeVar("Named", bound=NamesFiles)


class FileNames(Generic[Named]):
    """Chooses among contracts by a file name. Made once for many names, because there may be thousands of patterns.

    A contract that is not in force gets a file only if no other one matches.
    """

    def __init__(self, contracts: Iterable[Named]) -> None:
        every = list(contracts)
        in_force = [contract for contract in every if contract.in_force]
        self._indexes = [_Index(in_force), _Index([contract for contract in every if not contract.in_force])]

    def choose(self, file_name: str) -> Named | None:
        """The contract whose name, or else whose longest pattern, matches; None if no contract does."""
        stem = fold(file_stem(file_name))
        return next((found for index in self._indexes if (found := index.choose(stem))), None)


class _Index(Generic[Named]):
    def __init__(self, contracts: Iterable[Named]) -> None:
        self._exact: dict[str, Named] = {}
        self._patterns: dict[str, list[tuple[int, int, str, Named]]] = defaultdict(list)
        for place, contract in enumerate(contracts):
            self._exact.setdefault(fold(file_stem(contract.physical_name)), contract)
            for declared in filter(None, contract.file_patterns):
                pattern = fold(declared, keep="*")
                start = pattern.partition("*")[0]
                # The longest pattern wins, then the contract that comes first.
                self._patterns[start].append((len(declared), -place, pattern, contract))
        self._starts = sorted(set(map(len, self._patterns)))

    def choose(self, stem: str) -> Named | None:
        if stem in self._exact:
            return self._exact[stem]
        near = (one for length in self._starts for one in self._patterns.get(stem[:length], ()))
        matching = (one for one in near if fnmatchcase(stem, one[2]))
        best = max(matching, key=lambda one: one[:2], default=None)
        return best[3] if best else None


def choose_contract(contracts: Iterable[Named], file_name: str) -> Named | None:
    """The contract of one file name; see ``FileNames``."""
    return FileNames(contracts).choose(file_name)
