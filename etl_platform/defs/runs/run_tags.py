"""The tags that show what an intake run works on and what became of it. No decisions."""

from collections.abc import Collection

import dagster as dg

AGENCY_TAG, DATASET_TAG = "etl_platform/agency", "etl_platform/dataset"
DELIVERIES_TAG, OUTCOMES_TAG = "etl_platform/deliveries", "etl_platform/outcomes"
BY_TAG = "etl_platform/by"
"""The person who asked for the run."""
_MAX_NAMES = 3


def subject_tags(agencies: Collection[str], datasets: Collection[str]) -> dict[str, str]:
    """Agencies and datasets by name, so that the list of runs can be filtered; more than three by their number.

    A run of ignored files only may have neither: a tag without a value would say nothing.
    """
    tags = {AGENCY_TAG: _named(agencies, "agencies"), DATASET_TAG: _named(datasets, "datasets")}
    return {name: value for name, value in tags.items() if value}


def note_outcomes(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    agencies: Collection[str],
    datasets: Collection[str],
    outcomes: str,
) -> None:
    """Tag a run at its end; a run that a person started has no tags before."""
    instance.add_run_tags(run.run_id, {**subject_tags(agencies, datasets), OUTCOMES_TAG: outcomes or "none"})


def _named(names: Collection[str], what: str) -> str:
    return ", ".join(sorted(names)) if len(names) <= _MAX_NAMES else f"{len(names):,} {what}"
