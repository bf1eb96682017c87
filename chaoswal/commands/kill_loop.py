"""``kill-loop``: real processes on a real directory, real SIGKILL, and every recovery compared with the model."""

import argparse
import json
import os
import secrets
import sys
from pathlib import Path

from chaoswal import arguments as words
from chaoswal.disk.faults import Fault
from chaoswal.disk.profiles import PROFILES, profile_named
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import UsageError
from chaoswal.killloop.aiming import Aim, Aiming
from chaoswal.killloop.blows import must_be_real
from chaoswal.killloop.campaign import FAULTS, PATIENCE_SECONDS, Campaign, Killing
from chaoswal.notices import Found, KillLoopFinished, Listener, Notice, Progress, Started
from chaoswal.processes import interruptible
from chaoswal.report import killloop as report
from chaoswal.report.terminal import Terminal

CYCLES_DEFAULT, FAULTS_DEFAULT = 200, 20
RANDOM, SYSCALLS = MOMENTS = "random", "syscalls"
"""When a process is killed."""

_EPILOG = """examples:
  chaoswal kill-loop                                        200 kills of the builtin log
  chaoswal kill-loop --cycles 500 --faults kill,torn,power  and power cuts on the simulated disk behind it
  chaoswal kill-loop sqlite -o journal=delete --duration 60s
  chaoswal kill-loop persist-queue -o kind=sqlite           a queue; and key-value stores in the same way
  chaoswal kill-loop my_engine.py:Engine --dir /mnt/ext4/scratch --keep
  chaoswal kill-loop dbm.dumb --at syscalls                 a process for each system call, killed at its entry
  chaoswal kill-loop sqlite --fault 'fail EIO on fdatasync of *-wal nth 2 once'
  chaoswal kill-loop 'cmd:./mylog {dir}' --at syscalls --cycles 500

faults, one drawn for each cycle:
  kill   SIGKILL, and nothing more: every change that was made is there
  torn   the write it came in, or the last one no sync has covered, is cut short as well
  power  of what no sync has covered, what --profile says may be lost is lost
torn and power need an engine that takes a vfs: only then is every change of its files known.

--at syscalls takes engines of every contract, and programs. What is drawn is run once; then each call of it that
changed a file or a name, or made it durable, has a process of its own that is killed at its entry (--cycles: so many
kills). The trace says whether it was: with a call that was missed the verdict is UNKNOWN. It needs strace(1).

--fault lets one call of a real process fail, which goes on, ends, and is judged as one that met an error (--cycles: so
many processes). strace returns errors; a disk that is full from some write on is a small tmpfs (root); a write is cut
short by a limit on file sizes, which stays. What a real process cannot be made to meet is refused.

The options that an adapter offers for it (its `draws`) are drawn anew for every process, told at the end with their
counts, and named in a finding; -o fixes one.

exit code: 0 clean, 1 violation, 2 usage, 3 internal error, 4 inconclusive, 5 nothing ran, 130 interrupted"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = _EPILOG
    parser.add_argument("engine", metavar="ENGINE", nargs="?", default="wal", help="a name, or path/to/file.py:Class")
    parser.add_argument("--cycles", type=words.count, metavar="N", help=f"so many kills (default {CYCLES_DEFAULT})")
    parser.add_argument("--duration", type=words.seconds, metavar="TIME", help="so long: 60s, 5m, 1h, or seconds")
    parser.add_argument("--seed", type=words.whole, metavar="N", help="what is drawn follows from it (default: random)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="an empty directory (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave the directory when all is over")
    parser.add_argument(
        "--workers", type=words.count, metavar="N", help="loops at a time (default: a core each, at most 2)"
    )
    parser.add_argument("--at", choices=MOMENTS, default=RANDOM, help="when to kill: at random, or at each system call")
    parser.add_argument("--fault", metavar="PLAN", help="instead of a kill: 'fail EIO on fsync of *.wal nth 3 once'")
    parser.add_argument("--profile", default="ext4-ordered", metavar="NAME", help=f"one of {', '.join(PROFILES)}")
    parser.add_argument("--faults", default="kill", metavar="LIST", help="kill, torn, power (default: kill)")
    parser.add_argument(
        "--patience", type=words.seconds, metavar="TIME", help=f"what is slower hangs ({PATIENCE_SECONDS:g}s)"
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="where findings go (default: beside the directory)")
    parser.add_argument(
        "-o", dest="options", metavar="KEY=VALUE", action="append", default=[], help="an engine option, not to be drawn"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Run; the exit code."""
    if not sys.platform.startswith("linux"):
        raise UsageError("the kill loop needs Linux: it forks, and children die with their parent")
    listener = _listener(as_json=arguments.json)
    if arguments.at == SYSCALLS or arguments.fault:
        aim = _aim(arguments)
        with interruptible():
            return Aiming(aim, listener).run()
    campaign = _plan(arguments)
    with interruptible():
        return Killing(campaign, listener).run()


def _aim(arguments: argparse.Namespace) -> Aim:
    """The campaign that aims at system calls, or a UsageError that says what is wrong with it."""
    engine = EngineRef.of(arguments.engine, arguments.options)
    if arguments.faults != "kill":
        raise UsageError(f"--faults {arguments.faults}: no power is cut with --at syscalls or --fault, nothing torn")
    fault = Fault.parse(arguments.fault) if arguments.fault else None
    if fault:
        must_be_real(fault)
    if fault and arguments.at == SYSCALLS:
        raise UsageError("--at syscalls --fault: a process is killed at a call, or a call of it fails: choose one")
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    kills = FAULTS_DEFAULT if fault else CYCLES_DEFAULT
    return Aim(
        engine=engine,
        factory=engine.factory(),
        seed=seed,
        fault=fault,
        kills=arguments.cycles or (None if arguments.duration else kills),
        duration=arguments.duration,
        directory=arguments.dir,
        keep=arguments.keep,
        corpus=arguments.corpus,
        command=words.again(arguments, seed),
    )


def _plan(arguments: argparse.Namespace) -> Campaign:
    """The campaign, or a UsageError that says what is wrong with it."""
    engine = EngineRef.of(arguments.engine, arguments.options)
    if engine.is_program:
        raise UsageError(f"{engine.name}: kills of a program are judged by explore, or by --at syscalls")
    factory = engine.factory()
    faults = _faults(arguments.faults, arguments.profile, factory)
    cycles = arguments.cycles or (None if arguments.duration else CYCLES_DEFAULT)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    workers = arguments.workers or min(2, os.cpu_count() or 1)
    return Campaign(
        engine=engine,
        factory=factory,
        faults=faults,
        profile=arguments.profile,
        seed=seed,
        cycles=cycles,
        duration=arguments.duration,
        workers=min(workers, cycles or workers),
        patience=arguments.patience or PATIENCE_SECONDS,
        directory=arguments.dir,
        keep=arguments.keep,
        corpus=arguments.corpus,
        command=words.again(arguments, seed),
    )


def _faults(asked: str, profile: str, factory: Factory) -> tuple[str, ...]:
    faults = words.listed("--faults", asked, FAULTS)
    beyond = [word for word in faults if word != "kill"]
    if beyond and not factory.takes_vfs:
        raise UsageError(
            f"--faults {','.join(beyond)}: the engine {factory.name!r} takes no vfs, so what it has written and not "
            "synced is not known, and nothing of it can be lost honestly; use --faults kill"
        )
    profile_named(profile)
    if beyond and profile == "kill":
        raise UsageError(f"--faults {','.join(beyond)} --profile kill: under this profile nothing is ever lost")
    return faults


def _listener(*, as_json: bool) -> Listener:
    """Whoever listens to a campaign on this terminal."""
    terminal = Terminal(sys.stderr)

    def listen(notice: Notice) -> None:
        match notice:
            case Started():
                terminal.say(report.started(notice))
            case Progress():
                terminal.progress(report.progress_line(notice))
            case Found():
                terminal.say(report.finding(notice))
            case KillLoopFinished():
                terminal.say(report.finished(notice))
                if as_json:
                    print(json.dumps(report.summary(notice)))

    return listen
