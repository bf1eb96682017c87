"""What a hostile engine may do to whoever runs it: one table for engines in the process, and for programs."""

import os
import signal
import sys
import time
from collections.abc import Callable

OUTSIDE = "CHAOSWAL_TEST_OUTSIDE"
"""The environment variable that names the file a trick writes outside its directory."""


class Rude(BaseException):
    """Is no Exception."""


def hang() -> None:
    while True:
        time.sleep(3600)


def spin() -> None:
    while True:
        pass


def ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    hang()


def swallow() -> None:
    while True:
        try:
            hang()
        except BaseException:  # noqa: BLE001 - this is the trick
            continue


def fork() -> None:
    """Leave a child behind that has a session of its own and holds all that was open."""
    if not os.fork():
        os.setsid()
        time.sleep(3600)
        os._exit(0)


def eat() -> None:
    eaten = []
    while True:
        eaten.append(b"x" * (64 << 20))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(0)


def leave_politely() -> None:
    sys.exit(0)


def rude() -> None:
    raise Rude


def generator_exit() -> None:
    raise GeneratorExit


def interrupt() -> None:
    raise KeyboardInterrupt


def write_outside() -> None:
    with open(os.environ[OUTSIDE], "a", encoding="ascii") as file:
        file.write("here\n")


def close_all() -> None:
    os.closerange(0, 1024)


def close_others() -> None:
    os.closerange(3, 1024)


def scribble() -> None:
    """Write into whatever is open, the pipes of the checker too."""
    for number in range(3, 64):
        try:
            os.set_blocking(number, False)
            os.write(number, b"rubbish\n" * 9)
        except OSError:
            continue  # nobody has it open, or it is not for writing


def chatter() -> None:
    for number in (1, 2):
        os.write(number, b"\xff\0 rubbish {\n" * 999)


def change_directory() -> None:
    os.chdir("/")


def replace_streams() -> None:
    sys.stdout = sys.stderr = None


TRICKS: dict[str, Callable[[], None]] = {
    trick.__name__.replace("_", "-"): trick
    for trick in (
        *(hang, spin, ignore_signals, swallow, fork, eat, kill, leave, leave_politely, rude, generator_exit, interrupt),
        *(write_outside, close_all, close_others, scribble, chatter, change_directory, replace_streams),
    )
}

HARMLESS = {"fork", "chatter", "change-directory", "replace-streams"}
"""Those that break nothing by themselves: played by an engine that loses what it acknowledged, and must be caught."""
