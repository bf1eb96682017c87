"""``bench``: measure the checker and the builtin log, as ratios within one run."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from chaoswal import bench, bench_wal
from chaoswal.bench import Measured, Recovered
from chaoswal.errors import Exit, UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal bench states       judged (image, history) pairs a second, beside others' reopening\n"
        "  chaoswal bench recording    microseconds a recorded call\n"
        "  chaoswal bench recovery     milliseconds to open a log, by segments and records in the WAL\n"
        "  chaoswal bench wal          the builtin log beside a bare loop and other engines, on a real disk\n\n"
        "A figure is the median of interleaved rounds; compare ratios, not times."
    )
    parser.add_argument("what", choices=["states", "recording", "recovery", "wal"], help="what to measure")
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (default: 9)")
    parser.add_argument("--profile", default="posix", help="the file system judged under (default: posix)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="wal: where to write (default: temporary, on a disk)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Measure; the exit code."""
    rounds = max(1, arguments.rounds)
    if arguments.what == "recovery":
        return _recovery(bench.recovery(rounds), json_wanted=arguments.json)
    if arguments.what == "wal":
        return _wal(rounds, arguments.dir, as_json=arguments.json)
    if arguments.what == "states":
        found = bench.states(rounds, arguments.profile)
    else:
        rates = bench.interleaved(bench.recording(), rounds)
        found = [Measured(name=name, per_second=rate, note=f"{1e6 / rate:.2f} us") for name, rate in rates.items()]
    if arguments.json:
        print(json.dumps({line.name: {"per_second": round(line.per_second), "note": line.note} for line in found}))
    else:
        rows = [(line.name, f"{line.per_second:,.0f}", line.note) for line in found]
        print(tabulate(rows, ["", "per second", ""], disable_numparse=True, colalign=("left", "right", "left")))
    return Exit.CLEAN


def _recovery(found: list[Recovered], *, json_wanted: bool) -> int:
    if json_wanted:
        print(json.dumps([asdict(line) for line in found]))
    else:
        rows = [(line.segments, line.wal_records, f"{line.milliseconds:.1f}", f"{line.peak_mib:.1f}") for line in found]
        heads = ["segments", "records in the WAL", "ms to open", "MiB at most"]
        print(tabulate(rows, heads, disable_numparse=True, tablefmt="github", colalign=("right",) * 4))
    return Exit.CLEAN


def _wal(rounds: int, directory: Path | None, *, as_json: bool) -> int:
    where = directory if directory is not None else bench_wal.real_directory()
    if not where.is_dir():
        raise UsageError(f"--dir: {where} is not a directory")
    lines = bench_wal.measure(rounds, where)
    if as_json:
        print(json.dumps({"file_system": bench_wal.file_system(where), "lines": [_object(line) for line in lines]}))
        return Exit.CLEAN
    rows = [(line.what, line.name, *_figures(line)) for line in lines]
    heads = ["", "", "per second", "half of the rounds", "ratio"]
    align = ("left", "left", "right", "right", "right")
    print(tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=align))
    print(f"\n{rounds} interleaved rounds on {bench_wal.file_system(where)}; the ratio is that of the medians")
    return Exit.CLEAN


def _figures(line: bench_wal.Line) -> tuple[str, str, str]:
    if not line.rates:
        return "UNKNOWN", "", "install chaoswal[bench]"
    low, high = line.quartiles
    return f"{line.median:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{line.median / line.base:.2f}"


def _object(line: bench_wal.Line) -> dict[str, object]:
    if not line.rates:
        return {"what": line.what, "name": line.name, "per_second": "UNKNOWN"}
    low, high = map(round, line.quartiles)
    ratio = round(line.median / line.base, 3)
    return {"what": line.what, "name": line.name, "per_second": round(line.median), "half": [low, high], "ratio": ratio}
