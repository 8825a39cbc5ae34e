"""A delivery's record → what Dagster shows of it: materializations, check results, observations."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from etl_platform.defs.lineage import column_lineage, header_schema
from etl_platform.deliveries.delivery import Outcome
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.privacy.masking import HIDDEN, shown
from etl_platform.engine.rules.contract_rules import contract_rules

FILE_CHECK = "file_is_readable_and_complete"

Metadata = dict[str, Any]


@dataclass(frozen=True)
class CheckEvaluation:
    """One check of one delivery."""

    name: str
    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Metadata
    description: str | None = None


def check_name(reason: str) -> str:
    """Dagster's check names take letters, digits and _: ``officer_id.unique`` → ``officer_id__unique``."""
    return reason.replace(".", "__").replace("+", "_and_")


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


def bronze_metadata(record: Mapping[str, Any]) -> Metadata:
    source = record["source"]
    return {
        "delivery_id": record["delivery_id"],
        "outcome": record["outcome"],
        "source": f"s3://{source['bucket']}/{source['key']}",
        "version_id": source["version_id"] or "(unversioned)",
        "size_bytes": source["size_bytes"] or 0,
        "bronze_key": record["written"].get("bronze_key") or "",
        **({"sha256": record["sha256"]} if record.get("sha256") else {}),
        **({} if (seconds := record["attempt"].get("seconds")) is None else {"seconds": float(seconds)}),
        **_errors(record),
    }


def silver_metadata(record: Mapping[str, Any]) -> Metadata:
    """Counts, identity, dialect, profile and a masked preview; everything a person asks of one delivery.

    Only what every record has is counted on: an older version of the platform may have written it.
    """
    metadata: Metadata = {
        "delivery_id": record["delivery_id"],
        "outcome": record["outcome"],
        "dagster/row_count": record["accepted_rows"] or 0,
        "rows": record["rows"] or 0,
        "quarantined_rows": record["quarantined_rows"] or 0,
        "sha256": record.get("sha256") or "",
        "silver_key": record["written"].get("silver_key") or "",
        "quarantine_key": record["written"].get("quarantine_key") or "",
        "contract_version": record["contract"]["version"],
    }
    tables = {
        "reasons": [{"rule": rule, "rows": rows} for rule, rows in sorted(record["reasons"].items())],
        "profile": [_profile_row(name, column) for name, column in record.get("profile", {}).items()],
        "preview": record.get("preview", []),
    }
    metadata |= {name: table(rows) for name, rows in tables.items() if rows}
    return metadata | {"dialect": dg.MetadataValue.json(record.get("dialect", {}))}


def check_outcomes(record: Mapping[str, Any], contract: Contract) -> Iterator[CheckEvaluation]:
    """The file's own check always; a rule's check only where rows were held against it."""
    errors = record["errors"]
    yield CheckEvaluation(
        FILE_CHECK,
        not errors,
        dg.AssetCheckSeverity.ERROR,
        {"delivery_id": record["delivery_id"], **_errors(record)},
        "; ".join(f"{e['code']}: {e['message']}" for e in errors) or None,
    )
    if not record["rows"]:
        return
    severity = dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN
    for rule in contract_rules(contract):
        broken = record["reasons"].get(rule.reason, 0)
        metadata: Metadata = {"delivery_id": record["delivery_id"], "rows_broken": broken, "rows": record["rows"]}
        if examples := record.get("examples", {}).get(rule.reason):
            metadata["first_lines"] = table(examples)
        yield CheckEvaluation(check_name(rule.reason), broken == 0, severity, metadata)
    yield from _dataset_outcomes(record, contract)


def _dataset_outcomes(record: Mapping[str, Any], contract: Contract) -> Iterator[CheckEvaluation]:
    """A rule that is younger than the record has no outcome in it."""
    verdicts = {verdict["name"]: verdict for verdict in record.get("dataset_rules", [])}
    for rule in contract.dataset_rules:
        if verdict := verdicts.get(rule.name):
            error = verdict["severity"] == Severity.ERROR
            yield CheckEvaluation(
                check_name(rule.name),
                verdict["passed"],
                dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
                {
                    "delivery_id": verdict.get("delivery_id", record["delivery_id"]),
                    "found": "(nothing)" if verdict["found"] is None else verdict["found"],
                    "allowed": verdict["allowed"],
                },
                verdict["message"],
            )


def delivery_events(
    record: Mapping[str, Any], outcome: Outcome, contract: Contract, *, repeated: bool = False
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]:
    """Everything to log for one delivery, each under its agency's partition; ``repeated`` where it was told before."""
    dataset, agency = contract.dataset, record["agency"]
    bronze, silver = dg.AssetKey(["bronze", dataset]), dg.AssetKey(["silver", dataset])
    # What counts deliveries counts each once.
    told: Metadata = bronze_metadata(record) | ({"repeated": True} if repeated else {})
    if outcome is not Outcome.DUPLICATE and record["written"].get("bronze_key"):
        metadata = told | header_schema([record])
        yield dg.AssetMaterialization(bronze, metadata=metadata, partition=agency)
    if outcome is Outcome.ACCEPTED:
        metadata = silver_metadata(record) | column_lineage([record], contract)
        yield dg.AssetMaterialization(silver, metadata=metadata, partition=agency)
    else:
        metadata = told | {"outcome": str(outcome)}
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


def logged_outcome(said: dg.AssetMaterialization | dg.AssetObservation) -> Outcome | None:
    """The outcome of the one delivery that an event of a bronze asset stands for; None for every other event.

    A delivery has one such event: its materialization where it was accepted, its observation elsewhere. That of a
    partition that was read again stands for several files, and what people report by hand for none.
    """
    outcome = said.metadata.get("outcome")
    if said.asset_key.path[0] != "bronze" or said.partition is None or outcome is None or "files" in said.metadata:
        return None
    is_accepted = outcome.value == Outcome.ACCEPTED
    return Outcome(str(outcome.value)) if is_accepted == isinstance(said, dg.AssetMaterialization) else None


def is_repeated_event(said: dg.AssetMaterialization | dg.AssetObservation) -> bool:
    """Whether the delivery of an event had been told before."""
    return "repeated" in said.metadata


def merge_records(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One record that speaks for several files of a partition: the last one's identity, everybody's counts."""
    if not records:
        return {}
    merged = dict(records[-1])
    for count in ("rows", "accepted_rows", "quarantined_rows"):
        merged[count] = sum(record[count] or 0 for record in records)
    reasons: Counter[str] = Counter()
    examples: dict[str, list[Any]] = {}
    for record in records:
        reasons.update(record["reasons"])
        for reason, lines in record.get("examples", {}).items():
            examples[reason] = (examples.get(reason, []) + lines)[:5]
    errors = [error for record in records for error in record["errors"]]
    verdicts: dict[str, Any] = {}
    for record in records:
        for verdict in record.get("dataset_rules", []):
            name = verdict["name"]
            # A file that broke a rule speaks louder than those that kept it.
            if name not in verdicts or verdicts[name]["passed"]:
                verdicts[name] = verdict | {"delivery_id": record["delivery_id"]}
    told = {"reasons": dict(reasons), "examples": examples, "dataset_rules": list(verdicts.values()), "errors": errors}
    return merged | told


def _errors(record: Mapping[str, Any]) -> Metadata:
    return {"errors": table(record["errors"])} if record["errors"] else {}


def _profile_row(name: str, column: Mapping[str, Any]) -> Metadata:
    top = ", ".join(f"{item['value']} ({item['rows']})" for item in column.get("top", [])[:3])
    return {
        "column": name,
        "nulls": column["nulls"],
        "distinct": f"{'about ' if column['distinct_error'] else ''}{column['distinct']}",
        "min": column.get("min", HIDDEN),
        "max": column.get("max", HIDDEN),
        "most frequent": top,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as Dagster shows them in place: every cell a short text."""
    records = [{name: "" if value is None else shown(str(value)) for name, value in row.items()} for row in rows]
    columns = [dg.TableColumn(name, "string") for name in records[0]]
    return dg.MetadataValue.table([dg.TableRecord(record) for record in records], dg.TableSchema(columns=columns))
