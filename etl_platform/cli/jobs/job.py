"""``Job``: a job as ``etl-platform run`` knows it, and the function that runs one in this process."""

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl_platform.platform import Platform
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from etl_platform.defs.runs.run_in_process import RunResult


@dataclass(frozen=True)
class Job:
    """A job with its own arguments.

    Attributes:
        example: arguments for the help text; empty if the job needs no arguments.
        run: returns the exit code: GOOD, also if there is nothing to do, or BAD for a failure or rejected data.
    """

    name: str
    summary: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], int]


def run_job(
    name: str,
    platform: Platform,
    config: Mapping[str, Any] = MappingProxyType({}),
    *,
    partition: str | None = None,
    datasets: Collection[str] = (),
    selection: Sequence[Sequence[str]] = (),
    tags: Mapping[str, str] = MappingProxyType({}),
) -> "RunResult":
    """Run a job of the code location in this process; see ``run_in_process``.

    Args:
        datasets: those that the run is about. The assets of others are not built: they cost CPU time, and would show a
            run that is not about them.
    """
    from etl_platform.definitions import build_defs
    from etl_platform.defs.runs.run_in_process import run_in_process

    settings = platform.settings
    definitions = build_defs(settings, platform.contract_folder, datasets, platform=platform)
    return run_in_process(definitions, name, settings, config, partition=partition, selection=selection, tags=tags)
