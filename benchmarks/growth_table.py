"""Tables of ``make bench-growth``, and the words for how a cost grows. Measures nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.growth_store import PAGE

SAME, SAME_REQUESTS, SAME_S = 1.5, 10, 0.5
"""A cost is flat if the last column has at most so many times the requests of the first or so many more, and at most so
many more seconds of CPU."""


class Growth(StrEnum):
    """What the cost of a command grows with, where it is not flat."""

    ASKED = "with what is asked"
    ALL = "with all"


@dataclass(frozen=True)
class Cost:
    """What one command cost. CPU and elapsed time are without the parsing of listings, which had ``listed`` objects."""

    requests: int
    listed: int
    cpu_s: float
    elapsed_s: float

    def with_parsing(self, page_s: float) -> "Cost":
        parsing_s = self.listed / PAGE * page_s
        return Cost(self.requests, self.listed, self.cpu_s + parsing_s, self.elapsed_s + parsing_s)


Row = tuple[Growth, Cost]


def costs_section(title: str, columns: Mapping[str, Mapping[str, Row]], page_s: float) -> str:
    """A table with a row for each command.

    Args:
        columns: by what grows, the costs by command.
        page_s: CPU seconds in which a page of a listing is parsed.
    """
    names = list(columns)
    lines = [f"## {title}\n", f"| | {' | '.join(names)} | grows |", f"|---|{'---|' * len(names)}---|"]
    for command, (growth, _) in columns[names[0]].items():
        costs = [columns[name][command][1].with_parsing(page_s) for name in names]
        lines.append(f"| {command} | {' | '.join(map(_cell, costs))} | {_word(growth, costs)} |")
    return "\n".join(lines) + "\n"


def _cell(cost: Cost) -> str:
    return f"{cost.requests:,} · {cost.cpu_s:.1f} · {cost.elapsed_s:.1f}"


def _word(growth: Growth, costs: Sequence[Cost]) -> str:
    first, last = costs[0], costs[-1]
    slope = last.requests / max(1, first.requests)
    is_same = slope <= SAME or last.requests - first.requests <= SAME_REQUESTS
    if is_same and last.cpu_s - first.cpu_s <= SAME_S:
        return "flat"
    if not is_same:
        return f"{growth}, requests × {slope:.1f}"
    return f"{growth}, CPU × {last.cpu_s / max(0.05, first.cpu_s):.1f}"


def seconds_section(title: str, about: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """A table of seconds, with a row for each step."""
    names = list(columns)
    lines = [f"## {title}\n", f"{about}\n", f"| | {' | '.join(names)} | grows |", f"|---|{'---|' * len(names)}---|"]
    for step in columns[names[0]]:
        costs = [columns[name][step] for name in names]
        slope = costs[-1] / max(0.05, costs[0])
        word = "flat" if slope <= SAME else f"{Growth.ALL}, CPU × {slope:.1f}"
        lines.append(f"| {step} | {' | '.join(f'{cost:.1f}' for cost in costs)} | {word} |")
    return "\n".join(lines) + "\n"
