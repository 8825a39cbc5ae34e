"""The verdicts on a partition: those that were logged last, those of *Execute* and those of an oracle are the same.

Random sequences of deliveries, with runs as the sensor and people start them. The oracle reads the reports as JSON and
knows the order in which the versions were written. It shares no code with the product.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etl_platform.definitions import build_defs
from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.partition_checks import PartitionChecks
from etl_platform.defs.datasets.partitions import register_agencies, remove_agencies
from etl_platform.deliveries.agency_rename import AgencyRename
from etl_platform.platform import Platform
from etl_platform_tests.dagster.check_statuses import shown_statuses
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.making import contract_data, custom, text, typed

SILVER = dg.AssetKey(["silver", "things"])
FILE_CHECK, KEYS_CHECK = "file_is_readable_and_complete", "keys_are_in_one_file"
AGENCIES, FILES = ("a", "a", "a", "b"), ("Things_1.csv", "Things_1.csv", "Things_2.csv")
KINDS = {
    "clean": "ident,size\n{0}1,1\n{0}2,2\n",
    "dirty": "ident,size\n{0}1,1\n{0}2,many\n{0}3,many\n",
    "large": "ident,size\n{0}1,1\n{0}2,99\n",
    "shared": "ident,size\nsame,1\n{0}2,2\n",
    "refused": "size\n1\n",
    "empty": "ident,size\n",
    "few": "ident,size\n{0}1,many\n",
}
OTHERS = {"file_is_on_time", "like_last_time", "personal_data_is_announced"}
Verdicts = dict[str, tuple[bool, str]]


@dataclass(frozen=True)
class Sent:
    """A version of a source key and its event."""

    folder: str
    event: dict[str, Any]
    number: int


@dataclass
class World:
    """Agencies that send, and runs; ``fresh`` are the partitions whose checks were logged under today's contract."""

    place: Workshop
    store: MemoryStore
    sent: list[Sent] = field(default_factory=list)
    held: list[Sent] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    version: int = 0

    @property
    def platform(self) -> Platform:
        platform = Platform(self.place.settings)
        platform.__dict__["store"] = self.store
        return platform

    def name(self, folder: str) -> str:
        return self.names.get(folder, folder)

    def drop(self, folder: str, file: str, kind: str, *, sequenced: bool) -> Sent:
        number, key = len(self.sent), f"from_client/{folder}/{file}"
        self.store.write("local", key, KINDS[kind].format(f"{file[7]}{number}").encode())
        head = self.store.head("local", key)
        event = {"bucket": "local", "key": key, "version_id": head.version_id, "etag": head.etag}
        event |= {"sequencer": f"{number:08X}"} if sequenced else {}
        self.sent.append(Sent(folder, event, number))
        return self.sent[-1]

    def take_in(self, sent: Sent, **facts: Any) -> None:
        event = dict(sent.event)
        result = self.place.ingest(event.pop("key"), datasets=["things"], **event, **facts)
        assert result.success
        self.note(self.name(sent.folder), result)

    def note(self, agency: str, result: dg.ExecuteInProcessResult) -> None:
        if self.place.evaluations(result):
            self.fresh.add(agency)

    def read_again(self, agency: str) -> None:
        result = self.place.reprocess(agency, dataset="things")
        assert result.success
        self.note(agency, result)

    def execute(self, agency: str) -> None:
        job = build_defs(self.place.settings, platform=self.platform).resolve_implicit_global_asset_job_def()
        graph = build_defs(self.place.settings, platform=self.platform).resolve_asset_graph()
        keys = {key for key in graph.asset_check_keys if key.asset_key == SILVER}
        result = job.get_subset(asset_selection=set(), asset_check_selection=keys).execute_in_process(
            instance=self.place.instance, tags={"dagster/partition": agency}
        )
        self.note(agency, result)

    def change_contract(self) -> None:
        self.version += 1
        self.fresh.clear()
        write_contract(self.place.contracts_dir, self.version)

    def rename(self, folder: str) -> None:
        """As ``etl-platform agency rename``."""
        if folder in self.names or folder in self.retired:
            return
        new, platform = f"{folder}_new", self.platform
        platform.agency_register.change(lambda now: now.with_renamed(folder, new, "ana", datetime.now(UTC)))
        AgencyRename(self.store, "local", folder, new).move()
        remove_agencies(self.place.instance, ["things"], [folder])
        self.names[folder] = new
        if self.store.contents("local", f"reports/things/agency={new}/"):
            register_agencies(self.place.instance, {"things": [new]})
            self.read_again(new)

    def retire(self, folder: str) -> None:
        if folder in self.names or folder in self.retired:
            return
        self.platform.agency_register.change(lambda now: now.with_retired(folder, "ana", datetime.now(UTC)))
        remove_agencies(self.place.instance, ["things"], [folder])
        self.retired.add(folder)

    def known(self) -> set[str]:
        return self.place.agencies_of("things")


def write_contract(folder: Path, version: int) -> None:
    """Odd versions have one more rule for rows, and those from 2 on one more for files."""
    size = typed("size", "integer") | ({"logicalTypeOptions": {"maximum": 9}} if version % 2 else {})
    quality: list[dict[str, Any]] = [{"name": "enough", "metric": "rowCount", "mustBeGreaterOrEqualTo": 2}]
    if version > 1:
        quality.append({"name": "not_many", "metric": "rowCount", "mustBeLessThan": 3, "severity": "warning"})
    data = contract_data(
        [text("ident", primaryKey=True, required=True), size],
        quality=quality,
        customs=custom(filePatterns=["things*"]),
        slaProperties=[{"property": "frequency", "value": 1, "unit": "m"}],
    )
    data["version"] = f"1.{version}.0"
    (folder / "things.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def logged(world: World, agency: str) -> dict[str, CheckEvaluation]:
    """What Dagster shows of each check in the partition, if it is about the latest materialization."""
    graph = build_defs(world.place.settings).resolve_asset_graph()
    keys = [key for key in graph.asset_check_keys if key.asset_key == SILVER]
    partitions = graph.get(SILVER).partitions_def
    assert partitions
    statuses = shown_statuses(world.place.instance, keys, partitions, agency)
    assert set(statuses) == {key.name for key in keys}, "a check has no current result"
    storage, found = world.place.instance.event_log_storage, {}
    for key in keys:
        (record, *_) = (
            row for row in storage.get_asset_check_execution_history(key, limit=50) if row.partition == agency
        )
        assert record.evaluation
        assert (statuses[key.name] == "SUCCEEDED") == record.evaluation.passed
        found[key.name] = CheckEvaluation.of(record.evaluation)
    return found


def evaluated(world: World, agency: str) -> dict[str, CheckEvaluation]:
    """What *Execute* evaluates, in a new process."""
    platform = world.platform
    results = PartitionChecks(platform).evaluate(platform.contracts["things"], agency)
    return {one.name: CheckEvaluation.of(one.event(SILVER, agency)) for one in results}


def oracle(world: World, agency: str) -> Verdicts:
    """The verdicts that follow from the reports of the partition."""
    numbers = {(sent.event["key"], sent.event["version_id"]): sent.number for sent in world.sent}
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for body in world.store.contents("local", f"reports/things/agency={agency}/").values():
        report = json.loads(body)
        if report["outcome"] in {"accepted", "rejected"}:
            report["number"] = numbers[report["source"]["key"], report["source"]["version_id"]]
            by_key[report["source"]["key"]].append(report)
    newest, rows = [], []
    for reports in by_key.values():
        reports.sort(key=lambda one: (one["number"], one["attempt"]["ended_at"]))
        newest.append(reports[-1])
        accepted = [one for one in reports if one["outcome"] == "accepted"]
        rows += [reports[-1]] if reports[-1]["rows"] else accepted[-1:]
    refused = any(one["outcome"] == "rejected" for one in newest)
    return {FILE_CHECK: (not refused, "ERROR")} | dict(_rules_of(world, rows)) | {KEYS_CHECK: _keys_of(by_key)}


def _rules_of(world: World, rows: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[bool, str]]]:
    rules = ["ident.required", "ident.unique", "size.type"] + (["size.range"] if world.version % 2 else [])
    for rule in rules:
        broken = [one for one in rows if one["reasons"].get(rule)]
        severity = "ERROR" if any(one["outcome"] == "rejected" for one in broken) else "WARN"
        is_evaluated = bool(broken) or all(rule in one["rules"] for one in rows)
        yield rule.replace(".", "__"), (is_evaluated and not broken, severity)
    for rule, severity in [("enough", "ERROR"), *([("not_many", "WARN")] if world.version > 1 else [])]:
        verdicts = [{one["name"]: one["passed"] for one in report["dataset_rules"]}.get(rule) for report in rows]
        if not verdicts:
            yield rule, (True, "WARN")
        elif False in verdicts:
            yield rule, (False, severity)
        else:
            yield rule, (None not in verdicts, "WARN" if None in verdicts else severity)


def _keys_of(by_key: dict[str, list[dict[str, Any]]]) -> tuple[bool, str]:
    held = [[one for one in reports if one["outcome"] == "accepted"][-1:] for reports in by_key.values()]
    return not any(one["shared_keys"]["shared"] for reports in held for one in reports), "WARN"


def check_all(world: World) -> None:
    for agency in sorted(world.fresh & world.known()):
        shown, now = logged(world, agency), evaluated(world, agency)
        assert shown == now
        verdicts = {name: (one.passed, one.severity.name) for name, one in shown.items() if name not in OTHERS}
        assert verdicts == oracle(world, agency)
        assert shown["file_is_on_time"].passed
        files = {one.metadata["files"].value for name, one in shown.items() if name != "file_is_on_time"}
        assert len(files) == 1


ACTIONS = ["deliver"] * 8 + ["release"] * 4 + ["release_again", "read_again", "execute"] + ["change_contract"]
ENDINGS = ["deliver"] * 4 + ["rename", "retire", "change_contract"]


def steps(actions: list[str]) -> st.SearchStrategy[tuple[Any, ...]]:
    folder, file = st.sampled_from(AGENCIES), st.sampled_from(FILES)
    return st.tuples(
        st.sampled_from(actions),
        st.tuples(folder, file, st.sampled_from(list(KINDS)), st.booleans(), st.booleans()),
        st.integers(0, 99),
    )


def take_step(world: World, action: str, delivery: tuple[Any, ...], number: int) -> None:
    folder, file, kind, is_held, is_sequenced = delivery
    if action == "deliver":
        sent = world.drop(folder, file, kind, sequenced=is_sequenced)
        if is_held:
            world.held.append(sent)
        else:
            world.take_in(sent)
    elif action == "release" and world.held:
        world.take_in(world.held.pop(number % len(world.held)))
    elif action == "release_again" and (done := [one for one in world.sent if one not in world.held]):
        world.take_in(done[number % len(done)], message_id="m", receive_count=2)
    elif action in {"read_again", "execute"} and (agency := world.name(folder)) in world.known():
        getattr(world, action)(agency)
    elif action == "change_contract":
        world.change_contract()
    elif action in {"rename", "retire"}:
        getattr(world, action)(folder)


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    # A run for each step: to shrink an example would take an hour.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    planned=st.tuples(st.lists(steps(ACTIONS), min_size=8, max_size=14), st.lists(steps(ENDINGS), max_size=4)).map(
        lambda parts: parts[0] + parts[1]
    )
)
def test_logged_verdicts_are_those_of_execute_and_of_the_reports(planned: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        began, writes = time.time(), iter(range(100_000))
        store = MemoryStore(lambda: began + next(writes) / 3)
        contracts = Path(folder) / "contracts"
        contracts.mkdir()
        place = Workshop(Path(folder) / "objects", instance, lambda _store: store, contracts)
        world = World(place, store)
        write_contract(contracts, 0)
        for step in planned:
            take_step(world, *step)
            check_all(world)
