"""Runs that log the checks of one partition at the same time, in every order of their steps."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest import mock

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from etl_platform.defs.checks import check_log
from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.dagster_internals import log_check_in_run, newest_materialization_id, shown_checks
from etl_platform.defs.datasets.partitions import latest_materialization
from etl_platform.errors import TransientError

SILVER, NAME = dg.AssetKey(["silver", "things"]), "size__type"
KEY = dg.AssetCheckKey(SILVER, NAME)
_numbers = count()


class Turns:
    """Threads of which one runs at a time. ``pause`` ends a turn of the thread that calls it."""

    def __init__(self) -> None:
        self._may_run: dict[str, threading.Event] = {}
        self._paused: dict[str, threading.Event] = {}
        self._ended: set[str] = set()
        self.errors: list[BaseException] = []

    def start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        self._may_run[name], self._paused[name] = threading.Event(), threading.Event()

        def run() -> None:
            self._may_run[name].wait()
            try:
                body()
            except BaseException as error:  # noqa: BLE001 - raised again by the test
                self.errors.append(error)
            self._ended.add(name)
            self._paused[name].set()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def pause(self) -> None:
        name = threading.current_thread().name
        if name in self._may_run:
            self._may_run[name].clear()
            self._paused[name].set()
            self._may_run[name].wait()

    @property
    def alive(self) -> list[str]:
        return sorted(self._may_run.keys() - self._ended)

    def give(self, name: str) -> None:
        """Let a thread run until its next pause or its end."""
        self._paused[name].clear()
        self._may_run[name].set()
        assert self._paused[name].wait(60)


@dataclass
class Partition:
    """A partition whose reports are verdicts of files."""

    instance: dg.DagsterInstance
    agency: str = "a"
    turns: Turns = field(default_factory=Turns)
    reports: dict[str, bool] = field(default_factory=dict)

    def evaluate(self) -> list[CheckEvaluation]:
        self.turns.pause()
        return [CheckEvaluation(NAME, all(self.reports.values()), metadata={"files": len(self.reports)})]

    def log_event(self, run_id: str, event: Any) -> None:
        self.turns.pause()
        if isinstance(event, dg.AssetMaterialization):
            materialized = dg.DagsterEvent(
                dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name="job",
                event_specific_data=StepMaterializationData(event),
            )
            self.instance.report_dagster_event(materialized, run_id)
        else:
            log_check_in_run(self.instance, run_id, event)

    def deliver(self, run: int, files: list[bool], *, is_planned: bool) -> None:
        """A run: each file is reported, materialized and logged."""
        run_id = f"0000000{run}-0000-0000-0000-{self.agency:0>12}"
        logs = partial(self.log_event, run_id)
        context: Any = SimpleNamespace(
            instance=self.instance, run=SimpleNamespace(run_id=run_id), log_event=logs, log=None
        )
        checks, is_current = CheckLog(context, [KEY] if is_planned else []), True
        if is_planned:
            self.turns.pause()
            self.plan(run_id)
        for number, verdict in enumerate(files):
            self.turns.pause()
            # A newer version of a file that another run delivered can be good again.
            self.reports[f"{(run + number) % 2}"] = verdict
            self.reports[f"{run}.{number}"] = True
            logs(dg.AssetMaterialization(SILVER, partition=self.agency))
            is_current = checks.log(SILVER, self.agency, self.evaluate)
        if not is_current:
            checks.log(SILVER, self.agency, self.evaluate, exact=True)

    def plan(self, run_id: str) -> None:
        """Dagster's row of a check that a run is expected to evaluate."""
        planned = dg.DagsterEvent(
            dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
            job_name="job",
            event_specific_data=planned_check(SILVER, NAME, self.agency),
        )
        self.instance.report_dagster_event(planned, run_id)

    def shown(self) -> tuple[bool, int, bool]:
        """Verdict and count of the row that is shown, and whether it is about the latest materialization."""
        history = self.instance.event_log_storage.get_asset_check_execution_history(KEY, limit=1_000)
        row = next(row for row in history if row.partition == self.agency)
        latest = latest_materialization(self.instance, SILVER, self.agency)
        evaluation = row.evaluation
        assert evaluation
        assert latest
        target = evaluation.target_materialization_data
        is_current = target is not None and target.storage_id == latest.storage_id
        files: Any = evaluation.metadata["files"].value
        return evaluation.passed, files, is_current


def planned_check(asset: dg.AssetKey, name: str, partition: str) -> Any:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
    from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset

    return AssetCheckEvaluationPlanned(
        asset_key=asset, check_name=name, partitions_subset=DefaultPartitionsSubset({partition})
    )


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@contextmanager
def pausing_reads(turns: Turns) -> Iterator[None]:
    """Every question to Dagster is a step of its own."""

    def pausing(read: Callable[..., Any]) -> Callable[..., Any]:
        def paused(*arguments: Any) -> Any:
            turns.pause()
            return read(*arguments)

        return paused

    def log_in_run(instance: dg.DagsterInstance, run_id: str, event: dg.AssetCheckEvaluation) -> None:
        turns.pause()
        log_check_in_run(instance, run_id, event)

    with (
        mock.patch.object(check_log, "shown_checks", pausing(shown_checks)),
        mock.patch.object(check_log, "latest_materialization", pausing(latest_materialization)),
        mock.patch.object(check_log, "newest_materialization_id", pausing(newest_materialization_id)),
        mock.patch.object(check_log, "log_check_in_run", log_in_run),
    ):
        yield


@settings(max_examples=150, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    runs=st.lists(st.tuples(st.lists(st.booleans(), min_size=1, max_size=3), st.booleans()), min_size=2, max_size=3),
    schedule=st.lists(st.integers(0, 2), min_size=20, max_size=120),
)
def test_runs_at_the_same_time_leave_the_verdict_of_the_last_state(
    instance: dg.DagsterInstance, runs: list[tuple[list[bool], bool]], schedule: list[int]
) -> None:
    partition = Partition(instance, f"agency_{next(_numbers)}")
    turns = partition.turns
    with pausing_reads(turns):
        threads = [
            turns.start(f"run {number}", partial(partition.deliver, number, files, is_planned=is_planned))
            for number, (files, is_planned) in enumerate(runs)
        ]
        for choice in schedule:
            if turns.alive:
                turns.give(turns.alive[choice % len(turns.alive)])
        while turns.alive:
            turns.give(turns.alive[0])
        for thread in threads:
            thread.join()
    assert turns.errors == []
    assert partition.shown() == (all(partition.reports.values()), len(partition.reports), True)


def test_verdicts_that_change_in_every_round_fail_the_logging_so_that_it_is_repeated(
    instance: dg.DagsterInstance,
) -> None:
    partition, rounds = Partition(instance, "restless"), iter(range(100))
    context: Any = SimpleNamespace(
        instance=instance, run=SimpleNamespace(run_id="run"), log_event=partial(partition.log_event, "run")
    )
    with pytest.raises(TransientError, match="changed in 20 rounds"):
        CheckLog(context).log(SILVER, "restless", lambda: [CheckEvaluation(NAME, next(rounds) % 2 == 0)])
    assert next(rounds) == 20
