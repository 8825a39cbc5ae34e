"""A delivery's record → what Dagster shows of it: materializations, check results, observations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from etl_platform.core.contracts import Contract
from etl_platform.core.deliveries import Outcome
from etl_platform.core.rule_names import contract_rules

FILE_CHECK = "file_is_readable_and_complete"

Metadata = dict[str, Any]


@dataclass(frozen=True)
class CheckOutcome:
    """One check of one delivery."""

    name: str
    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Metadata
    description: str | None = None


def check_name(reason: str) -> str:
    """Dagster's check names take letters, digits and _: ``officer_id.unique`` → ``officer_id__unique``."""
    return reason.replace(".", "__").replace("+", "_and_")


def bronze_metadata(record: Mapping[str, Any]) -> Metadata:
    source = record["source"]
    return {
        "delivery_id": record["delivery_id"],
        "outcome": record["outcome"],
        "source": f"s3://{source['bucket']}/{source['key']}",
        "version_id": source["version_id"] or "(unversioned)",
        "size_bytes": source["size_bytes"] or 0,
        "bronze_key": record["written"].get("bronze_key", ""),
        **({"sha256": record["sha256"]} if "sha256" in record else {}),
    }


def silver_metadata(record: Mapping[str, Any]) -> Metadata:
    """Counts, identity, dialect, profile and a masked preview; everything a person asks of one delivery."""
    return {
        "delivery_id": record["delivery_id"],
        "outcome": record["outcome"],
        "dagster/row_count": record["accepted_rows"],
        "rows": record["rows"],
        "quarantined_rows": record["quarantined_rows"],
        "sha256": record["sha256"],
        "silver_key": record["written"].get("silver_key", ""),
        "quarantine_key": record["written"].get("quarantine_key", ""),
        "dialect": dg.MetadataValue.json(record["dialect"]),
        "reasons": dg.MetadataValue.md(_table(("rule", "rows"), sorted(record["reasons"].items()))),
        "profile": dg.MetadataValue.md(_profile_table(record["profile"])),
        "preview": dg.MetadataValue.md(_preview_table(record["preview"])),
        "contract_version": record["contract"]["version"],
    }


def check_outcomes(record: Mapping[str, Any], contract: Contract) -> Iterator[CheckOutcome]:
    """The file's own check always; a rule's check only where rows were held against it."""
    errors = record["errors"]
    yield CheckOutcome(
        FILE_CHECK,
        not errors,
        dg.AssetCheckSeverity.ERROR,
        {
            "delivery_id": record["delivery_id"],
            "errors": dg.MetadataValue.md(
                _table(("code", "line", "message"), [(e["code"], e["line"] or "", e["message"]) for e in errors])
            ),
        },
        "; ".join(f"{e['code']}: {e['message']}" for e in errors) or None,
    )
    if not record["rows"]:
        return
    severity = dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN
    for rule in contract_rules(contract):
        broken = record["reasons"].get(rule.reason, 0)
        examples = record["examples"].get(rule.reason, [])
        metadata: Metadata = {
            "delivery_id": record["delivery_id"],
            "rows_broken": broken,
            "rows": record["rows"],
        }
        if examples:
            rows = [(example["line"], example["value"]) for example in examples]
            metadata["first_lines"] = dg.MetadataValue.md(_table(("line", "value"), rows))
        yield CheckOutcome(check_name(rule.reason), broken == 0, severity, metadata)


def delivery_events(
    record: Mapping[str, Any], outcome: Outcome, contract: Contract
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]:
    """Everything to log for one delivery, each under its agency's partition."""
    dataset, agency = contract.dataset, record["agency"]
    bronze, silver = dg.AssetKey(["bronze", dataset]), dg.AssetKey(["silver", dataset])
    if outcome is not Outcome.DUPLICATE and record["written"].get("bronze_key"):
        yield dg.AssetMaterialization(bronze, metadata=bronze_metadata(record), partition=agency)
    if outcome is Outcome.ACCEPTED:
        yield dg.AssetMaterialization(silver, metadata=silver_metadata(record), partition=agency)
    else:
        metadata = bronze_metadata(record) | {"outcome": str(outcome)}
        yield dg.AssetObservation(bronze, metadata=metadata, partition=agency)
    if outcome in {Outcome.ACCEPTED, Outcome.REJECTED}:
        for check in check_outcomes(record, contract):
            yield dg.AssetCheckEvaluation(
                asset_key=silver,
                check_name=check.name,
                passed=check.passed,
                metadata=check.metadata,
                severity=check.severity,
                description=check.description,
                partition=agency,
            )


def _profile_table(profile: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            name,
            column["nulls"],
            f"{'' if column['distinct_error'] == 0 else '≈'}{column['distinct']}",
            column.get("min", "•••"),
            column.get("max", "•••"),
            ", ".join(f"{top['value']} ({top['rows']})" for top in column.get("top", [])[:3]),
        )
        for name, column in profile.items()
    ]
    return _table(("column", "nulls", "distinct", "min", "max", "most frequent"), rows)


def _preview_table(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(tuple(rows[0]), [tuple(row.values()) for row in rows]) if rows else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; cells cannot break out of it."""
    if not rows:
        return ""

    def cell(value: Any) -> str:
        text = "" if value is None else str(value)[:80]
        return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")

    lines = [header, ["---"] * len(header), *([cell(v) for v in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
