"""``make faults``: kills and outages at every call, and a table of what was survived. Exit 1 on any loss.

A kill at every call of every scenario; the outages at every call of two that make all kinds of call between them.
"""

import argparse
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from etl_platform.engine.output.terminal_table import table
from etl_platform.local.emulator import Emulator
from etl_platform.local.stack import inherited_environment
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.proxy import TRANSIENT, Harm
from etl_platform_tests.faults.scenarios import SCENARIOS, Scenario
from etl_platform_tests.faults.trials import Trial, play_undisturbed, strikes, try_harm


class Campaign:
    """Trials on several benches at once; each takes its share of every scenario."""

    def __init__(self, harms: Mapping[Scenario, Sequence[Harm]], benches: int) -> None:
        self._harms, self._benches = harms, benches
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.trials: list[Trial] = []
        self.calls: dict[str, int] = {}
        self.broken: list[str] = []

    def work(self, bench: Bench, share: int) -> None:
        try:
            for scenario, harms in self._harms.items():
                undisturbed = play_undisturbed(bench, scenario)
                self.calls[scenario.name] = len(undisturbed.calls)
                for strike in strikes(undisturbed, harms)[share :: self._benches]:
                    self._note(try_harm(bench, scenario, undisturbed, strike))
        except Exception:  # noqa: BLE001 - a thread's edge: told in the end, with exit code 1
            self.broken.append(traceback.format_exc())

    def _note(self, trial: Trial) -> None:
        with self._lock:
            self.trials.append(trial)
            if not trial.survived:
                print(f"LOST  {trial}", flush=True)
            if len(self.trials) % 25 == 0:
                print(f"{len(self.trials)} trials in {time.monotonic() - self._began:.0f} s", flush=True)

    def table(self) -> str:
        tried = Counter((trial.scenario, trial.fault.harm) for trial in self.trials)
        survived = Counter((trial.scenario, trial.fault.harm) for trial in self.trials if trial.survived)
        rows = [
            (
                scenario.name,
                self.calls.get(scenario.name, 0),
                str(harm),
                tried[scenario.name, harm],
                survived[scenario.name, harm],
            )
            for scenario, harms in self._harms.items()
            for harm in harms
        ]
        total = ("all", sum(self.calls.values()), "", len(self.trials), sum(trial.survived for trial in self.trials))
        return table(("scenario", "calls", "harm", "tried", "survived"), [*rows, total])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="only this one; repeatable")
    parser.add_argument(
        "--harm",
        action="append",
        choices=[Harm.KILL.value, *(harm.value for harm in TRANSIENT)],
        help="only this one; repeatable",
    )
    parser.add_argument("--benches", type=int, default=2, metavar="N", help="trials at once [2]")
    arguments = parser.parse_args(argv)
    scenarios = [SCENARIOS[name] for name in arguments.scenario or SCENARIOS]
    chosen = [Harm(name) for name in arguments.harm or ()]
    harms = {scenario: chosen or _usual_harms(scenario) for scenario in scenarios}
    # Dagster marks partitioned checks as preview, in every process.
    warnings.simplefilter("ignore")
    campaign = Campaign(harms, arguments.benches)
    began = time.monotonic()
    with ExitStack() as stack:
        work_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-platform-faults-")))
        emulator = stack.enter_context(Emulator(work_dir, environment=inherited_environment()))
        benches = [
            stack.enter_context(Bench(work_dir / f"bench{n}", emulator.endpoint_url, f"bench{n}"))
            for n in range(arguments.benches)
        ]
        threads = [threading.Thread(target=campaign.work, args=(bench, n)) for n, bench in enumerate(benches)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(campaign.table())
    print(f"{time.monotonic() - began:.0f} s")
    print("\n".join(campaign.broken), end="")
    whole = campaign.trials and not campaign.broken
    return 0 if whole and all(trial.survived for trial in campaign.trials) else 1


def _usual_harms(scenario: Scenario) -> Sequence[Harm]:
    return [Harm.KILL, *TRANSIENT] if scenario.name in _SHORT else [Harm.KILL]


_SHORT = {"accepted", "tick"}

if __name__ == "__main__":
    sys.exit(main())
