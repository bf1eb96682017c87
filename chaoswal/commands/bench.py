"""``bench``: measure the checker and the builtin log, as ratios within one run."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from chaoswal import arguments as words
from chaoswal import bench, bench_engines, bench_explore, bench_saved, bench_syscalls, bench_wal
from chaoswal.bench import Measured, Recovered
from chaoswal.errors import Exit, UsageError

WHAT = ("states", "explore", "engines", "recording", "syscalls", "recovery", "wal")
"""What can be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a benchmark shows: a table for people, an object for programs, and the ratios to be compared."""

    table: str
    found: Any
    ratios: dict[str, float]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal bench states       judged (image, history) pairs a second, beside others' reopening\n"
        "  chaoswal bench explore      the same under every profile, in one process and in two, and of longer logs\n"
        "  chaoswal bench engines      what explore judges of SQLite, LevelDB and others, by one worker and by two\n"
        "  chaoswal bench recording    microseconds a recorded call, beside a loop that does nothing\n"
        "  chaoswal bench syscalls     SQLite recorded under strace beside a bare run, and its crash states judged\n"
        "  chaoswal bench recovery     milliseconds to open a log, by segments and records in the WAL\n"
        "  chaoswal bench wal          the builtin log beside a bare loop and other engines, on a real disk\n"
        "  chaoswal bench states --save FILE; chaoswal bench states --compare FILE\n\n"
        "A figure is the median of interleaved rounds; compare ratios, not times.\n"
        "exit code: 0, or with --compare 1 where a ratio has fallen by more than a fifth; 2 usage"
    )
    parser.add_argument("what", choices=WHAT, help="what to measure")
    parser.add_argument("--rounds", type=words.count, default=9, help="interleaved rounds (default: 9)")
    parser.add_argument("--profile", default="posix", help="the file system judged under (default: posix)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="wal: where to write (default: temporary, on a disk)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the ratios, to be compared with later")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="compare with ratios that were kept")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Measure; the exit code."""
    before = bench_saved.load(arguments.compare, arguments.what) if arguments.compare else None
    shown = _measure(arguments)
    changes = bench_saved.compare(before, shown.ratios) if before is not None else []
    if arguments.save:
        bench_saved.save(arguments.save, arguments.what, shown.ratios)
    if arguments.json:
        print(json.dumps({"figures": shown.found, "changes": [_change(change) for change in changes]}))
    else:
        print(shown.table + (f"\n\n{_compared(changes)}" if changes else ""))
    return Exit.VIOLATION if any(change.fell(bench_saved.TOLERANCE) for change in changes) else Exit.CLEAN


def _measure(arguments: argparse.Namespace) -> Shown:
    match arguments.what:
        case "recovery":
            return _recovery(bench.recovery(arguments.rounds))
        case "wal":
            return _wal(arguments.rounds, arguments.dir)
        case "explore":
            return _explored(bench_explore.measure(arguments.rounds))
        case "engines":
            return _engines(bench_engines.measure(arguments.rounds))
        case "states":
            return _rates(bench.states(arguments.rounds, arguments.profile), base="reopen sqlite3")
        case "syscalls":
            return _rates(bench_syscalls.measure(arguments.rounds), base=bench_syscalls.BARE)
        case _:
            return _rates(bench.recorded(arguments.rounds), base=bench.NOTHING)


def _rates(found: Sequence[Measured], base: str) -> Shown:
    rows = [(line.name, f"{line.per_second:,.0f}", line.note) for line in found]
    rates = {line.name: line.per_second for line in found if line.per_second}
    return Shown(
        table=tabulate(rows, ["", "per second", ""], disable_numparse=True, colalign=("left", "right", "left")),
        found={line.name: {"per_second": round(line.per_second), "note": line.note} for line in found},
        ratios={name: rate / rates[base] for name, rate in rates.items()},
    )


def _explored(found: bench_explore.Explored) -> Shown:
    rates = [("one process", f"{found.one:,.0f}", "1.00"), ("two processes", f"{found.two:,.0f}", f"{found.ratio:.2f}")]
    costs = [
        (cost.records, f"{cost.log_bytes:,}", f"{cost.microseconds:.0f}", f"{cost.nanoseconds_a_byte:.1f}")
        for cost in found.costs
    ]
    memory = f"{found.peak_first_mib:.1f} MiB after the first round, {found.peak_last_mib:.1f} after the last"
    first = _numbers(rates, ["", "pairs a second", "ratio"])
    second = _numbers(costs, ["records", "bytes", "us a pair", "ns a byte"])
    return Shown(
        table=f"{first}\n\n{second}\n\n{found.pairs:,} pairs; the most memory of a process: {memory}",
        found=asdict(found),
        ratios={"two processes": found.ratio},
    )


def _engines(found: Sequence[bench_engines.Rate]) -> Shown:
    rows = [
        (rate.engine, rate.recorder, rate.workers, f"{rate.per_second:,.0f}", f"{rate.processor_ms:.2f}")
        if rate.per_second
        else (rate.engine, rate.recorder, "", rate.note, "")
        for rate in found
    ]
    heads = ["", "recorder", "workers", "states a second", "processor ms a state"]
    base = {rate.engine: rate.per_second for rate in found if rate.workers == 1}
    return Shown(
        table=tabulate(
            rows, heads, disable_numparse=True, tablefmt="github", colalign=("left", "left", *["right"] * 3)
        ),
        found=[asdict(rate) for rate in found],
        ratios={
            f"{rate.engine}, {rate.workers} workers": rate.per_second / base[rate.engine]
            for rate in found
            if rate.workers > 1
        },
    )


def _recovery(found: Sequence[Recovered]) -> Shown:
    rows = [(line.segments, line.wal_records, f"{line.milliseconds:.1f}", f"{line.peak_mib:.1f}") for line in found]
    heads = ["segments", "records in the WAL", "ms to open", "MiB at most"]
    base = found[0].milliseconds
    return Shown(
        table=_numbers(rows, heads),
        found=[asdict(line) for line in found],
        ratios={f"{line.segments} segments, {line.wal_records} records": base / line.milliseconds for line in found},
    )


def _numbers(rows: Sequence[tuple[object, ...]], heads: Sequence[str]) -> str:
    return tabulate(rows, heads, disable_numparse=True, tablefmt="github", colalign=("right",) * len(heads))


def _wal(rounds: int, directory: Path | None) -> Shown:
    where = directory if directory is not None else bench_wal.real_directory()
    if not where.is_dir():
        raise UsageError(f"--dir: {where} is not a directory")
    lines = bench_wal.measure(rounds, where)
    rows = [(line.what, line.name, *_figures(line)) for line in lines]
    heads = ["", "", "per second", "half of the rounds", "ratio", "half of the rounds"]
    align = ("left", "left", "right", "right", "right", "right")
    table = tabulate(rows, heads, tablefmt="pipe", disable_numparse=True, colalign=align)
    file_system = bench_wal.file_system(where)
    return Shown(
        table=f"{table}\n\n{rounds} interleaved rounds on {file_system}; a ratio is taken within a round",
        found={"file_system": file_system, "lines": [_object(line) for line in lines]},
        ratios={f"{line.what}: {line.name}": bench_wal.median_and_half(line.ratios)[0] for line in lines if line.rates},
    )


def _figures(line: bench_wal.Line) -> tuple[str, str, str, str]:
    if not line.rates:
        return "UNKNOWN", "", "install chaoswal[bench]", ""
    middle, low, high = bench_wal.median_and_half(line.rates)
    ratio, least, most = bench_wal.median_and_half(line.ratios)
    return f"{middle:,.0f}", f"{low:,.0f} to {high:,.0f}", f"{ratio:.2f}", f"{least:.2f} to {most:.2f}"


def _object(line: bench_wal.Line) -> dict[str, object]:
    if not line.rates:
        return {"what": line.what, "name": line.name, "per_second": "UNKNOWN"}
    middle, *half = map(round, bench_wal.median_and_half(line.rates))
    ratio, *ratio_half = (round(value, 3) for value in bench_wal.median_and_half(line.ratios))
    told = {"per_second": middle, "half": half, "ratio": ratio, "ratio_half": ratio_half}
    return {"what": line.what, "name": line.name, **told}


def _compared(changes: Sequence[bench_saved.Change]) -> str:
    rows = [
        (change.name, _ratio(change.before), _ratio(change.now), "SLOWER" if change.fell(bench_saved.TOLERANCE) else "")
        for change in changes
    ]
    return tabulate(rows, ["ratio of", "before", "now", ""], disable_numparse=True, tablefmt="simple")


def _ratio(value: float | None) -> str:
    return "UNKNOWN" if value is None else f"{value:.3f}"


def _change(change: bench_saved.Change) -> dict[str, object]:
    return {**asdict(change), "slower": change.fell(bench_saved.TOLERANCE)}
