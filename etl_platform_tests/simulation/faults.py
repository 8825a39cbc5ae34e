"""Every call of a process to an outside system as a step: it takes time, may fail, and may be the last. No tests."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from etl_platform.aws.queue import Message
from etl_platform.errors import TransientError
from etl_platform.storage.object_store import ObjectHead, StoredVersion
from etl_platform_tests.simulation.files import FAILING_AGENCY, POISON, PREFIX
from etl_platform_tests.simulation.memory import MemoryQueue, MemoryStore
from etl_platform_tests.simulation.plan import Plan
from etl_platform_tests.simulation.timeline import EPOCH, Process, Timeline

T = TypeVar("T")


class Faults:
    """Draws what befalls each call, from the timeline's seed, within the plan's budget.

    An error either comes instead of the effect (``refused``), or after it, when the answer is lost; a call whose
    answer was lost may also have been sent once more by the client itself (``repeated``), as boto3 does.
    """

    def __init__(
        self, timeline: Timeline, plan: Plan, killed: Callable[[Process], None], on_step: Callable[[str], None]
    ) -> None:
        self._timeline, self._plan, self._killed, self._on_step = timeline, plan, killed, on_step
        self._left = {"kill": plan.kills, "error": plan.errors, "freeze": plan.freezes}
        self._frozen: dict[Process, float] = {}
        self.seen: Counter[str] = Counter()
        self.places: set[str] = set()

    def step(self, name: str, effect: Callable[[], T]) -> T:
        process = self._timeline.process
        if process is None:
            return effect()
        try:
            result = self._step(process, name, effect)
        except BaseException as error:
            self._on_step(f"{self._timeline.now - EPOCH:11.1f} {process.name:9} {name}: {error!r}")
            raise
        answer = str(result)[:200]
        self._on_step(f"{self._timeline.now - EPOCH:11.1f} {process.name:9} {name} = {answer}")
        return result

    def _step(self, process: Process, name: str, effect: Callable[[], T]) -> T:
        self._pass_time(process)
        if self._strikes("kill", 0.012):
            self.die(process, f"before {name}")
        if any(name.startswith(o.what) and o.start <= self._timeline.now < o.end for o in self._plan.outages):
            self.seen["calls in an outage"] += 1
            raise TransientError(f"{name}: the system is down")
        # Dagster's own records are not tested: its processes may die, but what they wrote stays.
        strikes = not name.startswith("dagster.") and self._strikes("error", 0.02)
        error = self._timeline.random.choice(("refused", "lost", "repeated")) if strikes else ""
        if error:
            self.seen[f"calls {error}"] += 1
        if error == "refused":
            raise TransientError(f"{name}: refused")
        result = effect()
        if error == "repeated":
            result = effect()
        self._pass_time(process)
        if self._strikes("kill", 0.012):
            self.die(process, f"after {name}")
        if error == "lost":
            raise TransientError(f"{name}: its answer was lost")
        return result

    def die(self, process: Process, where: str) -> None:
        self.seen[f"{process.name}s killed"] += 1
        self.places.add(where)
        self._killed(process)
        self._timeline.kill(process)

    def _pass_time(self, process: Process) -> None:
        random = self._timeline.random
        if self._strikes("freeze", 0.01):
            # The whole process stands still, heartbeats too: a pod that is throttled, a machine that is moved.
            self.seen["processes frozen"] += 1
            self._frozen[process] = self._timeline.now + random.uniform(100, 900)
        is_slow = random.random() < 0.01 and not self._plan.is_prompt
        self._timeline.sleep(random.uniform(5, 60) if is_slow else random.expovariate(20))
        while self._frozen.get(process, 0.0) > self._timeline.now:
            self._timeline.sleep(self._frozen[process] - self._timeline.now)

    def _strikes(self, what: str, probability: float) -> bool:
        if not self._left[what] or self._timeline.now > self._plan.calm_at:
            return False
        if self._timeline.random.random() >= probability:
            return False
        self._left[what] -= 1
        return True


class SteppedStore:
    """An ObjectStore whose every call is a step."""

    def __init__(self, store: MemoryStore, faults: Faults, timeline: Timeline, plan: Plan) -> None:
        self._store, self._faults, self._timeline, self._plan = store, faults, timeline, plan

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        def head() -> ObjectHead:
            if key.startswith(f"{PREFIX}{FAILING_AGENCY}/") and self._timeline.now < self._plan.calm_at:
                self._faults.seen["calls for an agency that only fails"] += 1
                raise TransientError(f"{key}: refused for now")
            return self._store.head(bucket, key, version_id, etag)

        return self._step("head", key, head)

    def download(self, head: ObjectHead, path: Path) -> str:
        sha256 = self._step("download", head.key, lambda: self._store.download(head, path))
        process = self._timeline.process
        if process is not None and path.read_bytes() == POISON:
            self._faults.die(process, "in a poison file")
        return sha256

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        return self._step("read_start", head.key, lambda: self._store.read_start(head, size_bytes))

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        self._step("copy", key, lambda: self._store.copy(head, bucket, key))

    def read(self, bucket: str, key: str) -> bytes:
        return self._step("read", key, lambda: self._store.read(bucket, key))

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        return self._step("read", key, lambda: self._store.read_with_etag(bucket, key))

    def write(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        def write() -> str:
            return self._store.write(bucket, key, body, if_absent=if_absent, if_match=if_match, metadata=metadata)

        return self._step("write", key, write)

    def delete(self, bucket: str, key: str) -> None:
        self._step("delete", key, lambda: self._store.delete(bucket, key))

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        yield from self._step("list", prefix, lambda: list(self._store.list(bucket, prefix, after)))

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        yield from self._step("versions", prefix, lambda: list(self._store.versions(bucket, prefix, after)))

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        yield from self._step("stored_versions", prefix, lambda: list(self._store.stored_versions(bucket, prefix)))

    def erase(self, bucket: str, versions: Sequence[StoredVersion], *, bypass_lock: bool = False) -> None:
        self._step("erase", "", lambda: self._store.erase(bucket, versions, bypass_lock=bypass_lock))

    def is_versioned(self, bucket: str) -> bool | None:
        return self._step("is_versioned", "", lambda: self._store.is_versioned(bucket))

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        yield from self._step("folders", prefix, lambda: list(self._store.folders(bucket, prefix)))

    def _step(self, verb: str, key: str, effect: Callable[[], T]) -> T:
        return self._faults.step(f"store.{verb} {key.partition('/')[0]}", effect)


class SteppedQueue:
    """A queue whose every call is a step."""

    def __init__(self, name: str, queue: MemoryQueue, faults: Faults) -> None:
        self._name, self._queue, self._faults = name, queue, faults

    def receive(self, limit: int, visibility_timeout_s: int, wait_s: int = 0) -> list[Message]:
        return self._step("receive", lambda: self._queue.receive(limit, visibility_timeout_s, wait_s))

    def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        return self._step("delete", lambda: self._queue.delete(receipt_handles)) if receipt_handles else []

    def change_visibility(self, receipt_handles: Sequence[str], timeout_s: int) -> list[str]:
        if not receipt_handles:
            return []
        refused = self._step("hide", lambda: self._queue.change_visibility(receipt_handles, timeout_s))
        self._faults.seen["leases lost"] += len(refused)
        return refused

    def send(self, body: str, attributes: Mapping[str, str]) -> None:
        self._step("send", lambda: self._queue.send(body, attributes))

    def depth(self) -> tuple[int, int]:
        return self._step("depth", self._queue.depth)

    def _step(self, verb: str, effect: Callable[[], T]) -> T:
        return self._faults.step(f"queue.{verb} {self._name}", effect)
