"""What the catalog shows of each dataset: the specs of its bronze and silver asset, made from its contract."""

from typing import Any

import dagster as dg

from etl_platform.defs.partitions import agencies_of
from etl_platform.engine.contract.model import Contract


def dataset_specs(contract: Contract) -> tuple[dg.AssetSpec, dg.AssetSpec]:
    """Bronze and silver of a dataset."""
    owners = [f"team:{contract.owner}"] if contract.owner else None
    shared: dict[str, Any] = {
        "group_name": contract.dataset,
        "owners": owners,
        "partitions_def": agencies_of(contract.dataset),
        "skippable": True,
    }
    bronze = dg.AssetSpec(
        ["bronze", contract.dataset],
        description=f"{contract.physical_name} as the agencies sent it, byte for byte: one object per delivery.",
        kinds={"bronze", "s3"},
        **shared,
    )
    silver = dg.AssetSpec(
        ["silver", contract.dataset],
        deps=[bronze.key],
        description=f"{contract.description}\n\n{contract.grain}",
        kinds={"silver", "s3", "parquet"},
        code_version=contract.version,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "contract": f"{contract.id} {contract.version}",
        },
        **shared,
    )
    return bronze, silver


def column_schema(contract: Contract) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type_name,
                description=column.description or None,
                constraints=dg.TableColumnConstraints(nullable=not column.required, unique=column.unique),
                tags={"classification": column.classification} if column.classification else None,
            )
            for column in contract.columns
        ]
    )
