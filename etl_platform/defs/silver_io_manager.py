"""The IO manager that loads silver into downstream assets, in this code location or in another one.

How silver is read is decided in ``etl_platform/tables/silver_frames.py``.
"""

from typing import Any

import dagster as dg

from etl_platform.defs.runs.failures import as_dagster_failures
from etl_platform.errors import TableError
from etl_platform.platform import Platform
from etl_platform.settings import Settings, load_settings

_TYPES = ("polars.DataFrame", "polars.LazyFrame", "pandas.DataFrame")


class SilverIOManager(dg.ConfigurableIOManager):
    """Loads an asset of silver as the type of the input's annotation: Polars DataFrame or LazyFrame, or pandas.

    An input without an annotation is a Polars DataFrame. The rows are those of the input's partitions: one agency,
    several, or all with ``AllPartitionMapping``; the column ``agency`` names them. Metadata ``{"columns": [...]}`` of
    the input chooses columns. The fields are settings of the platform; the environment has those that are not given.
    """

    data_bucket_name: str | None = None
    aws_region: str | None = None
    aws_endpoint_url: str | None = None
    local_s3_root: str | None = None
    contracts_dir: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "SilverIOManager":
        """An IO manager with these settings, whatever the environment has."""
        values = {name: getattr(settings, name) for name in cls.model_fields}
        return cls(**{name: str(value) for name, value in values.items() if value is not None})

    def load_input(self, context: dg.InputContext) -> Any:
        # Loading the definitions does not need Polars.
        from etl_platform.engine.values.pandas_frames import to_pandas
        from etl_platform.tables.silver_frames import read_silver, scan_silver

        with as_dagster_failures():
            kind = _type_name(context.dagster_type.typing_type)
            agencies = context.asset_partition_keys if context.has_asset_partitions else None
            columns = context.definition_metadata.get("columns")
            asked = self._platform(), _dataset(context.asset_key), agencies, columns
            if kind == "polars.LazyFrame":
                return scan_silver(*asked)
            frame = read_silver(*asked)
            return to_pandas(frame) if kind == "pandas.DataFrame" else frame

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        with as_dagster_failures():
            raise TableError(
                "only the intake writes silver; give this asset another IO manager, or write its result yourself and "
                "return nothing"
            )

    def _platform(self) -> Platform:
        given = {name.upper(): getattr(self, name) for name in type(self).model_fields}
        return Platform(load_settings({name: value for name, value in given.items() if value}))


def _dataset(key: dg.AssetKey) -> str:
    if len(key.path) != 2 or key.path[0] != "silver":
        raise TableError(f"{key.to_user_string()} is not an asset of silver; load silver/<dataset>")
    return key.path[1]


def _type_name(annotation: Any) -> str:
    """One of _TYPES, without an import of the libraries."""
    if annotation is Any:
        return _TYPES[0]
    name = f"{annotation.__module__.partition('.')[0]}.{annotation.__name__}"
    if name not in _TYPES:
        raise TableError(f"silver cannot be loaded as {name}; annotate the input with one of {', '.join(_TYPES)}")
    return name
