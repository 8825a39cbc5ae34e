"""What became of a delivery and what to do about it, in sentences for people. No store, no Dagster."""

from etl_platform.deliveries.check_errors import OUR_FAULTS
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.report import Report
from etl_platform.engine.output.plain_text import counted, escape_control_characters, printable
from etl_platform.engine.problem_table import column_hint
from etl_platform.engine.result import CheckResult
from etl_platform.object_keys import base_name

_REASONS_SHOWN, _FINDINGS_SHOWN, _MAX_SENTENCE = 3, 2, 120


def why(report: Report) -> str:
    """The errors of a rejected or ignored file; else the rules with the most quarantined rows, and what is unusual.

    Empty if all is good.
    """
    check = report.check
    if report.tombstone is not None:
        return str(report.tombstone)
    if check.errors:
        return "; ".join(map(str, check.errors))
    reasons = sorted(check.reasons.items(), key=lambda pair: -pair[1])
    broken = [_broken(check, reason, rows) for reason, rows in reasons[:_REASONS_SHOWN]]
    broken += ["…"] if len(reasons) > _REASONS_SHOWN else []
    shared = report.shared_keys.shared if report.shared_keys else ()
    found = _first(list(map(str, check.personal_data or ())), "more columns with personal data")
    return "; ".join(text for text in (*broken, *found, *map(str, shared), *_differences(report)) if text)


def _broken(check: CheckResult, reason: str, rows: int) -> str:
    """A rule as a sentence, with the rows that break it; its name where an older report has no sentence."""
    sentence = check.sentences.get(reason)
    if sentence is None:
        return f"{reason} {rows:,}"
    hint = f" ({columns[0].lower()}{columns[1:].removesuffix('.')})" if (columns := column_hint(check, reason)) else ""
    return f"{counted(rows, 'row')}: {printable(' '.join(sentence.split()).removesuffix('.'), _MAX_SENTENCE)}{hint}"


def _differences(report: Report) -> list[str]:
    """What is unusual beside the previous files."""
    messages = [finding.message for finding in report.drift.findings] if report.drift else []
    return _first(messages, "more differences from the previous files")


def _first(messages: list[str], others: str) -> list[str]:
    more = len(messages) - _FINDINGS_SHOWN
    return [*messages[:_FINDINGS_SHOWN], *([f"{more} {others}"] if more > 0 else [])]


def verdict(report: Report, outcome: Outcome) -> str:
    """File, outcome and reason in one line.

    Args:
        outcome: of the delivery; ``duplicate`` where the report is about its first arrival.
    """
    return escape_control_characters(f"{base_name(report.source.key)}: {_result(report, outcome)}")


def _result(report: Report, outcome: Outcome) -> str:
    reason, held_back = why(report), report.check.quarantined_rows
    match outcome:
        case Outcome.ACCEPTED if held_back:
            return f"accepted, {counted(held_back, 'row')} of {report.check.rows:,} in quarantine: {reason}"
        case Outcome.ACCEPTED:
            return "accepted" + (f": {reason}" if reason else "")
        case Outcome.SUPERSEDED:
            return f"superseded, because the newer delivery {report.superseded_by} was processed first"
        case Outcome.DUPLICATE:
            return f"duplicate of a delivery that was {report.outcome} before"
        case Outcome.ERASED:
            return str(report.tombstone)
        case _:
            return f"{outcome}: {reason}"


def what_to_do(report: Report, outcome: Outcome) -> str:
    """The next step for the person on call."""
    match outcome:
        case Outcome.REJECTED if any(error.code in OUR_FAULTS for error in report.check.errors):
            return "Nothing for the sender: do what the reason says, then materialize the partition again."
        case Outcome.REJECTED:
            return (
                "Send the code and the message to the sender. If the contract is wrong, correct it and materialize the "
                "partition again."
            )
        case Outcome.ACCEPTED if report.check.quarantined_rows:
            dataset, agency = report.partition
            return (
                f"Send the sender the rows to correct: etl-platform quarantine --agency {agency} --dataset {dataset} "
                "--out fix.csv"
            )
        case Outcome.ACCEPTED if report.check.personal_data:
            return "Classify the columns with personal data in the contract, or ask the sender to leave them out."
        case _:
            return "Nothing."
