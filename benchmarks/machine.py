"""What the numbers were measured on, as the system tells it; what it does not tell is left out."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil


def machine() -> dict[str, str]:
    """Words, in the order in which they are printed. `load` says whether others worked on the machine, too."""
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    told = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": f"{psutil.cpu_count()} × {_cpu()}",
        "RAM": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Chromium": _chromium(),
        "load": None if busy is None else f"{busy:.1f} at the start, on {os.cpu_count()} cores",
        "commit": _commit(),
    }
    return {name: words for name, words in told.items() if words}


def cpu_s(*pids: int) -> float:
    """What these processes have used of processors so far, all together."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(each.user + each.system for each in times))


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _chromium() -> str | None:
    from .driver import executable

    with suppress(RuntimeError, OSError, subprocess.SubprocessError):
        said = subprocess.run(
            [executable(), "--version"], capture_output=True, text=True, timeout=60, check=True
        )
        return next((word for word in said.stdout.split() if word[0].isdigit()), None)
    return None


def _commit() -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    return None
