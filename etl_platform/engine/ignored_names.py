"""Names that are never a delivery: transfers in progress, companions of a file, and files that systems add. No files.

Only certain names: a name that could be data, such as ``x.asc`` or ``x.bak``, is not here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HALF_SENT: Final = "half_sent"
COMPANION: Final = "companion_file"
SYSTEM: Final = "system_file"


@dataclass(frozen=True)
class IgnoredName:
    """Why a name is ignored.

    Attributes:
        code: HALF_SENT, COMPANION or SYSTEM.
        message: what the name shows, and what to do if the file is a delivery.
    """

    code: str
    message: str


_WHAT_NEXT = {
    HALF_SENT: "the file is taken when it has its final name",
    COMPANION: "a delivery needs another name",
    SYSTEM: "a delivery needs another name",
}
_FOLDERS = {
    "__macosx": "a folder that macOS adds to archives",
    "$recycle.bin": "the recycle bin of Windows",
    "system volume information": "a folder of Windows",
    "@eadir": "a folder of a Synology disk station",
    "#recycle": "the recycle bin of a disk station",
}
_NAMES = {
    ".ds_store": "a folder view of macOS",
    "thumbs.db": "thumbnails of Windows",
    "ehthumbs.db": "thumbnails of Windows",
    "desktop.ini": "a folder view of Windows",
    "icon\r": "a folder icon of macOS",
    ".keep": "a placeholder of an empty folder",
    ".gitkeep": "a placeholder of an empty folder",
    ".gitignore": "a file of git",
    ".gitattributes": "a file of git",
    ".placeholder": "a placeholder of an empty folder",
    ".s3-placeholder": "a placeholder of an empty folder",
    ".s3keep": "a placeholder of an empty folder",
    ".bzempty": "a placeholder of an empty folder",
    ".htaccess": "a file of a web server",
    ".ftpquota": "a file of an FTP server",
}
_STARTS = {
    "._": "the macOS attributes of another file",
    "~$": "Office's lock of an open file",
    ".~lock.": "LibreOffice's lock of an open file",
    ".nfs": "a deleted file that a program still uses",
    ".fuse_hidden": "a deleted file that a program still uses",
}
_SYSTEM_ENDS = {
    "_$folder$": "a placeholder of a folder",
    "zone.identifier": "where Windows notes the origin of a download",
    ".swp": "a temporary file of an editor",
    ".swo": "a temporary file of an editor",
    ".lock": "a lock of another file",
    ".lck": "a lock of another file",
    "~": "an editor's copy of another file",
}
_HALF_SENT_ENDS = {
    ".filepart": "an upload of WinSCP in progress",
    ".part": "a transfer in progress",
    ".partial": "a transfer in progress",
    ".crdownload": "a download of Chrome in progress",
    ".opdownload": "a download of Opera in progress",
    ".download": "a download of Safari in progress",
    ".tmp": "a temporary file",
    ".temp": "a temporary file",
    ".incomplete": "a transfer in progress",
    ".inprogress": "a transfer in progress",
    ".uploading": "a transfer in progress",
    ".writing": "a transfer in progress",
    ".aria2": "the state of a download",
}
_CHECKSUM, _SIGNATURE, _MARKER = "a checksum of another file", "a signature of another file", "a transfer's marker"
_COMPANION_ENDS = (
    dict.fromkeys(
        (".md5", ".sha", ".sha1", ".sha224", ".sha256", ".sha384", ".sha512", ".sfv", ".crc", ".crc32"), _CHECKSUM
    )
    | dict.fromkeys((".md5sum", ".sha1sum", ".sha256sum", ".sha512sum", ".checksum", ".b3", ".blake2"), _CHECKSUM)
    | dict.fromkeys((".sig", ".sign", ".minisig", ".p7s"), _SIGNATURE)
    | dict.fromkeys((".done", ".ok", ".ready", ".trigger", ".trg", ".complete", ".finished", ".sem"), _MARKER)
    | {".ctl": "a control file", ".ctrl": "a control file", ".par2": "recovery data of another file"}
)
_COMPANIONS = dict.fromkeys(("md5sums", "sha1sums", "sha256sums", "sha512sums"), _CHECKSUM) | dict.fromkeys(
    ("_success", "_started", "_committed"), "a marker of a finished job"
)
_SEPARATOR = re.compile(r"[/\\]")
# ``..`` is a path, which others refuse.
_HIDDEN_FOLDER = re.compile(r"\.\w")


def ignored_name(path: str) -> IgnoredName | None:
    """Why a file of this path is never a delivery, None for any other; ``/`` and ``\\`` separate folders."""
    *folders, name = _SEPARATOR.split(path.casefold())
    for folder in folders:
        if what := _FOLDERS.get(folder):
            return _ignored(SYSTEM, what)
        if _HIDDEN_FOLDER.match(folder):
            return _ignored(SYSTEM, "in a hidden folder")
    return _by_name(name)


def _by_name(name: str) -> IgnoredName | None:
    if what := _NAMES.get(name) or _what(_STARTS, name, str.startswith) or _what(_SYSTEM_ENDS, name):
        return _ignored(SYSTEM, what)
    if what := _COMPANIONS.get(name) or _what(_COMPANION_ENDS, name):
        return _ignored(COMPANION, what)
    if what := _what(_HALF_SENT_ENDS, name):
        return _ignored(HALF_SENT, what)
    # rsync, ProFTPD and many uploaders put a dot before the name until the file is whole.
    return _ignored(HALF_SENT, "a temporary name: it starts with a dot") if name.startswith(".") else None


def _what(table: dict[str, str], name: str, fits: Callable[[str, str], bool] = str.endswith) -> str | None:
    return next((what for part, what in table.items() if fits(name, part)), None)


def _ignored(code: str, what: str) -> IgnoredName:
    return IgnoredName(code, f"the name shows {what}; {_WHAT_NEXT[code]}")
