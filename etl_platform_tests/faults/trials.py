"""One trial: a scenario, harm at one of its calls, everything started again, and what is left compared."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.end_state import EndState
from etl_platform_tests.faults.proxy import Call, Fault, Harm, Moment
from etl_platform_tests.faults.scenarios import Scenario

Strike = tuple[Call, Harm, Moment]


@dataclass(frozen=True)
class Undisturbed:
    """What a scenario does and leaves when nobody interferes."""

    calls: tuple[Call, ...]
    end: EndState


@dataclass(frozen=True)
class Trial:
    """``landed``: the proxy saw the call, and what was to be killed died of it."""

    scenario: str
    call: Call
    fault: Fault
    landed: bool
    differences: tuple[str, ...]

    @property
    def survived(self) -> bool:
        return self.landed and not self.differences

    def __str__(self) -> str:
        what = f"{self.scenario}: {self.fault.harm} {self.fault.moment} call {self.call.number} ({self.call})"
        if not self.landed:
            return f"{what}: did not land"
        return f"{what}: " + ("survived" if self.survived else "; ".join(self.differences))


def play_undisturbed(bench: Bench, scenario: Scenario) -> Undisturbed:
    end = bench.play(scenario, lambda _call: None)
    assert bench.killed == 0
    return Undisturbed(tuple(bench.proxy.calls), end)


def try_harm(bench: Bench, scenario: Scenario, undisturbed: Undisturbed, strike: Strike) -> Trial:
    """Do harm to the call of that number, start everything again, and compare."""
    call, harm, moment = strike
    struck: list[Call] = []
    fault = Fault(harm, moment, lambda _call: bench.zygote.kill())

    def plan(found: Call) -> Fault | None:
        if found.number != call.number:
            return None
        struck.append(found)
        return fault

    end = bench.play(scenario, plan)
    landed = len(struck) == 1 and bench.killed == (harm is Harm.KILL)
    return Trial(scenario.name, struck[0] if struck else call, fault, landed, tuple(end.differences(undisturbed.end)))


def strikes(undisturbed: Undisturbed, harms: Sequence[Harm]) -> list[Strike]:
    """Every harm to every call, before it is done and after; only an answer can be cut."""
    return [
        (call, harm, moment)
        for harm in harms
        for call in undisturbed.calls
        for moment in Moment
        if harm is not Harm.TRUNCATED or moment is Moment.AFTER
    ]
