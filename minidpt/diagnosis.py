"""What a report about a problem should say of the machine: versions, CPU, threads, folders, the graphics card, whether
kernels are right.

The self-tests run every example of the menu on NumPy's column and on another. Sections come one by one, so that what is
known is told even where a later one ends the process.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__, cpus
from .checkpoints import hub
from .errors import ConfigError, HubError, one_line
from .ops import PRECISIONS, Backend, choose, using
from .ops.backends import NUMPY, cuda_backend, numba_backend
from .ops.examples import EXAMPLES, random_arguments, run

PACKAGES = ("numpy", "numba", "numba-cuda", "nvmath-python", "llvmlite", "scipy", "pillow", "safetensors")
EXTRAS = {
    "hub": ("huggingface_hub",),
    "plot": ("matplotlib",),
    "cuda": ("numba_cuda",),
    "parity": ("torch", "transformers"),
}
FEATURES = (  # in the kernel's words, of x86 and of ARM
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16",
    "asimd", "asimdhp", "sve", "bf16",
)  # fmt: skip
BOUND = 2e-5  # of the largest value, at least of 1: float32 sums of up to 9216 terms in another order

Section = dict[str, Any]


def diagnose() -> Iterator[tuple[str, Section]]:
    """(name, facts) of each section.

    `self_test` is there always, its `passed` None where there is nothing to test; `card_self_test` where a card is.
    """
    yield "versions", versions()
    yield "cpu", cpu()
    yield "room", room()
    yield "weights", weights()
    yield "extras", {extra: all(map(importlib.util.find_spec, names)) for extra, names in EXTRAS.items()}
    try:
        numba: Backend | None = numba_backend()
        missing = ""
    except ConfigError as error:
        numba, missing = None, str(error)
    yield "backend", backend(missing)
    tested = self_test(numba) if numba is not None else {"passed": None, "why_not": missing}
    if numba is not None:
        yield "kernels", kernels()
    yield "self_test", tested
    try:
        cuda = cuda_backend()
    except ConfigError as error:
        yield "card", {"usable": False, "because": str(error)}
        return
    yield "card", card(cuda)
    yield "card_self_test", self_test(cuda)


def versions() -> Section:
    found: Section = {"minidpt": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def cpu() -> Section:
    name, flags = cpus.name_and_flags()
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    return {
        "name": name or platform.machine(),
        "features": [feature for feature in FEATURES if feature in flags],
        "affinity": cpus.affinity(),
        "quota": cpus.cpu_quota(),
        "available": cpus.available(),
        "set": {variable: os.environ[variable] for variable in cpus.THREAD_VARIABLES if variable in os.environ},
        "blas": f"{blas.get('name')} {blas.get('version')}",
    }


def room() -> Section:
    """Free bytes where the command runs, and of memory."""
    return {"disk": shutil.disk_usage(Path.cwd()).free, "memory": cpus.available_memory()}


def weights() -> Section:
    try:
        return {"folder": str(hub.cache_folder("")), "offline": hub.is_offline()}
    except HubError:
        return {"folder": None, "offline": None}


def backend(missing: str) -> Section:
    """What `auto` chooses, and why.   missing: why there is no Numba, or nothing"""
    chosen = choose("auto")[0]
    precisions = {p: choose(chosen, p) for p in PRECISIONS}
    does = {p: table.means if runs == p else f"runs {runs} instead" for p, (table, runs) in precisions.items()}
    return {"auto": chosen.name, "because": missing or "it is the fastest that works here", "precisions": does}


def self_test(tested: Backend) -> Section:
    """Every example of the menu on NumPy's column and on another: the largest error of each op, and what is wrong."""
    errors: dict[str, float] = {}
    wrong: dict[str, str] = {}
    with using(tested), np.errstate(all="ignore"):
        for example in EXAMPLES:
            op = example[0]
            args, options = random_arguments(example)
            try:
                error = _difference(run(tested, op, args, options), run(NUMPY, op, args, options))
            except Exception as problem:
                wrong[op] = f"{type(problem).__name__}: {one_line(problem)}"
                continue
            errors[op] = max(error, errors.get(op, 0.0))
            if not error <= BOUND:
                wrong[op] = f"differs by {error:.1e}, allowed {BOUND:.0e}"
    worst = max(errors, key=errors.__getitem__, default=None)
    return {
        "passed": not wrong,
        "ops": len(errors),
        "worst": None if worst is None else f"{worst}: {errors[worst]:.1e}",
        "errors": {op: float(f"{error:.3g}") for op, error in errors.items() if error},
        "wrong": wrong,
    }


def _difference(mine: Any, reference: Any) -> float:
    """The largest error, as a share of the largest value (of 1, where that is less). Infinite where shapes differ."""
    if np.shape(mine) != np.shape(reference):
        return np.inf
    wide = np.asarray(reference, np.float64)
    error = np.abs(np.asarray(mine, np.float64) - wide).max(initial=0.0)
    return float(error / max(1.0, np.abs(wide).max(initial=0.0)))


def card(cuda: Backend) -> Section:
    """What backend `cuda` runs on, and whose products it takes. Where it can run."""
    from .ops import cublas_cuda, device_cuda

    try:
        facts = device_cuda.card()
    except Exception as error:  # the driver's
        facts = {"problem": one_line(error)}
    missing = cublas_cuda.refusal()
    return {
        "usable": True,
        **facts,
        "library": f"none: {missing}" if missing else f"cuBLASLt {cublas_cuda.version()}",
        "precisions": {p: cuda.at(p).means for p in cuda.precisions if cuda.at},
    }


def kernels() -> Section:
    """Where compiled kernels are kept, and what runs them. After a kernel ran."""
    from .ops import compiling_numba, turns_numba

    files = compiling_numba.kept()
    return {
        "threading_layer": turns_numba.threading_layer(),
        "threads": turns_numba.threads(),
        "folder": str(compiling_numba.folder()),
        "problem": compiling_numba.problem(),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
    }
