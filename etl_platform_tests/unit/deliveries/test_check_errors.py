"""Which errors of a check are a verdict on the delivery, and which are retried."""

import errno
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from etl_platform.deliveries.check_errors import describe, is_passing, verdict_on
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Trigger
from etl_platform.engine import check
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError, TransformError
from etl_platform.errors import TransientError
from etl_platform_tests.unit.intake_place import EVENT, GOOD, REPROCESS, Place, things
from etl_platform_tests.unit.making import contract_of, custom, listing, row_rule, text, typed

THIRD = replace(EVENT, message_id="m", receive_count=3)


def contract_error() -> ContractError:
    return ContractError("small: unknown column", path="things.odcs.yaml", line=12)


def raised(error: Exception, under: Exception) -> Exception:
    """The error as it is after ``raise error from None`` while ``under`` was handled."""
    error.__context__, error.__suppress_context__ = under, True
    return error


@pytest.mark.parametrize(
    "error",
    [
        TransientError("GET: 503"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
        ConnectionResetError("peer"),
        TimeoutError(),
        RuntimeError("can't start new thread"),
        RuntimeError("cannot schedule new futures after interpreter shutdown"),
        BrokenProcessPool("a process ended"),
        pl.exceptions.ComputeError("No space left on device (os error 28)"),
        raised(RuntimeError("Polars panicked on this file"), pl.exceptions.ComputeError("could not spawn threads: …")),
        raised(TransformError("the hook raised MemoryError", path="c"), MemoryError()),
        raised(TransformError("the hook raised ConnectionError", path="c"), ConnectionError("refused")),
        raised(contract_error(), OSError(errno.EMFILE, "Too many open files")),
    ],
    ids=repr,
)
def test_a_passing_error_of_the_machine_is_never_a_verdict(error: Exception) -> None:
    assert is_passing(error)
    assert verdict_on(error, 19) is None


@pytest.mark.parametrize("receives", [1, 3, None])
def test_an_error_of_the_contract_is_a_verdict_at_once_and_names_who_must_act(receives: int | None) -> None:
    found = verdict_on(contract_error(), receives)
    assert found is not None
    assert found.code == "contract_error"
    assert "things.odcs.yaml:12: small: unknown column. The data team must correct the contract" in found.message
    hook = verdict_on(TransformError("the hook m:f raised ValueError", path="things.odcs.yaml"), receives)
    assert hook is not None
    assert hook.code == "transform_failed"


@pytest.mark.parametrize(("receives", "is_verdict"), [(None, False), (1, False), (2, False), (3, True), (20, True)])
def test_an_unexpected_error_is_a_verdict_only_at_the_third_receive(receives: int | None, is_verdict: bool) -> None:
    found = verdict_on(ValueError("Jane Doe is no date"), receives)
    assert (found is not None) == is_verdict
    if found is not None:
        assert found.code == "internal_error"
        assert "Jane" not in found.message


def test_a_foreign_error_is_described_without_its_text() -> None:
    with pytest.raises(pl.exceptions.PolarsError) as caught:
        pl.Series(["Jane Doe"]).cast(pl.Int64)
    assert describe(caught.value) == "InvalidOperationError"
    assert describe(TransientError("HEAD s3://b/k:\n503")) == "TransientError: HEAD s3://b/k: 503"
    assert describe(OSError(errno.ENOSPC, "No space left on device")) == "OSError: No space left on device"


def with_broken_rule() -> Contract:
    columns = [text("ident", required=True), typed("size", "integer"), text("note")]
    return contract_of(columns, quality=[row_rule("small", "sise < 10")])


def test_a_contract_that_does_not_compile_rejects_its_files_and_replay_reads_them_after_the_cure(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, with_broken_rule())
    event = place.drop(GOOD)
    done = place.ingest(event)
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.REJECTED, "contract_error")
    assert done.report.sha256
    assert (place.root / str(done.report.written.bronze_key)).read_bytes() == GOOD

    place.use(things())
    assert place.ingest(event).outcome is Outcome.DUPLICATE, "an event of the same delivery does not read it again"
    (again,) = place.intake.reprocess("things", "agency_a", REPROCESS)
    assert again.outcome is Outcome.ACCEPTED
    assert [row["ident"] for row in place.silver()] == ["a", "b"]


def test_a_reprocessing_under_a_broken_contract_raises_and_records_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, things())
    place.ingest(place.drop(GOOD))
    before = listing(place.root)
    place.use(with_broken_rule())
    with pytest.raises(ContractError, match="sise"):
        list(place.intake.reprocess("things", "agency_a", REPROCESS))
    assert listing(place.root) == before


def hooked(function: Callable[[pl.DataFrame], pl.DataFrame], monkeypatch: pytest.MonkeyPatch) -> Contract:
    module = ModuleType("hooks_of_a_test")
    module.run = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    columns = [
        text("ident", required=True),
        typed("size", "integer"),
        typed("half", "integer", customProperties=custom(computed=True)),
    ]
    return contract_of(columns, customs=custom(transform="hooks_of_a_test:run"))


def test_a_hook_that_raises_on_a_value_rejects_the_file_and_a_corrected_hook_accepts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(frame: pl.DataFrame) -> pl.DataFrame:
        raise ValueError(f"no half of {frame['size'].to_list()}")

    place = Place(tmp_path, hooked(fails, monkeypatch))
    done = place.ingest(place.drop(GOOD))
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.REJECTED, "transform_failed")
    assert "raised ValueError in line" in done.report.check.errors[0].message
    assert "[1, 2]" not in done.report.check.errors[0].message
    assert not list(place.root.glob("quarantine/**/*.parquet"))

    place.use(hooked(lambda frame: frame.with_columns(half=pl.col("size") // 2), monkeypatch))
    (again,) = place.intake.reprocess("things", "agency_a", REPROCESS)
    assert again.outcome is Outcome.ACCEPTED
    assert [row["half"] for row in place.silver()] == [0, 1]


def test_a_hook_that_runs_out_of_memory_fails_the_delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs_more(_frame: pl.DataFrame) -> pl.DataFrame:
        raise MemoryError

    place = Place(tmp_path, hooked(needs_more, monkeypatch))
    event = place.drop(GOOD)
    with pytest.raises(TransformError):
        place.ingest(event, THIRD)
    assert not list(place.root.glob("reports/**/*.json"))


def test_a_file_that_breaks_the_engine_three_times_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_path: Path, _contract: Contract, out_dir: Path, **_: object) -> None:
        (out_dir / check.QUARANTINE).write_bytes(b"half a file")
        raise IndexError("list index out of range")

    monkeypatch.setattr(check, "check_file", breaks)
    place = Place(tmp_path, things())
    event = place.drop(GOOD)
    for receives in (1, 2):
        with pytest.raises(IndexError):
            place.ingest(event, Trigger(EVENT.cause, "run", "m", receives))
    done = place.ingest(event, THIRD)
    assert (done.outcome, done.report.check.errors[0].code) == (Outcome.REJECTED, "internal_error")
    assert "IndexError" in done.report.check.errors[0].message
    assert not list(place.root.glob("quarantine/**/*.parquet"))
