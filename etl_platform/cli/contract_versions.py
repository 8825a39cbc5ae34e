"""``etl-platform contract versions``: compares contracts with their earlier versions in git."""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.reference_tables import ReferenceFolder
from etl_platform.engine.contract.version_rules import version_problem
from etl_platform.engine.contract_folder import contract_paths
from etl_platform.engine.errors import ContractError, UsageError
from etl_platform.engine.exit_codes import GOOD, USAGE
from etl_platform.settings import load_settings

_MAIN_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def compare_versions(arguments: argparse.Namespace) -> int:
    """Print an error for each contract whose version does not say what changed. Needs git."""
    folder = arguments.folder or load_settings().contracts_dir
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder of contracts")
    if _git(folder, "rev-parse", "--git-dir") is None:
        raise UsageError(f"{folder} is not in a git repository; versions are compared with those in git")
    bases = [arguments.since] if arguments.since else list(_bases(folder))
    for base in bases:
        if _git(folder, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None:
            raise UsageError(f"--since {base}: no such commit here; in a shallow clone, run git fetch --deepen=100")
    paths = contract_paths(folder)
    if not paths:
        raise UsageError(f"{folder} has no contract, no file *.odcs.yaml")
    problems = {str(problem): problem for path in paths for problem in _problems(path, bases)}
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{folder}: versions compared with {' and '.join(bases) or 'nothing: there is no commit'}")
    return USAGE if problems else GOOD


def _bases(folder: Path) -> Iterator[str]:
    """HEAD for what is not committed; and where this branch left the main one, or on the main one the commit before.

    A clone of depth 1 has only HEAD.
    """
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return
    yield "HEAD"
    found = (_git(folder, "merge-base", "HEAD", main) for main in _MAIN_BRANCHES)
    base = next((found_base for found_base in found if found_base), None)
    if base is not None and base != head:
        yield base.strip()[:12]
    elif _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^"):
        yield "HEAD^"


def _problems(path: Path, bases: Sequence[str]) -> Iterator[ContractError]:
    references = ReferenceFolder(path.parent / "references")
    try:
        text = path.read_text("utf-8")
        new = parse_contract(text, str(path), references)
    except UnicodeDecodeError as error:
        yield ContractError(f"byte {error.start + 1} is not UTF-8; save it as UTF-8", path=str(path))
        return
    except ContractError as error:
        yield error
        return
    for base in bases:
        old_text = _git(path.parent, "show", f"{base}:./{path.name}")
        if old_text is None or old_text == text:
            continue
        try:
            old = parse_contract(old_text, str(path), references)
        except ContractError:
            # What this version of the platform does not read was never in force under it.
            continue
        if problem := version_problem(old, new, old_text, text):
            yield problem


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command; None if it fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError:
        raise UsageError("git is not installed; versions are compared with those in git") from None
    return done.stdout if done.returncode == 0 else None
