"""Runs in process over a local folder instead of S3. No tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from etl_platform.definitions import build_defs
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.routing import route
from etl_platform.errors import TransientError
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform.storage.object_store import ObjectHead, ObjectStore

JOB = "s3_data_quality_job"
AGENCY = "nm_albuquerque"


@dataclass
class Workshop:
    """The job over one local root. Every run has a Platform of its own, as every process has."""

    root: Path
    instance: dg.DagsterInstance
    wrap_store: Any = None
    contracts_dir: Path = Settings().contracts_dir
    workers: int = 4
    platforms: list[Platform] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(local_s3_root=self.root, sns_worker_max=self.workers, contracts_dir=self.contracts_dir)

    def drop(self, name: str, content: bytes, agency: str = AGENCY) -> str:
        """Put a source file; its key."""
        key = f"from_client/{agency}/{name}"
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return key

    def ingest(self, *keys: str, datasets: Sequence[str] | None = None, **facts: Any) -> dg.ExecuteInProcessResult:
        """One run as the sensor asks for it: the datasets of its files, no checks. ``facts`` go into every delivery."""
        deliveries = [{"bucket": "local", "key": key, **facts} for key in keys]
        config = {"ops": {"ingest": {"config": {"deliveries": deliveries}}}}
        job = self._job()
        assets = {
            dg.AssetKey([layer, name]) for name in datasets or self._datasets(keys) for layer in ("bronze", "silver")
        }
        job = job.get_subset(asset_selection=assets, asset_check_selection=set())
        return job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=config)

    def by_hand(self, *keys: str, **last: str) -> dg.ExecuteInProcessResult:
        """One run of the whole job as a person starts it in the Launchpad, with deliveries and nothing else.

        Args:
            last: the fields of one more delivery.
        """
        deliveries = [{"bucket": "local", "key": key} for key in keys] + ([{"bucket": "local", **last}] if last else [])
        config = {"ops": {"ingest": {"config": {"deliveries": deliveries}}}}
        return self._job().execute_in_process(instance=self.instance, raise_on_error=False, run_config=config)

    def reprocess(
        self,
        agency: str = AGENCY,
        selection: Sequence[dg.AssetKey] | None = None,
        dataset: str = "officer_detail",
    ) -> dg.ExecuteInProcessResult:
        """One run as a person asks for it: an agency's partition of a dataset, or of the selected assets."""
        whole = [dg.AssetKey([layer, dataset]) for layer in ("bronze", "silver")]
        return self._job().execute_in_process(
            instance=self.instance, raise_on_error=False, partition_key=agency, asset_selection=selection or whole
        )

    def agencies_of(self, dataset: str) -> set[str]:
        """The agencies that Dagster knows as partitions of the dataset."""
        return set(self.instance.get_dynamic_partitions(f"{dataset}_agencies"))

    def _job(self) -> dg.JobDefinition:
        platform = Platform(self.settings)
        if self.wrap_store is not None:
            platform.store = self.wrap_store(platform.store)
        self.platforms.append(platform)
        return build_defs(self.settings, platform=platform).resolve_job_def(JOB)

    def _datasets(self, keys: Sequence[str]) -> set[str]:
        platform = self.platforms[-1]
        routed = [route(ObjectVersion("local", key), platform.contracts, self.settings.source_prefix) for key in keys]
        return {found.dataset for found in routed if found.dataset is not None}

    @property
    def outcomes(self) -> list[str]:
        """What the latest run made of its deliveries."""
        return sorted(str(item.outcome) for item in self.platforms[-1].finished)

    def objects(self) -> Mapping[str, bytes]:
        """Every file below the root with its bytes, the source files included."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes() for path in self.root.rglob("*") if path.is_file()
        }

    def written(self, layer: str) -> list[str]:
        return sorted(key for key in self.objects() if key.startswith(f"{layer}/"))

    def materializations(self, layer: str, dataset: str) -> list[dg.AssetMaterialization]:
        """Oldest first."""
        records = self.instance.fetch_materializations(dg.AssetKey([layer, dataset]), limit=100).records
        found = [record.asset_materialization for record in reversed(records)]
        return [item for item in found if item is not None]

    def observations(self, dataset: str) -> list[dg.AssetObservation]:
        records = self.instance.fetch_observations(dg.AssetKey(["bronze", dataset]), limit=100).records
        found = [record.asset_observation for record in reversed(records)]
        return [item for item in found if item is not None]

    def evaluations(self, result: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
        """Check evaluations of a run, as the instance stored them."""
        records = self.instance.all_logs(result.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        return [
            record.dagster_event.asset_check_evaluation_data for record in records if record.dagster_event is not None
        ]


class StoreThatFails:
    """A store that copies nothing into keys that contain ``part``: S3 throttles."""

    def __init__(self, store: ObjectStore, part: str) -> None:
        self._store, self._part = store, part

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        if self._part in key:
            raise TransientError("COPY: SlowDown")
        self._store.copy(head, bucket, key)


def value_of(metadata: Mapping[str, Any], name: str) -> Any:
    return metadata[name].value
