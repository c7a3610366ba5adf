"""What the kernel tells of this machine and of processes: processor time, memory, names and versions."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for one, words in _stats():
        children[int(words[1])].append(one)
    found = [pid]
    for one in found:
        found.extend(children[one])
    return found


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Every process with the words of its stat file after the name (proc(5))."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except OSError:  # it ended meanwhile
                continue
            yield int(folder.name), text.rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """Processor time of a tree so far, in steps of a tick (10 ms)."""
    wanted = set(tree(pid))
    return sum(int(words[11]) + int(words[12]) for one, words in _stats() if one in wanted) / TICK


def fine_cpu_seconds(pid: int) -> float:
    """Processor time of the threads of a tree that live, to the nanosecond: for what hardly does anything."""
    total = 0
    for one in tree(pid):
        for file in (PROC / str(one) / "task").glob("*/schedstat"):
            try:
                total += int(file.read_text().split()[0])
            except OSError:
                continue
    return total / 1e9


def pss_mib(pid: int) -> float:
    """Memory of a tree; what is shared counts once."""
    total = 0
    for one in tree(pid):
        try:
            lines = (PROC / str(one) / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def facts() -> dict[str, Any]:
    """The machine and the run, for the head of the table."""
    lines = (PROC / "cpuinfo").read_text().splitlines()
    model = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = int((PROC / "meminfo").read_text().split()[1]) >> 20
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{len(os.sched_getaffinity(0))} cores, {model[0] if model else platform.machine()}, {memory} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
