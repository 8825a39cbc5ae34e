"""One HTML document from a template: it loads nothing and runs no script. What it says is decided elsewhere.

Every text is escaped by Jinja, and control characters are made visible first. A content security policy forbids scripts
and all requests, so that even a text that broke out of its place could do nothing.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.engine.output.plain_text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_MAX_TEXT = 3_000


def html_document(template: str, **values: Any) -> str:
    """The document of a template of this package, with the style that all pages share."""
    style = _text("page.css")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return _environment().get_template(template).render(style=style, style_hash=digest, **values)


@cache
def _environment() -> "Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _visible(value: Any) -> Any:
    """Text without control characters, such as those that turn the direction of writing; markup as it is."""
    return printable(value, _MAX_TEXT) if type(value) is str else value
