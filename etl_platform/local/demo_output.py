"""The output of the demo: progress on stderr, the table of deliveries on stdout."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from etl_platform.local.demo_expectations import Result, UploadedSample
from etl_platform.object_keys import base_name

ShowProgress = Callable[[int, str], None]
"""Called with the number of recorded deliveries and what the demo is waiting for."""

_REMINDER_S = 15.0
_WIDE = 240


@contextmanager
def progress(total: int) -> Iterator[ShowProgress]:
    """A progress bar on a terminal; elsewhere a line per change and one every 15 s."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain(total)
        return
    columns = (
        TimeElapsedColumn(),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("recorded, {task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)


def _plain(total: int) -> ShowProgress:
    started = time.monotonic()
    last: tuple[int, str] | None = None
    printed_at = started

    def show(done: int, text: str) -> None:
        nonlocal last, printed_at
        now = time.monotonic()
        if (done, text) != last or now - printed_at > _REMINDER_S:
            last, printed_at = (done, text), now
            print(f"{now - started:4.0f} s  {done:2d} of {total} recorded, {text}", file=sys.stderr, flush=True)

    return show


def print_table(uploaded: Sequence[UploadedSample], results: Mapping[str, Result]) -> None:
    """One row per delivery, in the order of the samples."""
    # Without a terminal, rich would truncate to 80 columns; a log should contain whole keys.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    table = _table(uploaded, results, lambda key: key)
    if console.measure(table).maximum > console.width:
        table = _table(uploaded, results, base_name)
        table.caption = "silver keys are below silver/<dataset>/agency=<agency>/"
    console.print(table)


def _table(uploaded: Sequence[UploadedSample], results: Mapping[str, Result], silver: Callable[[str], str]) -> Table:
    table = Table("file", "agency", "dataset", "outcome", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("rows", "quarantined"):
        table.add_column(heading, justify="right")
    table.add_column("silver key", overflow="fold")
    versions = Counter(item.sample.key for item in uploaded)
    for item in uploaded:
        sample = item.sample
        folder, _, name = sample.key.rpartition("/")
        name = name or f"{folder.rpartition('/')[2]}/"
        result = results.get(sample.name, Result("not recorded"))
        table.add_row(
            f"{name} ({sample.name})" if versions[sample.key] > 1 else name,
            result.agency or sample.agency or "",
            result.dataset or "",
            result.outcome,
            _count(result.rows),
            _count(result.quarantined),
            silver(result.silver_key or ""),
        )
    return table


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
