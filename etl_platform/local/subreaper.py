"""Runs one command and ends its whole process tree when its parent ends, even by SIGKILL. Linux only.

It runs as a script, ``python -I -S subreaper.py PARENT_PID GRACE_S COMMAND…``, so it imports only the standard
library. As subreaper (prctl(2)) it adopts all descendants of the command, including Dagster's code servers and run
workers, which start their own sessions. So it can find and end them all.
"""

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_WATCHED = (*_STOP, signal.SIGCHLD)
_AFTER_TERM_S = 5.0
_AFTER_KILL_S = 5.0


def descendants(pid: int) -> list[int]:
    """All descendants of ``pid`` from /proc, without zombies."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The command name may contain spaces and parentheses, so parse after the last parenthesis.
            state, parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state not in "ZX":
            children[int(parent)].append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children[queue.pop()]
        found += below
        queue += below
    return found


def signal_each(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _start(command: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        os.execv(command[0], command)  # noqa: S606 - a list of arguments, no shell
    except OSError as error:
        os.write(2, f"{command[0]}: {error}\n".encode())
    os._exit(127)


def _reap(main: int) -> int | None:
    """Reap all children that ended, including adopted ones; returns the command's wait status if it is one of them."""
    result = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return result
        if pid == main:
            result = status
        if pid == 0:
            return result


def _end(main: int, status: int | None, grace_s: float) -> int | None:
    """End the tree: SIGTERM to the command, then SIGTERM and SIGKILL to all remaining processes."""
    me = os.getpid()
    deadline = time.monotonic() + grace_s
    if status is None:
        signal_each([main], signal.SIGTERM)
        while status is None and time.monotonic() < deadline:
            signal.sigtimedwait([signal.SIGCHLD], 0.2)
            status = _reap(main)
    for number, wait_s in ((signal.SIGTERM, _AFTER_TERM_S), (signal.SIGKILL, _AFTER_KILL_S)):
        deadline = time.monotonic() + wait_s
        signalled: set[int] = set()
        while (remaining := descendants(me)) and time.monotonic() < deadline:
            # Signal each process once: a second SIGTERM would interrupt a run that is recording its end.
            signal_each([pid for pid in remaining if pid not in signalled], number)
            signalled.update(remaining)
            signal.sigtimedwait([signal.SIGCHLD], 0.2)
            ended = _reap(main)
            status = ended if status is None else status
    return status


def main(argv: list[str]) -> int:
    parent, grace_s, command = int(argv[0]), float(argv[1]), argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    child = _start(command)
    status = None
    # The parent may have ended before the first prctl, so compare its pid, too.
    while status is None and os.getppid() == parent:
        received = signal.sigtimedwait(_WATCHED, 1.0)
        status = _reap(child)
        if received is not None and received.si_signo in _STOP:
            break
    status = _end(child, status, grace_s)
    return os.waitstatus_to_exitcode(status) % 256 if status is not None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
