"""What the catalog shows of each dataset: the specs of its bronze and silver asset, made from its contract."""

import re
import warnings
from pathlib import Path
from typing import Any

import dagster as dg

from etl_platform.defs.datasets.partitions import agencies_of
from etl_platform.defs.sources import FILE_EVENTS_QUEUE, data_uri
from etl_platform.engine.contract.model import Contract
from etl_platform.object_keys import partition_prefix
from etl_platform.settings import Settings

_MAX_TAG = 63


def dataset_specs(contract: Contract, settings: Settings) -> tuple[dg.AssetSpec, dg.AssetSpec]:
    """Bronze and silver of a dataset."""
    owners = [f"team:{contract.owner}"] if contract.owner else None
    shared: dict[str, Any] = {
        "group_name": contract.dataset,
        "owners": owners,
        "partitions_def": agencies_of(contract.dataset),
        "skippable": True,
        "tags": _tags(contract),
    }
    bronze = dg.AssetSpec(
        ["bronze", contract.dataset],
        deps=[FILE_EVENTS_QUEUE],
        description=f"{contract.physical_name} as the agencies sent it, byte for byte: one object per delivery.\n\n"
        "Each partition shows what became of the agency's last file, also if it was refused.",
        kinds={"bronze", "s3"},
        metadata=_place("bronze", contract, settings),
        **shared,
    )
    silver = dg.AssetSpec(
        ["silver", contract.dataset],
        deps=[bronze.key],
        description=f"{contract.description}\n\n{contract.grain}",
        kinds={"silver", "s3", "parquet"},
        code_version=contract.version,
        metadata=_place("silver", contract, settings)
        | {
            "dagster/table_name": contract.dataset,
            "dagster/storage_kind": "s3",
            "dagster/column_schema": column_schema(contract),
            "contract": f"{contract.id} {contract.version}",
        },
        **shared,
    )
    return bronze, silver


def _place(layer: str, contract: Contract, settings: Settings) -> dict[str, Any]:
    """Where the objects of a layer are, and where its contract is."""
    uri = data_uri(settings)
    prefix = partition_prefix(layer, contract.dataset)
    return {
        **({"dagster/uri": f"{uri}/{prefix}"} if uri else {}),
        "dagster/code_references": _code_references(contract, settings.contracts_url),
    }


def _code_references(contract: Contract, contracts_url: str | None) -> dg.CodeReferencesMetadataValue:
    """A link to the contract: to the source repository, or to the file that this process has read."""
    path, line = Path(contract.path).absolute(), contract.line
    with warnings.catch_warnings():
        # Dagster marks references to code as a beta feature.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = (
            dg.UrlCodeReference(url=f"{contracts_url.rstrip('/')}/{path.name}#L{line}", label=path.name)
            if contracts_url
            else dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=path.name)
        )
        return dg.CodeReferencesMetadataValue(code_references=[reference])


def _tags(contract: Contract) -> dict[str, str]:
    """Subject and strictest classification, by which the catalog can be filtered."""
    classes = {(column.classification or "").lower() for column in contract.columns}
    strictest = next((name for name in ("restricted", "confidential") if name in classes), None)
    found = {"domain": contract.domain, "classification": strictest}
    # Dagster would refuse the whole code location for one tag with a blank.
    return {name: re.sub(r"[^A-Za-z0-9_.-]+", "-", value)[:_MAX_TAG] for name, value in found.items() if value}


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
