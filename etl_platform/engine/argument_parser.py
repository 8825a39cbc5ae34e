"""An argument parser that names the command, option or choice that was probably meant. Nothing is run."""

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from etl_platform.engine.near_names import did_you_mean, nearest

_CHOICE = re.compile(r"(argument [^:]+): invalid choice: '(.*?)' \(choose from (.*)\)", re.DOTALL)


class ArgumentParser(argparse.ArgumentParser):
    """Subcommands have parsers of this class, too."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is left over here, where the options of the command are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            self.error(f"unknown argument {name}{did_you_mean(name, self._option_string_actions)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        if match := _CHOICE.search(message):
            argument, given, choices = match.groups()
            if close := nearest(given, re.findall(r"[\w-]+", choices)):
                message = f"{argument}: {given!r} is unknown; did you mean {close}?"
        super().error(message)
