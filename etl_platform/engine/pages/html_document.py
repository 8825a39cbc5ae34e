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

_HERE = Path(__file__).parent
_MAX_TEXT = 3_000


def html_document(template: str, *, folder: Path = _HERE, **values: Any) -> str:
    """The document of a template, with the style that all pages share.

    Args:
        folder: of a template that is not of this package. ``<template>.css`` there is added to the style.
    """
    style = _shared_style()
    if folder != _HERE:
        style += (folder / f"{template.partition('.')[0]}.css").read_text("utf-8")
    policy = page_policy(style, posts_to_itself=template == "drop.html.jinja")
    return _environment(folder).get_template(template).render(style=style, policy=policy, **values)


def page_policy(style: str | None = None, *, posts_to_itself: bool = False) -> str:
    """The content security policy of a page: its own style sheet and nothing else.

    Args:
        style: that of the page, if it is not the one that all pages share.
    """
    digest = b64encode(sha256((style or _shared_style()).encode()).digest()).decode()
    target = "'self'" if posts_to_itself else "'none'"
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {target}"


def _shared_style() -> str:
    return (_HERE / "page.css").read_text("utf-8")


@cache
def _environment(folder: Path) -> "Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: Any) -> Any:
    """Text without control characters, such as those that turn the direction of writing; markup as it is."""
    return printable(value, _MAX_TEXT) if type(value) is str else value
