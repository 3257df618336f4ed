"""What the computer is, and the environment that bounds a process: how many threads, which instructions."""

import os
import platform
import re
import sys
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ISAS = {  # what to restrict a process to -> the variables that each library reads before it looks at the CPU
    "avx2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # PyTorch's and OpenVINO's convolutions and products
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch's products
        "OPENBLAS_CORETYPE": "Haswell",  # NumPy's products
        "NUMBA_CPU_NAME": "haswell",  # minidpt's kernels
    },
}
UNRESTRICTED = {  # isa -> engine -> what of it heeds no variable
    "avx2": {
        "onnxruntime": "all of it",
        "openvino": "its MLAS products, 36 in Depth-Anything-V2-Small, and a fourth of its generated loops",
    }
}


def environment(threads: int, isa: str | None = None) -> dict[str, str]:
    """This process's environment, bounded for a child.   isa: a key of ISAS"""
    return {**os.environ, **dict.fromkeys(THREADS, str(threads)), **(ISAS[isa] if isa else {})}


def described() -> str:
    """The CPU in a line: name, cores, the instructions that matter here. Nothing that tells which machine it is."""
    text = _read("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", text)
    flags = re.search(r"(?:flags|Features)\s*:\s*(.+)", text)
    found = set(flags[1].split()) if flags else set()
    known = [feature for feature in FEATURES if feature in found]
    cores = f"{os.cpu_count()} cores"
    return ", ".join([name[1].strip() if name else platform.machine(), cores, *([" ".join(known)] if known else [])])


def peak_memory() -> int | None:
    """The largest part of memory that this process has held, in bytes; None where the system does not tell.

    On Linux not from getrusage, whose figure a child inherits from its parent.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", _read("/proc/self/status"))
    if found:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_memory() -> int | None:
    """What a new process could take without swapping, in bytes; None where the system does not tell."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    return int(found[1]) * 1024 if found else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
