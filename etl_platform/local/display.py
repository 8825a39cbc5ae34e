"""What the demo shows people: progress on stderr, the table on stdout."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from etl_platform.local.expected import Dropped, Result
from etl_platform.object_keys import base_name

Show = Callable[[int, str], None]
"""How many deliveries are recorded, and what is being waited for."""

_REMINDER_S = 15.0
_WIDE = 240


@contextmanager
def progress(total: int) -> Iterator[Show]:
    """A live bar on a terminal, else one line per change and one now and then."""
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


def _plain(total: int) -> Show:
    started = time.monotonic()
    last: tuple[int, str] | None = None
    said_at = started

    def show(done: int, text: str) -> None:
        nonlocal last, said_at
        now = time.monotonic()
        if (done, text) != last or now - said_at > _REMINDER_S:
            last, said_at = (done, text), now
            print(f"{now - started:4.0f} s  {done:2d} of {total} recorded, {text}", file=sys.stderr, flush=True)

    return show


def print_table(dropped: Sequence[Dropped], results: Mapping[str, Result]) -> None:
    """One row per delivery, in the order of the samples."""
    # rich cuts to 80 columns when nobody looks; a log should hold the keys whole.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    table = _table(dropped, results, lambda key: key)
    if console.measure(table).maximum > console.width:
        table = _table(dropped, results, base_name)
        table.caption = "silver keys lie below silver/<dataset>/agency=<agency>/"
    console.print(table)


def _table(dropped: Sequence[Dropped], results: Mapping[str, Result], silver: Callable[[str], str]) -> Table:
    table = Table("file", "agency", "dataset", "outcome", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("rows", "quarantined"):
        table.add_column(heading, justify="right")
    table.add_column("silver key", overflow="fold")
    versions = Counter(item.sample.key for item in dropped)
    for item in dropped:
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
