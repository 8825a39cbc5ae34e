"""Reads contacts.yaml. Unknown and invalid fields are errors with file and line.

The fields are explained in docs/operate/contacts.md.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from etl_platform.engine.contract.located_yaml import Located, Where, load_located
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.notifications.channel import RESERVED
from etl_platform.notifications.contacts import Contact, When
from etl_platform.notifications.delivery_event import EventKind
from etl_platform.notifications.message import DEFAULT, OF_A_DIGEST, OF_AN_EVENT, Template, unknown_names
from etl_platform.object_keys import partition_of
from etl_platform.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://\S+|\$\{[A-Z][A-Z0-9_]*\})", re.IGNORECASE)
_SECRET = re.compile(r"\$\{([^}]*)\}")
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_OURS = frozenset(item.name.upper() for item in fields(Settings))
_EVENTS = tuple(str(kind) for kind in EventKind if kind is not EventKind.TEST)
_TEXTS = {"title": OF_AN_EVENT, "body": OF_AN_EVENT, "digest_title": OF_A_DIGEST}


def read_contacts(path: Path, datasets: Collection[str]) -> list[Contact]:
    """The contacts of a file; none if there is no such file.

    Args:
        datasets: those that have a contract.

    Raises:
        ContractError: the file cannot be read, or has an error; with its line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"cannot be read: {error}", path=str(path)) from None
    return _Reader(load_located(text, str(path), "a file of contacts begins with contacts:"), datasets).contacts()


class _Reader:
    """Parses one document; ``here`` is the path of a part of it."""

    def __init__(self, document: Located, datasets: Collection[str]) -> None:
        self._document, self._datasets = document, datasets

    def contacts(self) -> list[Contact]:
        data = self._document.data
        self._check_names(data, (), {"contacts"}, {"templates"})
        templates = self._templates(data.get("templates", {}))
        if not isinstance(data["contacts"], list):
            raise self._document.error("contacts must be a list", "contacts")
        found = [self._contact(entry, ("contacts", i), templates) for i, entry in enumerate(data["contacts"])]
        for index, contact in enumerate(found):
            if contact.name in {other.name for other in found[:index]}:
                raise self._document.error(f"the name {contact.name} is used twice", "contacts", index, "name")
        return found

    def _contact(self, entry: Any, here: Where, templates: dict[str, Template]) -> Contact:
        optional = {"events", "agencies", "datasets", "when", "template"}
        self._check_names(entry, here, {"name", "url"}, optional)
        name = entry["name"]
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
            message = "name must be a lower-case letter, then lower-case letters, digits, _ and -"
            raise self._document.error(f"{message}; not {' or '.join(sorted(RESERVED))}", *here, "name")
        template = self._one_of(entry.get("template", ""), ["", *templates], (*here, "template"))
        return Contact(
            name,
            self._url(entry["url"], (*here, "url")),
            frozenset(EventKind(one) for one in self._list(entry, "events", here, _EVENTS)),
            frozenset(partition_of(one) for one in self._list(entry, "agencies", here)),
            frozenset(self._list(entry, "datasets", here, self._datasets)),
            When(self._one_of(entry.get("when", When.AT_ONCE), list(When), (*here, "when"))),
            templates.get(template, DEFAULT),
        )

    def _url(self, url: Any, here: Where) -> str:
        # The value is not quoted: it can have a password.
        if not isinstance(url, str) or not _URL.fullmatch(url):
            message = "url must be one of Apprise, such as mailtos://… or slack://…; write a blank as %20"
            raise self._document.error(message, *here)
        for name in _SECRET.findall(url):
            if not _SECRET_NAME.fullmatch(name):
                raise self._document.error("${…} takes the name of an environment variable, in capitals", *here)
            if name in _OURS or name.startswith(("AWS_", "DAGSTER_")):
                message = f"{name} is a setting of the platform and cannot be a part of url; choose another name"
                raise self._document.error(message, *here)
        return url

    def _templates(self, data: Any) -> dict[str, Template]:
        if not isinstance(data, dict):
            raise self._document.error("templates must be a mapping of names to texts", "templates")
        return {name: self._template(entry, ("templates", name)) for name, entry in data.items()}

    def _template(self, entry: Any, here: Where) -> Template:
        self._check_names(entry, here, set(), {*_TEXTS, "outcomes"})
        texts = {name: self._text(entry, name, here) for name in _TEXTS}
        if "{id}" not in texts["body"]:
            raise self._document.error("body must have {id}, by which a repeated message is recognised", *here, "body")
        words = entry.get("outcomes", {})
        if not isinstance(words, dict) or not all(isinstance(word, str) for word in words.values()):
            raise self._document.error("outcomes must be a mapping of outcomes to words", *here, "outcomes")
        for outcome in words:
            self._one_of(outcome, _EVENTS, (*here, "outcomes", outcome))
        return Template(**texts, outcomes=words)

    def _text(self, entry: dict[str, Any], name: str, here: Where) -> str:
        text = entry.get(name, getattr(DEFAULT, name))
        if not isinstance(text, str) or not text.strip():
            raise self._document.error(f"{name} must be a text", *here, name)
        if wrong := unknown_names(text, _TEXTS[name]):
            known = ", ".join(sorted(_TEXTS[name]))
            raise self._document.error(f"{name} has no {{{wrong[0]}}}; it can have {known}", *here, name)
        return text

    def _list(
        self, entry: dict[str, Any], name: str, here: Where, allowed: Collection[str] | None = None
    ) -> Iterable[str]:
        if name not in entry:
            return []
        found = entry[name]
        if not isinstance(found, list) or not found or not all(isinstance(one, str) and one for one in found):
            raise self._document.error(
                f"{name} must be a list with at least one entry; leave it out for all", *here, name
            )
        for index, one in enumerate(found):
            if allowed is not None:
                self._one_of(one, allowed, (*here, name, index))
        return found

    def _one_of(self, value: Any, allowed: Collection[str], here: Where) -> str:
        if value not in allowed:
            names = [name for name in allowed if name]
            raise self._document.error(f"{value!r} is unknown{did_you_mean_or_all(str(value), names)}", *here)
        return str(value)

    def _check_names(self, data: Any, here: Where, needed: set[str], optional: set[str]) -> None:
        if not isinstance(data, dict):
            raise self._document.error("must be a mapping of names to values", *here)
        known = needed | optional
        for name in data:
            if name not in known:
                hint = did_you_mean_or_all(name, sorted(known))
                raise self._document.error(f"unknown field {name}{hint}", *here, name)
        if missing := sorted(needed - data.keys()):
            raise self._document.error(f"missing: {', '.join(missing)}", *here)
