"""Ports for programs that take a number and not a socket. No tests."""

import random
from contextlib import suppress

from etl_platform.local.emulator import listen_on_loopback
from etl_platform.local.processes import LocalStackError


def free_port() -> int:
    """A port that is free until its program opens it: Linux gives none below 32,768 to whoever asks for any."""
    while True:
        port = random.randrange(10_000, 32_768)
        with suppress(LocalStackError):
            listen_on_loopback(port).close()
            return port
