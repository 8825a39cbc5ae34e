"""The sentences of a page: the verdict, and what to do in which order. Facts in, text out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.pages.page_facts import PageFacts
from etl_platform.engine.problem_table import column_hint
from etl_platform.engine.result import Example, FileError

_LINES_SHOWN = 3
_HEADER_CODES = frozenset({"missing_column", "no_header_match"})


@dataclass(frozen=True)
class Step:
    """One thing to do. ``gain`` is what it brings, and empty where that cannot be said."""

    text: str
    gain: str = ""
    code: str = ""


def verdict_sentence(facts: PageFacts) -> str:
    """The outcome in one sentence or two."""
    if facts.outcome == "accepted":
        return _accepted(facts)
    if facts.outcome == "not_checked":
        return "The file was not checked, so nothing is known about its rows."
    if facts.our_fault:
        return "The file was not judged, because of a fault on our side. Nothing of it is used yet."
    if not facts.is_sent:
        return "The file will be refused. Correct it before you send it."
    nothing = "Nothing of it is used, and the last accepted file stays in use."
    known = {
        "rejected": f"The file is refused. {nothing}",
        "superseded": f"The file is not used, because a newer file replaced it{facts.reason}.",
        "erased": f"The file was erased{facts.reason}.",
        "ignored": "The file is ignored, because it is not recognised as a delivery.",
    }
    return known.get(facts.outcome, f"The file is {facts.outcome}.")


def _accepted(facts: PageFacts) -> str:
    rows, refused = facts.result.rows or 0, facts.result.quarantined_rows or 0
    accepted = "The file is accepted" if facts.is_sent else "The file will be accepted"
    if refused:
        taken = "are not taken" if facts.is_sent else "will not be taken"
        return f"{accepted}, but {refused:,} of its {counted(rows, 'row')} {taken}."
    return f"{accepted}: " + ("its only row is good." if rows == 1 else f"all {rows:,} rows are good.")


def steps(facts: PageFacts) -> list[Step]:
    """What to do, most important first."""
    if facts.our_fault:
        return [Step("Nothing. The data team corrects the cause and reads the file again."), *_errors(facts)]
    renames = list(_renames(facts))
    found = [*_errors(facts), *_repairs(facts), *renames, *_warnings(facts)]
    to_correct = facts.result.errors or facts.result.quarantined_rows or renames
    if facts.outcome in {"accepted", "rejected"} and to_correct:
        again = "Send the whole file again" if facts.is_sent else "Check the file again, then send all of it"
        found.append(Step(f"{again}, under the name {facts.file}."))
    return found or [Step("Nothing." if facts.is_sent else "Nothing. The file can be sent.")]


def _errors(facts: PageFacts) -> Iterator[Step]:
    for error in facts.result.errors:
        yield Step(_sentence(error), code=error.code)


def _sentence(error: FileError) -> str:
    place = f"Line {error.line}: " if error.line is not None else ""
    message = f"{place}{error.message}"
    return f"{message[:1].upper()}{message[1:]}" + ("" if message.endswith((".", "?", "!")) else ".")


def _repairs(facts: PageFacts) -> Iterator[Step]:
    result = facts.result
    for repair in result.repairs:
        what = " ".join(_repair(facts, reason) for reason in repair.reasons)
        yield Step(what, gain=f"{counted(repair.rows, 'row')} gained")
    gained = sum(repair.rows for repair in result.repairs)
    if result.repairs and (rest := (result.quarantined_rows or 0) - gained) > 0:
        yield Step(f"Correct the other rules, below: {counted(rest, 'row')}.")


def _repair(facts: PageFacts, reason: str) -> str:
    lines = lines_text(facts.result.examples.get(reason, ()))
    parts = (rule_sentence(facts, reason), column_hint(facts.result, reason), f"{lines}." if lines else "")
    return " ".join(filter(None, parts))


def _renames(facts: PageFacts) -> Iterator[Step]:
    """Columns that are not taken, perhaps for their name alone. Errors of the header already name them."""
    if facts.result.columns and not {error.code for error in facts.result.errors} & _HEADER_CODES:
        for rename in facts.result.columns.renames:
            yield Step(f"The column {rename.header} is not taken. If it is {rename.column}, give it that name.")


def _warnings(facts: PageFacts) -> Iterator[Step]:
    for verdict in facts.result.dataset_rules:
        if not verdict.passed and not verdict.rejects:
            yield Step(f"Check whether this is right: {verdict.message}", code=verdict.name)
    for found in facts.result.personal_data or ():
        yield Step(f"Leave this column out, or ask the data team to announce it: {found}.")
    if facts.drift and facts.drift.findings:
        yield Step("Look at the differences from the previous files, below: are they intended?")


def rule_sentence(facts: PageFacts, reason: str) -> str:
    """The rule as one line of text; its name where an older report has no sentence."""
    return " ".join(facts.result.sentences.get(reason, reason).split())


def lines_text(examples: Sequence[Example]) -> str:
    """The first lines, such as ``Lines 3, 7, 9 and more``."""
    places = [example.place for example in examples]
    if not places:
        return ""
    more = " and more" if len(places) > _LINES_SHOWN else ""
    return f"Line{'s' if len(places) > 1 else ''} {', '.join(places[:_LINES_SHOWN])}{more}"
