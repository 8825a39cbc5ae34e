"""Who runs a command: the identity that AWS knows, else the user of this machine. A name that is typed is a note."""

import argparse
import getpass
import os
import re
from dataclasses import dataclass

from etl_platform.errors import TransientError
from etl_platform.settings import Settings

_PREFIX_OF_ARN = re.compile(r"arn:\S*:")


@dataclass(frozen=True)
class Caller:
    """Who runs this command.

    Attributes:
        arn: None if no AWS is used; ``user`` is the local user then.
        note: what was typed after ``--by``, in one line. SQS refuses control characters.
    """

    arn: str | None
    user: str
    note: str = ""

    def __str__(self) -> str:
        """The identity comes first and has no blank, so no note can pass for it."""
        identity = self.arn or "_".join(self.user.split())
        return f"{identity} ({self.note})" if self.note else identity


def add_note(command: argparse.ArgumentParser) -> None:
    """The option for a name beside the identity: several people may share a role."""
    command.add_argument(
        "--by", metavar="WHO", default="", help="your name, recorded beside the identity that AWS or this machine knows"
    )


def identify_caller(settings: Settings, note: str = "") -> Caller:
    """The caller as STS knows it, or the local user if no AWS is used.

    Raises:
        TransientError: there are no credentials, or STS refuses them or does not answer.
    """
    from etl_platform.aws.account import caller_arn

    arn = None if settings.local_s3_root else caller_arn(settings)
    printable = "".join(letter if letter.isprintable() else " " for letter in note)
    return Caller(arn, _user_name(), " ".join(printable.split()))


def identify_or_name(settings: Settings) -> Caller:
    """The caller, or the local user if AWS does not say who that is: what works without AWS must not need it."""
    try:
        return identify_caller(settings)
    except TransientError:
        return Caller(None, _user_name())


def short_name(by: str) -> str:
    """For tables: the caller without partition, service and account, such as ``assumed-role/deployers/jane``."""
    return _PREFIX_OF_ARN.sub("", by, count=1) if by.startswith("arn:") else by


def _user_name() -> str:
    """The name of the current user; the user id in a container without a name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
