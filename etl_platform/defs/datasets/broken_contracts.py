"""What is left of a contract in error in the code location: its two assets, so that runs and other assets find them."""

from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import agencies_of
from etl_platform.engine.contract.model import NAME
from etl_platform.engine.contract_folder import BrokenContract, ContractFolder
from etl_platform.engine.rules.check_names import step_outputs


def broken_dataset_specs(folder: ContractFolder) -> list[dg.AssetSpec]:
    """Bronze and silver of each dataset whose contract is in error, without checks.

    A run that was requested before the error selects them. Without them, Dagster would refuse that run, and with it
    the files of the other datasets in it.
    """
    if not folder.broken:
        return []
    taken = {output for contract in folder.good.values() for output in step_outputs(contract)}
    found = {broken.dataset: broken for broken in reversed(folder.broken) if NAME.fullmatch(broken.dataset)}
    return [spec for dataset in sorted(found.keys() - taken) for spec in _specs(found[dataset])]


def _specs(broken: BrokenContract) -> tuple[dg.AssetSpec, dg.AssetSpec]:
    shared: dict[str, Any] = {
        "group_name": broken.dataset,
        "partitions_def": agencies_of(broken.dataset),
        "skippable": True,
        "description": (
            f"The contract is in error, so new files wait until it is correct: {broken.error}"
            if broken.in_force
            else f"The contract is not in force: {broken.error}"
        ),
    }
    bronze = dg.AssetSpec(["bronze", broken.dataset], kinds={"bronze", "s3"}, **shared)
    silver = dg.AssetSpec(["silver", broken.dataset], deps=[bronze.key], kinds={"silver", "s3", "parquet"}, **shared)
    return bronze, silver
