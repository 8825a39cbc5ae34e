"""The arguments of the command that checks files, and what is refused of them. Nothing is read."""

import argparse
import re
from pathlib import Path

from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.table_formats import add_formats


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that ``check_command.check_files`` reads."""
    parser.add_argument(
        "files", type=Path, nargs="*", metavar="FILE_OR_FOLDER", help="files, or folders with all below them"
    )
    parser.add_argument(
        "--contract", metavar="PATH_OR_NAME", help="contract file or dataset name [chosen by each file's name]"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep silver, quarantine and report.json there; of several files in DIR/<file name>/",
    )
    parser.add_argument("--agency", metavar="A", help="the sender, whose overlay beside the contracts applies")
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="write the verdict as a page; of several files one each in folder OUT"
    )
    parser.add_argument(
        "--xlsx",
        type=Path,
        metavar="OUT",
        help="write the refused rows as a workbook to correct; of several files one each in folder OUT",
    )
    parser.add_argument(
        "--show-values", action="store_true", help="show values of personal columns too, for your own eyes only"
    )
    add_formats(parser, "print the report as JSON; of several files one a line")
    parser.add_argument(
        "--serve", action="store_true", help="open a page in the browser that takes files, instead of naming them"
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="PORT", help="port of that page on 127.0.0.1 [a free one]"
    )
    parser.add_argument("--profile-only", action="store_true", help="read and profile any file, without a contract")


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def names_several(arguments: argparse.Namespace) -> bool:
    """Whether several files are checked, or a folder."""
    return len(arguments.files) > 1 or arguments.files[0].is_dir()


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Raise UsageError for arguments that exclude each other."""
    if arguments.serve:
        _refuse_beside_serve(arguments)
        return
    if not arguments.files:
        raise UsageError("name a file or folder to check, or open a page for files with --serve")
    if arguments.port:
        raise UsageError("--port is the port of the page of --serve; add --serve")
    for name in ("contract", "agency", "html", "xlsx"):
        if arguments.profile_only and getattr(arguments, name):
            raise UsageError(f"--profile-only reads without a contract; leave --{name} out")


def _refuse_beside_serve(arguments: argparse.Namespace) -> None:
    if arguments.files:
        raise UsageError("--serve takes the files on its page; leave them out")
    for name in ("out", "html", "xlsx", "json", "csv", "profile_only"):
        if getattr(arguments, name):
            raise UsageError(f"--serve answers on its page; leave --{name.replace('_', '-')} out")


def require_target(option: str, path: Path | None, suffix: str, checked: Path | None = None) -> None:
    """Refuse a path where a result would replace something that is no such result.

    Raises:
        UsageError: it has another suffix, is the checked file, or its folder does not exist.
    """
    if path is None:
        return
    if path.suffix.lower() != suffix:
        raise UsageError(f"{option} {path}: name a file that ends in {suffix}")
    if checked is not None and path.resolve() == checked.resolve():
        raise UsageError(f"{option} {path}: the checked file would be overwritten; name another one")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent}; create it")
