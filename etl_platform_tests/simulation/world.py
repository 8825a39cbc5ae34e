"""One schedule in virtual time: the product's own sensor and intake run, with a simulated Dagster around. No tests."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast
from unittest import mock

import dagster as dg

from etl_platform.defs.intake.breaker_state import limits_of, read_breaker
from etl_platform.defs.intake.file_arrivals_sensor import TICK_DEADLINE_S, allowance, run_requests
from etl_platform.defs.intake.intake_config import QueuedDelivery, messages_of
from etl_platform.defs.runs.run_counts import note_counts
from etl_platform.deliveries import batch_listing, series
from etl_platform.deliveries.batch import BatchMessage
from etl_platform.deliveries.daily_counts import RunCounts
from etl_platform.deliveries.delivery import Cause
from etl_platform.deliveries.ingest_batch import ingest_batch
from etl_platform.deliveries.report import Trigger
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings
from etl_platform_tests.simulation.announcements import DAY, Announcement, body_of
from etl_platform_tests.simulation.deployment import Deployment, RunRecord, RunRecords
from etl_platform_tests.simulation.faults import Faults, SteppedQueue, SteppedStore
from etl_platform_tests.simulation.features import BACKFILL, MUCH_MEMORY
from etl_platform_tests.simulation.files import BUCKET
from etl_platform_tests.simulation.memory import MemoryQueue, MemoryStore, Stored
from etl_platform_tests.simulation.plan import Plan
from etl_platform_tests.simulation.run_memory import RunMemory
from etl_platform_tests.simulation.simulated_dagster import (
    CheckResults,
    Context,
    MemoryPlatform,
    SharedRecords,
    SimulatedEventLog,
    deliveries_in,
    delivery_id_of,
    delivery_ids_of,
)
from etl_platform_tests.simulation.timeline import EPOCH, Process, Steps, Stop, Timeline, Violation
from etl_platform_tests.simulation.truth import Truth

TICK_S = 30.0
ALONE_AFTER = 3
GRACE_S = 20.0
LONGEST_COLLECTING_S = 150.0
"""The poll, a tick, and calls that take long."""
AGAIN_S = 600.0


class World:
    """Everything that a schedule touches. ``run`` takes it to its end."""

    def __init__(self, plan: Plan, on_step: Callable[[str], None] = lambda _step: None) -> None:
        self.plan, self.timeline = plan, Timeline(plan.seed)
        self.truth = Truth(plan, self.timeline.clock)
        self.store = MemoryStore(self.timeline.clock, self.truth.saw_write)
        self.dead_letters = MemoryQueue(self.timeline.clock)
        self.queue = MemoryQueue(
            self.timeline.clock, self.dead_letters, FILE_EVENTS.max_receives, self._shuffled, self._check_deletion
        )
        self.faults = Faults(self.timeline, plan, self._died, on_step)
        self.memory = RunMemory(self.timeline) if MUCH_MEMORY in plan.features else None
        self.deployments = [Deployment() for _ in range(plan.sensors)]
        versions = plan.contract_versions
        self.platforms = [self._platform(versions[n % len(versions)]) for n in range(plan.sensors)]
        self.records = SharedRecords()
        self._owners: dict[Process, tuple[Deployment, RunRecord | None]] = {}
        self._reprocessed: dict[Process, tuple[str, str]] = {}
        self._unsent = 0

    def run(self) -> "World":
        sender = Process("sender")
        for number, put in enumerate(self.plan.puts):
            self.timeline.spawn(sender, partial(self._drop, number), put.at - EPOCH)
        self._unsent = len(self.plan.announcements)
        for announcement in self.plan.announcements:
            self.timeline.spawn(sender, partial(self._send, announcement), announcement.at - EPOCH)
        for deployment in self.deployments:
            self._start_daemon(deployment)
            for at in self.plan.resets:
                self.timeline.spawn(sender, partial(self._reset_breaker, deployment), at - EPOCH)
        for at, dataset, agency in self.plan.reprocesses:
            self._start_reprocessing(dataset, agency, at - EPOCH)
        try:
            limit = max(self.plan.calm_at, self.plan.announcements[-1].at) + DAY
            # Batches make theirs while the simulation runs.
            with mock.patch.object(batch_listing, "Lock", self.timeline.lock):
                drained = self.timeline.run(limit)
            assert drained, f"not drained a day after the last message: {self.queue.messages}"
        finally:
            self.timeline.close()
        return self

    def clock(self) -> float:
        """The time on Dagster's machines; S3 and SQS have their own."""
        return self.timeline.now + self.plan.wrong_by(self.timeline.now)

    # What senders do.

    def _drop(self, number: int) -> None:
        put = self.plan.puts[number]
        self.store.write(BUCKET, put.key, put.body)
        head = self.store.head(BUCKET, put.key)
        self.truth.saw_put(number, head)

    def _send(self, announcement: Announcement) -> None:
        self.queue.send(body_of(announcement, self.plan.puts, self.truth.versions), {})
        self._unsent -= 1

    def _shuffled(self, messages: list[Stored]) -> list[Stored]:
        return self.timeline.random.sample(messages, len(messages))

    def _reset_breaker(self, deployment: Deployment) -> None:
        self.faults.seen["resets of the breaker"] += 1
        deployment.reset_breaker(self.clock())

    # What Dagster does.

    def _start_daemon(self, deployment: Deployment, after: float = 0.0) -> None:
        process = Process("sensor")
        self._owners[process] = deployment, None
        self.timeline.spawn(process, partial(self._daemon, deployment), after + self.timeline.random.uniform(0, TICK_S))

    def _daemon(self, deployment: Deployment) -> None:
        # The runs that a tick had not submitted when it died are submitted now.
        self._submit(deployment)
        while not self._over(deployment):
            self._tick(deployment)
            self.timeline.sleep(max(TICK_S, self._idle_until(deployment) - self.timeline.now))

    def _over(self, deployment: Deployment) -> bool:
        return not (self._unsent or self.queue.messages or deployment.in_flight())

    def _idle_until(self, deployment: Deployment) -> float:
        """Ticks that could only find an empty queue are left out, unless runs are in flight or have just ended."""
        if deployment.in_flight() or deployment.has_news:
            return 0.0
        due = [stored.visible_at for stored in self.queue.messages.values()]
        due += [one.at for one in self.plan.announcements if one.at > self.timeline.now][:1]
        return min(due, default=0.0)

    def _tick(self, deployment: Deployment) -> None:
        try:
            requests = self._requests(deployment)
        except TransientError:
            self.faults.seen["ticks failed"] += 1
            return
        self.faults.step("dagster.keep tick", lambda: deployment.unsubmitted.extend(requests))
        deployment.last_tick_at = self.clock()
        self._submit(deployment)

    def _requests(self, deployment: Deployment) -> list[dg.RunRequest]:
        """As the sensor's function does."""
        deployment.has_news = False
        platform, seen = self.platforms[self.deployments.index(deployment)], self.faults.seen
        instance, limits = self._instance(deployment), limits_of(platform.settings)
        breaker = read_breaker(instance, limits, self.clock())
        deployment.check_breaker(breaker, limits)
        seen[f"ticks with the breaker {breaker.phase}"] += 1
        allowed = allowance(instance, platform, last_tick_at=deployment.last_tick_at, now=self.clock())
        if allowed.runs < 1:
            self._check_collecting(deployment, is_collecting="waiting for others" in allowed.why)
            return []
        deployment.collecting_since = None
        seen["ticks that hold back an agency"] += bool(allowed.turns.held)
        seen["ticks that suspect messages"] += bool(allowed.suspects.message_ids)
        return list(
            run_requests(
                platform,
                deadline=self.timeline.now + TICK_DEADLINE_S,
                room=allowed.runs,
                ignored_room=allowed.ignored_runs,
                probe_of=allowed.probe_of,
                suspects=allowed.suspects,
                turns=allowed.turns,
                clock=self.clock,
                monotonic=self.timeline.clock,
            )
        )

    def _instance(self, deployment: Deployment) -> Any:
        return cast("Any", RunRecords(deployment, self.faults.step, self.clock))

    def _submit(self, deployment: Deployment) -> None:
        while deployment.unsubmitted:
            request = deployment.unsubmitted[0]
            self.faults.step("dagster.submit run", partial(self._launch, deployment, request))
            self.faults.step("dagster.keep progress", partial(deployment.unsubmitted.pop, 0))

    def _launch(self, deployment: Deployment, request: dg.RunRequest) -> None:
        if request.run_key in deployment.runs:
            # The tick died after it had submitted this one.
            self.faults.seen["runs suppressed by their key"] += 1
            return
        run = deployment.add(request, self.clock())
        self.truth.saw_run(delivery_ids_of(request))
        process, random = Process("run"), self.timeline.random
        self._owners[process] = deployment, run
        longest = 2_400 if BACKFILL in self.plan.features else 900
        waits = random.uniform(200, longest) if random.random() < self.plan.slow_runs else random.uniform(2, 20)
        self.timeline.spawn(process, partial(self._run, deployment, run), waits)

    def _run(self, deployment: Deployment, run: RunRecord) -> None:
        self.faults.step("dagster.start run", lambda: setattr(run, "status", "STARTED"))
        platform = self.platforms[self.deployments.index(deployment)]
        config = deliveries_in(run.request)
        context, stop = cast("Any", Context(self.faults, run, self.records, self.clock)), Stop()
        if self.plan.stops and self.timeline.random.random() < 0.1:
            self.timeline.spawn(Process("kubelet"), stop.set, self.timeline.random.expovariate(1))
        status = "FAILURE"
        try:
            messages = messages_of([QueuedDelivery(**delivery) for delivery in config], platform.intake)
            self.faults.seen["batches of several messages"] += len(messages) > 1
            self._check_poison_is_alone(messages)
            batch = ingest_batch(
                messages,
                platform.intake,
                SimulatedEventLog(context, platform),
                run_id=str(run.request.run_key),
                queue=platform.queue(FILE_EVENTS),
                workers=Steps(self.timeline, self.plan.workers, stop, GRACE_S),
                visibility_timeout_s=platform.settings.visibility_timeout_seconds,
                clock=self.clock,
            )
            status = "FAILURE" if batch.failures else "SUCCESS"
            note_counts(self._instance(deployment), run.as_dagster_run(), RunCounts())
        except TransientError:
            self.faults.seen["runs failed at their start"] += 1
            run.tag({"dagster/failure_reason": "STEP_FAILURE"}, self.clock())
        self.faults.seen["runs stopped"] += stop.is_set
        self.faults.step("dagster.end run", lambda: self._end(deployment, run, status))
        process = self.timeline.process
        assert process is not None
        # Calls that exceed their grace period end with the process.
        self.timeline.kill(process)

    def _end(self, deployment: Deployment, run: RunRecord, status: str) -> None:
        self.faults.seen[f"runs ended: {status}"] += run.status != status
        deployment.end(run, status, self.clock())

    def _died(self, process: Process) -> None:
        if partition := self._reprocessed.pop(process, None):
            self._start_reprocessing(*partition, AGAIN_S)
        deployment, run = self._owners.get(process, (None, None))
        if deployment is None:
            return
        if run is None:
            self._start_daemon(deployment, self.timeline.random.uniform(5, 120))
        else:
            self._notice_later(deployment, run)

    def _notice_later(self, deployment: Deployment, run: RunRecord) -> None:
        """Run monitoring sees that the process is gone; later, if the whole machine is gone."""
        random = self.timeline.random

        def notice() -> None:
            self._end(deployment, run, "FAILURE")
            if len({delivery["message_id"] for delivery in deliveries_in(run.request)}) > 1:
                self.truth.saw_death(delivery_ids_of(run.request))

        after_s = random.choice((random.uniform(1, 30), random.uniform(30, 300)))
        self.timeline.spawn(Process("monitor"), notice, after_s)

    def _start_reprocessing(self, dataset: str, agency: str, after: float) -> None:
        """A person sees that a reprocessing failed, and repeats it."""
        process = Process("reprocess run")
        self._reprocessed[process] = dataset, agency
        self.timeline.spawn(process, partial(self._reprocess, dataset, agency), after)

    def _reprocess(self, dataset: str, agency: str) -> None:
        try:
            for _ in self.platforms[0].intake.reprocess(dataset, agency, Trigger(Cause.REPROCESS, "reprocess")):
                self.faults.seen["files reprocessed"] += 1
        except TransientError:
            self.faults.seen["reprocesses failed"] += 1
            self._start_reprocessing(dataset, agency, AGAIN_S)

    def _platform(self, contract_version: int) -> Platform:
        settings = Settings(
            max_runs_in_flight=self.plan.runs_at_once, sns_worker_max=self.plan.workers, data_bucket_name=BUCKET
        )
        with mock.patch.object(series, "Lock", self.timeline.lock):
            return MemoryPlatform(
                settings,
                SteppedStore(self.store, self.faults, self.timeline, self.plan),
                SteppedQueue("events", self.queue, self.faults),
                SteppedQueue("dead letters", self.dead_letters, self.faults),
                self.clock,
                contract_version,
                self.memory,
            )

    # What must hold on the way.

    def _check_collecting(self, deployment: Deployment, *, is_collecting: bool) -> None:
        """A few files wait for others only for a while, however long runs take and whatever the clock shows."""
        now = self.timeline.now
        since = deployment.collecting_since if deployment.collecting_since is not None else now
        deployment.collecting_since = since if is_collecting else None
        self.faults.seen["ticks in which files wait for others"] += is_collecting
        if is_collecting and now - since > LONGEST_COLLECTING_S:
            raise Violation(f"files wait for others since {now - since:.0f} s")

    def _check_poison_is_alone(self, messages: Sequence[BatchMessage]) -> None:
        poisoned = self.truth.poisoned
        for message in messages:
            delivery_ids = {file.version.delivery_id for file in message.files}
            if delivery_ids & poisoned and message.receive_count > ALONE_AFTER and len(messages) > 1:
                raise Violation(f"a file that killed {message.receive_count - 1} runs shares its run with others")

    def _check_deletion(self, stored: Stored) -> None:
        for file in self.truth.routed(stored.body):
            if not self.truth.is_reported(self.store, file):
                raise Violation(f"{file.version} deleted without a report")
            logged = {delivery_id_of(event) for event in self.records.events if not isinstance(event, CheckResults)}
            if file.route.dataset is not None and file.version.delivery_id not in logged:
                raise Violation(f"{file.version} deleted without its events")
        if self.truth.is_malformed(stored.body):
            bodies = {dead.body for dead in self.dead_letters.messages.values()}
            if stored.body not in bodies:
                raise Violation(f"malformed and deleted, but no dead letter: {stored.body}")
