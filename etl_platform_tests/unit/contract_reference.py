"""What a contract means, from docs/onboard/ and docs/reference/contract.md: row by row, in plain Python, from its YAML.

It shares nothing with the engine, so it finds what one of the two misunderstood. No tests.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

Properties = Sequence[Mapping[str, Any]]
Values = Mapping[str, Any]
Said = Callable[[Values], bool | None]
PATTERNS = {
    "yyyy-MM-dd": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})",
    "M/d/yyyy": r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})",
    "dd.MM.yyyy": r"(?P<d>\d{2})\.(?P<m>\d{2})\.(?P<y>\d{4})",
    "yyyyMMdd": r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
    "d MMM yyyy": r"(?P<d>\d{1,2}) (?P<b>[A-Za-z]{3}) (?P<y>\d{4})",
    "yyyy-MM-dd'T'HH:mm:ss": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})T(?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2})",
    "yyyy-MM-dd HH:mm:ss": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2}) (?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2})",
    "yyyy-MM-dd HH:mm": r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2}) (?P<H>\d{2}):(?P<M>\d{2})",
    "M/d/yyyy h:mm a": r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4}) (?P<h>\d{1,2}):(?P<M>\d{2}) (?P<a>[AaPp][Mm])",
}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DEFAULTS = {"date": ["yyyy-MM-dd"], "timestamp": ["yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd HH:mm:ss"]}


def option(entry: Mapping[str, Any], name: str, default: Any = None) -> Any:
    customs = {item["property"]: item["value"] for item in entry.get("customProperties", ())}
    return customs.get(name, entry.get("logicalTypeOptions", {}).get(name, default))


def text_of(entry: Mapping[str, Any], cell: str) -> str | None:
    """Trimmed if asked, None where it means empty."""
    text = cell.strip() if option(entry, "trim") else cell
    return None if not text or text.lower() in {t.lower() for t in option(entry, "nullTokens", ())} else text


def value_of(entry: Mapping[str, Any], text: str | None) -> Any:
    """The typed value; None where the text is none of its type."""
    if text is None:
        return None
    formats = [f for f in (option(entry, "format"), *option(entry, "formats", ())) if f]
    match entry["logicalType"]:
        case "integer":
            number = int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None
            return number if number is not None and abs(number) < 2**63 else None
        case "number":
            if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
                return float(text)
            money = re.fullmatch(r"(\()?\$?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?(\))?", text)
            if "money" not in formats or not money or bool(money[1]) != bool(money[5]):
                return None
            amount = float(re.sub(r"[$,()]", "", text))
            return -amount if money[1] else amount
        case "boolean":
            folded = text.lower()
            if folded in {"true", *(v.lower() for v in option(entry, "trueValues", ()))}:
                return True
            return False if folded in {"false", *(v.lower() for v in option(entry, "falseValues", ()))} else None
        case "date" | "timestamp" as kind:
            found = (moment_of(f, text) for f in formats or DEFAULTS[kind])
            moment = next((m for m in found if m is not None), None)
            return moment.date() if moment is not None and kind == "date" else moment
        case _:
            return text


def moment_of(pattern: str, text: str) -> datetime | None:
    match = re.fullmatch(PATTERNS[pattern], text, re.ASCII)
    if match is None:
        return None
    part = match.groupdict()
    if "b" in part:
        if part["b"].lower() not in MONTHS:
            return None
        part["m"] = MONTHS.index(part["b"].lower()) + 1
    hour = int(part.get("H") or 0)
    if "a" in part:
        if not 1 <= int(part["h"]) <= 12:
            return None
        hour = int(part["h"]) % 12 + (12 if part["a"].lower() == "pm" else 0)
    if int(part["y"]) < 1000:
        return None
    numbers = (int(part.get(name) or 0) for name in ("y", "m", "d"))
    try:
        return datetime(*numbers, hour, int(part.get("M") or 0), int(part.get("S") or 0))  # noqa: DTZ001 - as sent
    except ValueError:
        return None


def expected(
    properties: Properties,
    rules: Mapping[str, tuple[set[str], Callable[[Values], bool | None]]],
    rows: Sequence[Values],
) -> list[tuple[Values, set[str]]]:
    """Per row its typed values and the reasons to refuse it; a row rule is its columns and what it says of a row."""
    texts = [{p["name"]: text_of(p, row[p["name"]]) for p in properties} for row in rows]
    values = [{p["name"]: value_of(p, text[p["name"]]) for p in properties} for text in texts]
    keys_in_order = sorted((p for p in properties if p.get("primaryKey")), key=lambda p: p["primaryKeyPosition"])
    keyed = [p["name"] for p in keys_in_order]
    keys = {f"{p['name']}.unique": [p["name"]] for p in properties if p.get("unique") or [p["name"]] == keyed}
    if len(keyed) > 1:
        keys["+".join(keyed) + ".unique"] = keyed
    counts = {reason: Counter(tuple(v[n] for n in names) for v in values) for reason, names in keys.items()}
    answers = []
    for text, value in zip(texts, values, strict=True):
        reasons = {f"{p['name']}.{kind}" for p in properties for kind in broken(p, text[p["name"]], value[p["name"]])}
        for reason, names in keys.items():
            key = tuple(value[n] for n in names)
            if None not in key and counts[reason][key] > 1:
                reasons.add(reason)
        for name, (inputs, rule) in rules.items():
            typed = all(text[n] is None or value[n] is not None for n in inputs)
            if typed and rule(value) is False:
                reasons.add(name)
        answers.append((value, reasons))
    return answers


def broken(entry: Mapping[str, Any], text: str | None, value: Any) -> set[str]:
    """Every rule but ``required`` passes on an empty value; a range passes on what is not of its type."""
    if text is None:
        return {"required"} if entry.get("required") or entry.get("primaryKey") else set()
    found = set()
    if value is None:
        found.add("type")
    pattern, shortest, longest = option(entry, "pattern"), option(entry, "minLength"), option(entry, "maxLength")
    if pattern and not re.search(pattern, text):
        found.add("pattern")
    if (shortest is not None and len(text) < shortest) or (longest is not None and len(text) > longest):
        found.add("length")
    allowed = [value_of(entry, str(item["value"])) for item in entry.get("enum", ())]
    if value is not None and allowed and value not in allowed:
        found.add("allowed")
    for name, wrong in (
        ("minimum", lambda bound: value < bound),
        ("maximum", lambda bound: value > bound),
        ("exclusiveMinimum", lambda bound: value <= bound),
        ("exclusiveMaximum", lambda bound: value >= bound),
    ):
        bound = option(entry, name)
        if value is not None and bound is not None and wrong(bound_of(entry, bound)):
            found.add("range")
    return found


def bound_of(entry: Mapping[str, Any], bound: Any) -> Any:
    match entry["logicalType"]:
        case "date":
            return date.fromisoformat(bound)
        case "timestamp":
            return datetime.fromisoformat(bound)
        case _:
            return bound
