"""What this process may use: CPUs, memory, and one number of threads for BLAS and Numba. Imports no NumPy."""

import math
import os
import sys
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
CPU_INFO, MEMORY_INFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def bound_pools(count: int | None = None) -> None:
    """Let BLAS and Numba start `count` threads. They read this when first imported, so it comes before NumPy is.

    None: what the user's OMP_NUM_THREADS says, else `available` where that is fewer than they would take themselves.
    Any variable that the user set stands then.
    """
    for variable in THREAD_VARIABLES:
        if variable == "NUMBA_NUM_THREADS" and "numba" in sys.modules:
            continue  # Numba refuses a change once it runs
        if count is not None:
            os.environ[variable] = str(count)
        elif _said() or available() < affinity():
            os.environ.setdefault(variable, str(_said() or available()))


def bound_numba() -> None:
    """The same for Numba alone, where NumPy and with it BLAS run already."""
    if "numba" not in sys.modules:
        os.environ.setdefault("NUMBA_NUM_THREADS", str(_said() or available()))


def _said() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) else None


def available() -> int:
    """The CPUs that this process may be put on, or fewer where a quota of CPU time lets it use fewer, rounded up."""
    quota = cpu_quota()
    return affinity() if quota is None else max(1, min(affinity(), math.ceil(quota)))


def affinity() -> int:
    """The CPUs that this process may be put on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_quota() -> float | None:
    """The CPUs' worth of time that the control groups of this process grant it, the least of them; None if no limit.

    [Linux: cgroup v2 cpu.max; v1 cpu.cfs_quota_us, cpu.cfs_period_us]
    """
    shares = []
    for line in _text(OWN_CGROUPS).splitlines():
        controllers, path = line.split(":", 2)[1:]
        if not controllers:  # version 2
            shares += [_share(_text(level / "cpu.max")) for level in _levels(CGROUPS, path)]
        elif "cpu" in controllers.split(","):
            for level in (*_levels(CGROUPS / "cpu", path), *_levels(CGROUPS / controllers, path)):
                shares.append(_share(_text(level / "cpu.cfs_quota_us") + _text(level / "cpu.cfs_period_us")))
    return min((share for share in shares if share is not None), default=None)


def _levels(mount: Path, path: str) -> list[Path]:
    """A group's folder and those above it. Inside a container they may be mounted from elsewhere: all are tried."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:count]) for count in range(len(parts) + 1)]


def _share(text: str) -> float | None:
    """Quota and period -> their ratio; a quota of `max` or -1 is no limit."""
    try:
        quota, period = map(int, text.split())
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def name_and_flags() -> tuple[str, list[str]]:
    """The CPU's name and what it can do, in the kernel's words; empty where there is no /proc/cpuinfo."""
    facts = dict(line.partition(":")[::2] for line in _text(CPU_INFO).split("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    return facts.get("model name", ""), (facts.get("flags") or facts.get("Features") or "").split()


def available_memory() -> int | None:
    """Bytes that new work may take without swapping; None where /proc/meminfo does not say."""
    for line in _text(MEMORY_INFO).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
