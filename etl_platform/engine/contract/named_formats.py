"""Formats that ODCS names for texts and numbers: email, uuid, i8, f32. Names, bounds and patterns; no expressions.

Dates and times have patterns instead (``values/formats.py``).
"""

from etl_platform.engine.contract.model import ColumnType
from etl_platform.engine.near_names import nearest

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_H16 = "[0-9A-Fa-f]{1,4}"
_LS32 = rf"(?:{_H16}:{_H16}|{_IPV4})"
_IPV6 = "|".join(
    [
        rf"(?:{_H16}:){{6}}{_LS32}",
        rf"::(?:{_H16}:){{5}}{_LS32}",
        *(rf"(?:(?:{_H16}:){{0,{n}}}{_H16})?::(?:{_H16}:){{{4 - n}}}{_LS32}" for n in range(5)),
        rf"(?:(?:{_H16}:){{0,5}}{_H16})?::{_H16}",
        rf"(?:(?:{_H16}:){{0,6}}{_H16})?::",
    ]
)
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
TEXT_PATTERNS = {
    "email": rf"^{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$",
    "uuid": "^[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$",
    "hostname": rf"^{_HOST}$",
    "ipv4": f"^{_IPV4}$",
    "ipv6": f"^(?:{_IPV6})$",
    "byte": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}
"""Regular expressions of texts: RFC 5321 without quoted local parts, 9562, 3986, 1123, 4291 and 4648."""
FORMAT_WORDS = {
    "email": "an email address",
    "uuid": "a UUID such as 123e4567-e89b-12d3-a456-426614174000",
    "uri": "a URI such as https://example.org/a",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "byte": "Base64",
}
INTEGER_BOUNDS = {f"i{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)} | {
    f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32)
}
FLOAT_BOUNDS = {"f32": 3.4028234663852886e38, "f64": 1.7976931348623157e308}
PEOPLE_ONLY = frozenset({"password"})
"""Formats of texts that say how a form shows them; nothing can be checked."""
_TOO_WIDE = frozenset({"u64", "i128", "u128"})
_MOMENTS = {"date": ColumnType.DATE, "date-time": ColumnType.TIMESTAMP, "time": ColumnType.TIME}
_NAMES = {
    ColumnType.STRING: (*TEXT_PATTERNS, *PEOPLE_ONLY),
    ColumnType.INTEGER: tuple(INTEGER_BOUNDS),
    ColumnType.NUMBER: tuple(FLOAT_BOUNDS),
    ColumnType.BOOLEAN: (),
}


def names_formats(kind: ColumnType) -> bool:
    """Whether the format of such a column is a name, not a pattern."""
    return kind in _NAMES


def format_problem(name: str, kind: ColumnType) -> str | None:
    """What is wrong with a named format, and what to do; None if it is known and its values fit silver."""
    names = _NAMES[kind]
    if name in names:
        return None
    if not names:
        return f"a {kind} has no format; remove it, or list its texts as trueValues and falseValues"
    if name in _TOO_WIDE and kind is ColumnType.INTEGER:
        return f"format {name} does not fit the 64 bits of silver; use number with physicalType: decimal(38,0)"
    if name in _MOMENTS and kind is ColumnType.STRING:
        return f"format {name} belongs to logicalType: {_MOMENTS[name]}; declare that type, without this format"
    owner = next((other for other, known in _NAMES.items() if name in known), None)
    close = nearest(name, names)
    hint = f"it belongs to logicalType: {owner}" if owner else f"did you mean {close}?" if close else None
    return f"format {name!r} is not known for logicalType {kind}; {hint or 'use ' + ', '.join(names)}"
