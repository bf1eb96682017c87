"""What a hostile engine may do to whoever runs it: one table for engines in the process, and for programs."""

import atexit
import builtins
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

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
        eaten.append(bytes(64 << 20))


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


def fork_bomb() -> None:
    for _ in range(50):
        fork()


def kill_parent() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.1)


def kill_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_parent() -> None:
    os.kill(os.getppid(), signal.SIGSTOP)


def stop_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGSTOP)


def time_bomb() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def crash() -> None:
    ctypes.string_at(0)


def put_over() -> None:
    """Put the way to nowhere in the place of all that is open."""
    nowhere = os.open("/dev/null", os.O_RDWR)
    for number in range(3, 64):
        if number != nowhere:
            os.dup2(nowhere, number)


def flood() -> None:
    for number in (1, 2):
        for _ in range(100):
            os.write(number, b"\xff rubbish {\0" * 9000)


def mask_all() -> None:
    os.umask(0o777)


def no_handlers() -> None:
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def block_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def no_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def no_bytes() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def no_processes() -> None:
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def no_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))


def _broken(*_: object, **__: object) -> NoReturn:
    raise OSError(5, "broken by the engine")


def break_os() -> None:
    for name in ("read", "write", "fork", "waitpid", "stat", "fstat", "listdir", "open", "kill", "_exit"):
        setattr(os, name, _broken)


def break_builtins() -> None:
    builtins.sorted = builtins.len = builtins.isinstance = builtins.open = _broken


def lie_in_builtins() -> None:
    """Let nothing ever differ, and nothing ever be found."""
    builtins.any = lambda _: False
    builtins.len = lambda _: 0


def break_checker() -> None:
    """Let the judge say that all is well."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("chaoswal.oracle", "chaoswal.check", "chaoswal.models")):
            for kind in list(vars(module).values()):
                if hasattr(kind, "judge"):
                    with contextlib.suppress(TypeError, AttributeError):
                        kind.judge = lambda *_, **__: None


def shallow() -> None:
    sys.setrecursionlimit(max(1, len(_frames()) + 4))


def _frames() -> list[object]:
    frame, frames = sys._getframe(), list[object]()
    while frame.f_back:
        frames.append(frame)
        frame = frame.f_back
    return frames


def deep() -> None:
    sys.setrecursionlimit(1 << 30)
    deeper: Callable[[Any], Any] = lambda again: repr([again(again)])  # noqa: E731
    deeper(deeper)


def trace() -> None:
    sys.settrace(_broken)
    sys.setprofile(_broken)


def eavesdrop() -> None:
    sys.addaudithook(_broken)


def collect() -> None:
    if _broken not in gc.callbacks:
        gc.callbacks.append(_broken)
    gc.collect(0)


def say_much() -> None:
    raise ValueError("\ud800 \x1b[2J much\n" * 1_000_000)


class Speechless(Exception):
    """Does not say what it is about."""

    def __str__(self) -> str:
        raise Rude

    __repr__ = __str__


def speechless() -> None:
    raise Speechless


def out_of_memory() -> None:
    raise MemoryError


def stop_iteration() -> None:
    raise StopIteration


def thread() -> None:
    """Leave a thread behind that works for ever, and keeps the interpreter from its end."""
    threading.Thread(target=spin).start()


def at_exit() -> None:
    atexit.register(hang)
    threading.Thread(target=time.sleep, args=(3600,)).start()


def pipe_in_directory() -> None:
    """Whoever opens one waits for ever."""
    for root in _directories():
        with contextlib.suppress(FileExistsError):
            os.mkfifo(os.path.join(root, "pipe"))


def loop_in_directory() -> None:
    for root in _directories():
        with contextlib.suppress(FileExistsError):
            os.symlink(".", os.path.join(root, "loop"))
            os.symlink("/etc", os.path.join(root, "machine"))


def holes_in_directory() -> None:
    """A file that is larger than all memory."""
    for root in _directories():
        with open(os.path.join(root, "holes"), "ab") as file:
            file.truncate(1 << 42)


def names_in_directory() -> None:
    for root in _directories():
        open(os.path.join(os.fsencode(root), b"\xff\n\x1b[2J"), "ab").close()


def depth_in_directory() -> None:
    for root in _directories():
        os.makedirs(os.path.join(root, *["d" * 200] * 15), exist_ok=True)


def remove_directory() -> None:
    for root in _directories():
        os.rename(root, f"{root}.gone")


DIRECTORIES: set[str] = set()
"""Where engines of this process were opened; none on the simulated disk."""


def _directories() -> list[str]:
    return sorted(DIRECTORIES)


TRICKS: dict[str, Callable[[], None]] = {
    trick.__name__.replace("_", "-"): trick
    for trick in (
        *(hang, spin, ignore_signals, swallow, fork, eat, kill, leave, leave_politely, rude, generator_exit, interrupt),
        *(write_outside, close_all, close_others, scribble, chatter, change_directory, replace_streams, fork_bomb),
        *(kill_parent, kill_group, stop, stop_parent, stop_group, time_bomb, crash, put_over, flood, mask_all),
        *(no_handlers, block_signals, no_files, no_bytes, no_processes, no_memory, break_os, break_builtins),
        *(lie_in_builtins, break_checker, shallow, deep, trace, eavesdrop, collect, say_much, speechless),
        *(out_of_memory, stop_iteration, thread, at_exit, pipe_in_directory, loop_in_directory, holes_in_directory),
        *(names_in_directory, depth_in_directory, remove_directory),
    )
}

HARMLESS = {"fork", "chatter", "change-directory", "replace-streams", "fork-bomb", "flood", "mask-all", "no-handlers"}
HARMLESS |= {"block-signals", "thread", "at-exit", "lie-in-builtins", "break-checker", "collect", "time-bomb"}
HARMLESS |= {"no-processes", "no-bytes", "no-memory"}
HARMLESS |= {"pipe-in-directory", "loop-in-directory", "names-in-directory", "depth-in-directory"}
"""Those that break nothing by themselves: played by an engine that loses what it acknowledged, and must be caught."""


class Cruel:
    """Is as bad to whoever looks at it as an object can be."""

    def __eq__(self, other: object) -> bool:
        raise Rude

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise Rude

    def __len__(self) -> int:
        raise Rude

    def __bool__(self) -> bool:
        raise Rude

    def __getattr__(self, name: str) -> object:
        raise Rude

    def __reduce__(self) -> NoReturn:
        raise Rude


class CruelBytes(bytes):
    """Bytes of that kind."""

    def __eq__(self, other: object) -> bool:
        raise Rude

    __hash__ = bytes.__hash__

    def __len__(self) -> int:
        raise Rude

    def __repr__(self) -> str:
        raise Rude

    def hex(self, *_: object) -> str:
        raise Rude


class Nested(list[Any]):
    """Holds itself, and much else."""

    def __init__(self) -> None:
        inner: list[Any] = []
        for _ in range(100_000):
            inner = [inner]
        super().__init__([self, inner])


def _endless(_: list[bytes]) -> Iterator[bytes]:
    while True:
        yield b"x" * 1000


def _broken_off(payloads: list[bytes]) -> Iterator[bytes]:
    yield from payloads
    raise Rude


SERVED: dict[str, Callable[[list[bytes]], Any]] = {
    "cruel": lambda payloads: [*payloads, Cruel()],
    "cruel-bytes": lambda payloads: list(map(CruelBytes, payloads)),
    "nothing": lambda _: None,
    "cruel-whole": lambda _: Cruel(),
    "nested": lambda payloads: [*payloads, Nested()],
    "million": lambda payloads: [*payloads, *[b"x"] * 1_000_000],
    "endless": _endless,
    "broken-off": _broken_off,
    "text": lambda payloads: [payload.hex() for payload in payloads],
    "changing": lambda payloads: [bytes(payload) + os.urandom(2) for payload in payloads],
}
"""What an engine may give out as its records, or say that an append has come to."""


def served(trick: str, payloads: list[bytes]) -> Iterable[Any]:
    """The records, by this trick."""
    return SERVED[trick](payloads)
