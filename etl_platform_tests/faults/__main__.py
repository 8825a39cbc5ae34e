"""``make faults``: every harm at every call of every scenario, and a table of what was survived. Exit 1 on any loss."""

import argparse
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from etl_platform.console import table
from etl_platform.local.emulator import Emulator
from etl_platform.local.stack import inherited_environment
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.proxy import Harm
from etl_platform_tests.faults.scenarios import SCENARIOS, Scenario
from etl_platform_tests.faults.trials import Trial, play_undisturbed, strikes, try_harm


class Campaign:
    """Trials on several benches at once; each takes its share of every scenario."""

    def __init__(self, scenarios: Sequence[Scenario], harms: Sequence[Harm], benches: int) -> None:
        self._scenarios, self._harms, self._benches = scenarios, harms, benches
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.trials: list[Trial] = []
        self.calls: dict[str, int] = {}
        self.broken: list[str] = []

    def work(self, bench: Bench, share: int) -> None:
        try:
            for scenario in self._scenarios:
                undisturbed = play_undisturbed(bench, scenario)
                self.calls[scenario.name] = len(undisturbed.calls)
                for strike in strikes(undisturbed, self._harms)[share :: self._benches]:
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
            for scenario in self._scenarios
            for harm in self._harms
        ]
        total = ("all", sum(self.calls.values()), "", len(self.trials), sum(trial.survived for trial in self.trials))
        return table(("scenario", "calls", "harm", "tried", "survived"), [*rows, total])


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="only this one; repeatable")
    parser.add_argument(
        "--harm", action="append", choices=[str(harm) for harm in Harm], help="only this one; repeatable"
    )
    parser.add_argument("--benches", type=int, default=2, metavar="N", help="trials at once [2]")
    arguments = parser.parse_args(argv)
    scenarios = [SCENARIOS[name] for name in arguments.scenario or SCENARIOS]
    harms = [Harm(name) for name in arguments.harm or ALL_HARMS]
    # Dagster marks partitioned checks as preview, in every process.
    warnings.simplefilter("ignore")
    campaign = Campaign(scenarios, harms, arguments.benches)
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
    return 0 if not campaign.broken and all(trial.survived for trial in campaign.trials) else 1


ALL_HARMS = tuple(harm for harm in Harm if harm is not Harm.PAUSE)

if __name__ == "__main__":
    sys.exit(main())
