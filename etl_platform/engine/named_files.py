"""The files that a check's arguments name, and the folder of each file's results. Nothing is opened."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from etl_platform.engine.errors import UsageError
from etl_platform.engine.ignored_names import ignored_name


@dataclass(frozen=True)
class NamedFile:
    """A file to check.

    Attributes:
        label: its name; with folders in front where two files have the same one. No two files share a label.
    """

    path: Path
    label: str


@dataclass(frozen=True)
class LeftOut:
    """A file of a folder whose name is never a delivery, with the code of the reason."""

    path: Path
    code: str


@dataclass(frozen=True)
class NamedFiles:
    """The files to check in order, and those that are left out."""

    files: tuple[NamedFile, ...]
    left_out: tuple[LeftOut, ...] = ()


def find_files(arguments: Sequence[Path], folders: Iterable[Path] = ()) -> NamedFiles:
    """The files that arguments name, and those below folders; each once.

    Args:
        folders: those for results, pages and workbooks. What an earlier run left in them is not checked.

    Raises:
        UsageError: the only argument does not exist, or no file is found. One of several that does not exist is among
            the files, so that it does not keep the others from being checked.
    """
    results = frozenset(map(_place, folders))
    paths: dict[Path, Path] = {}
    left_out: dict[Path, LeftOut] = {}
    for argument in arguments:
        if argument.is_dir():
            if _place(argument) in results:
                raise UsageError(f"{argument}: results would be among the files to check; name another folder")
            for path in _below(argument, results):
                if found := ignored_name(path.relative_to(argument).as_posix()):
                    left_out.setdefault(_place(path), LeftOut(path, found.code))
                else:
                    paths.setdefault(_place(path), path)
        elif argument.is_file() or len(arguments) > 1:
            paths.setdefault(_place(argument), argument)
        else:
            require_file(argument)
    if not paths:
        raise UsageError(f"{', '.join(map(str, arguments))}: no file to check; name files or other folders")
    labels = _labels(paths)
    files = tuple(NamedFile(path, labels[place]) for place, path in paths.items())
    return NamedFiles(files, tuple(found for place, found in left_out.items() if place not in paths))


def require_file(path: Path) -> None:
    """Raise UsageError unless the path is that of a file."""
    if not path.is_file():
        problem = "is not a file" if path.exists() else "does not exist"
        raise UsageError(f"{path} {problem}; name files or folders to check")


def _place(path: Path) -> Path:
    """The absolute path without ``..``; a link keeps its own name."""
    return path.parent.resolve() / path.name if path.name not in {"", ".."} else path.resolve()


def _below(folder: Path, results: Set[Path]) -> Iterator[Path]:
    """The files below a folder, sorted; links to folders are not followed."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}; name another folder") from None
    for entry in entries:
        if entry.is_dir():
            if not entry.is_symlink() and _place(entry) not in results:
                yield from _below(entry, results)
        elif entry.is_file():
            yield entry


def _labels(paths: Iterable[Path]) -> dict[Path, str]:
    """By path, as many of its last parts as no other path has; some file systems do not distinguish case."""
    labels: dict[Path, str] = {}
    waiting, depth = {path: path.relative_to(path.anchor).parts for path in paths}, 0
    while waiting:
        depth += 1
        same: dict[str, list[Path]] = defaultdict(list)
        for path, parts in waiting.items():
            same["/".join(parts[-depth:]).casefold()].append(path)
        whole = [path for path, parts in waiting.items() if depth >= len(parts)]
        alone = [group[0] for group in same.values() if len(group) == 1]
        labels |= {path: "/".join(waiting[path][-depth:]) for path in (*alone, *whole)}
        waiting = {path: parts for path, parts in waiting.items() if path not in labels}
    return labels
