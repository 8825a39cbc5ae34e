"""The page that takes a file to check. It needs no script: browsers let a file be dropped on the field of a form."""

from dataclasses import dataclass

from etl_platform.engine.pages.html_document import html_document


@dataclass(frozen=True)
class DropPage:
    """The form, filled in as far as is known.

    Attributes:
        about: where the file is checked, and what leaves the sender's machine.
        kept: what is kept afterwards.
        most: the largest size, in words.
        problem: why the last file was not checked; empty before the first one.
        datasets: to choose from; empty where the name is typed.
        asks_token: whether the form asks for a token instead of an agency.
    """

    about: str
    kept: str
    most: str
    action: str = ""
    problem: str = ""
    datasets: tuple[str, ...] = ()
    dataset: str = ""
    agency: str = ""
    asks_token: bool = False
    may_show_values: bool = False
    shows_values: bool = False


def drop_page(page: DropPage) -> str:
    """The document."""
    return html_document("drop.html.jinja", page=page)
