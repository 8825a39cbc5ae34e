"""The requests for intake runs, for every sensor that starts one."""

import hashlib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import dagster as dg

from etl_platform.defs.intake.intake_runs import IGNORED_JOB_NAME, IGNORED_TAG, JOB_NAME
from etl_platform.defs.runs.run_policies import AFTER_EVERYTHING, BEFORE_BACKFILLS, NOT_REPEATED
from etl_platform.defs.runs.run_tags import DELIVERIES_TAG, subject_tags


def intake_run_request(
    identity: str,
    config: Mapping[str, Any],
    *,
    deliveries: int,
    agencies: Collection[str],
    datasets: Collection[str],
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dg.RunRequest:
    """A run that goes before backfills and selects the assets of its datasets.

    Args:
        identity: hashed to the run key. Dagster ignores a request whose run key exists, even if that run failed.
        config: the run config, with the deliveries.
        deliveries: their number.
        tags: of this run, beside those that every such run has.
    """
    return dg.RunRequest(
        run_key=_run_key(identity),
        job_name=JOB_NAME,
        run_config=config,
        tags={**BEFORE_BACKFILLS, DELIVERIES_TAG: str(deliveries), **subject_tags(agencies, datasets), **tags},
        asset_selection=[dg.AssetKey([layer, name]) for name in sorted(datasets) for layer in ("bronze", "silver")],
        # Each selected check would leave a planned result without a partition.
        asset_check_keys=[],
    )


def ignored_run_request(identity: str, config: Mapping[str, Any], *, deliveries: int) -> dg.RunRequest:
    """A run that records ignored files, for which nobody waits. Arguments as for ``intake_run_request``."""
    return dg.RunRequest(
        run_key=_run_key(identity),
        job_name=IGNORED_JOB_NAME,
        run_config=config,
        tags={**AFTER_EVERYTHING, **NOT_REPEATED, IGNORED_TAG: "true", DELIVERIES_TAG: str(deliveries)},
    )


def _run_key(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
