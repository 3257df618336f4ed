"""How every kernel is compiled, and where the machine code is kept from one process to the next.

Numba's own cache lies beside the sources and lets the import fail where nothing can be written; one broken file of it
ends every later run; it does not see a change in a function of another file. So kernels have a cache of their own: one
file for each kernel and kind of arguments, in a folder of the user's whose name changes with any kernel's source. What
goes wrong with files only costs compiling again. What is in them is run: nobody else may be able to write there.
"""

import contextlib
import errno
import hashlib
import inspect
import logging
import os
import pickle
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from .. import __version__

SUFFIX = ".kernel"
FOLDER = re.compile(r"\d[\w.+]*-\d[\w.+]*-[0-9a-f]{16}")  # what `key` makes
SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "ENABLE_AVX", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")  # change code
KEPT_FOLDERS = 3  # of other versions, the last ones used
DIGEST_BYTES = 32
NO_FOLDER = "no user folder for caches is known; name one with XDG_CACHE_HOME"

progress = logging.getLogger("minidpt.kernels")
KERNELS: dict[str, "KernelCache"] = {}  # by name, as the modules define them


def compiled(*, parallel: bool = False, fastmath: set[str] | None = None) -> Callable[[Callable], Any]:
    """njit as all kernels here have it: IEEE division, a cache of our own.

    parallel: kernels that Python calls; the others are parts that LLVM puts into them.
    fastmath: MAP or REDUCE of vector_math_numba.py, or none.
    """

    def compile_lazily(function: Callable) -> Any:
        dispatcher: Any = numba.njit(parallel=parallel, fastmath=fastmath or False, error_model="numpy")(function)
        if not hasattr(dispatcher, "py_func"):  # NUMBA_DISABLE_JIT: the function itself
            return dispatcher
        dispatcher._cache = KernelCache(function, called=parallel)
        KERNELS[dispatcher._cache.name] = dispatcher._cache
        return dispatcher

    return compile_lazily


class KernelCache(NullCache):
    """What Numba's dispatcher asks before it compiles a kernel for a kind of arguments, and tells afterwards.

    called: by Python, not only by other kernels.   ready: loaded or compiled, for some arguments.
    seconds: what compiling took in this process.
    """

    def __init__(self, function: Callable, *, called: bool) -> None:
        module = Path(inspect.getfile(function)).stem.removesuffix("_numba")
        self.name = f"{module}.{function.__name__.lstrip('_')}"
        self.called = called
        self.ready = False
        self.seconds = 0.0
        self._began = 0.0

    @property
    def cache_path(self) -> str | None:
        place = folder()
        return None if place is None else str(place)

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """The compiled kernel; None if it is not there, or broken, or in a folder that others can write to."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            if path is not None and is_private(path.parent):
                found = CompileResult._rebuild(target_context, *_unpacked(path.read_bytes()))
                _mark_as_used(path.parent)
                self.ready = True
                return found
        except FileNotFoundError:
            pass
        except Exception as error:  # a broken file may raise anything
            progress.debug("%s: cannot be read (%r), is compiled again", path, error)
            with contextlib.suppress(OSError):
                path.unlink()  # type: ignore[union-attr]
        if self.called:
            self.ready = True
            extra = {"number": len(_called(ready=True)), "total": len(_called())}
            progress.info("compiling kernel %s", self.name, extra=extra)
        self._began = time.perf_counter()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if it can be kept."""
        self.seconds += time.perf_counter() - self._began
        if self.called:
            progress.info("compiled kernel %s", self.name)
        path = self._path(sig, data.codegen)
        if path is None:
            _say_once(NO_FOLDER)
        elif not data.library.has_dynamic_globals:  # addresses of this process
            try:
                _make_private(path.parent)
                _publish(path, dumps(data._reduce()))
            except OSError as error:
                _say_once(f"{path.parent}: {error.strerror or error}")

    def _path(self, sig: Any, codegen: Any) -> Path | None:
        """The file for this kind of arguments on this CPU, in this Python."""
        place = folder()
        if place is None:
            return None
        settings = [getattr(numba.config, name, None) for name in SETTINGS]
        kind = hashlib.sha256(repr((str(sig), codegen.magic_tuple(), settings)).encode()).hexdigest()[:16]
        return place / f"{self.name}-{kind}.{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}{SUFFIX}"


def _called(ready: bool = False) -> list[KernelCache]:
    return [k for k in KERNELS.values() if k.called and (k.ready or not ready)]


@cache
def key(sources: Path = Path(__file__).parent) -> str:
    """minidpt's version, Numba's, and a digest of all kernel sources: a kernel holds the code of those it calls."""
    digest = hashlib.sha256()
    for path in sorted(sources.glob("*_numba.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"{__version__}-{numba.__version__}-{digest.hexdigest()[:16]}"


def folder() -> Path | None:
    """Where compiled kernels are kept: below NUMBA_CACHE_DIR if that is set, else below the user's cache folder.

    None if there is none, or the sources cannot be read. Nothing is created.
    """
    try:
        chosen = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
        root = Path(chosen) if chosen else Path.home() / ".cache"
        return root.absolute() / "minidpt" / "kernels" / key()
    except (OSError, RuntimeError):  # RuntimeError: no home
        return None


def kept() -> list[Path]:
    """The files of compiled kernels that are there."""
    place = folder()
    try:
        return sorted(place.glob(f"*{SUFFIX}")) if place is not None and is_private(place) else []
    except OSError:
        return []


def problem() -> str | None:
    """Why compiled kernels cannot be kept; None if they can."""
    place = folder()
    if place is None:
        return NO_FOLDER
    try:
        _make_private(place)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def is_private(place: Path) -> bool:
    """Whether the folder and the one above it are real ones that nobody but this user and root can write to.

    FileNotFoundError if it is not there.
    """
    if not hasattr(os, "geteuid"):
        return True  # Windows: a user's folders are closed to others
    for path in (place, place.parent):
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
            return False
    return True


def _make_private(place: Path) -> None:
    """Create the folder, if need be, and forget those of versions long unused. OSError if others can write to it."""
    if not place.exists():
        place.parent.parent.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        _forget_old(place)
    if not is_private(place):
        raise PermissionError(errno.EPERM, "others can write to it, or it is another user's; its files would be run")


def _forget_old(current: Path) -> None:
    """Remove the folders of other versions but the last ones used, and only such as hold nothing but kernels."""
    with contextlib.suppress(OSError):
        others = [
            path
            for path in current.parent.iterdir()
            if path != current and FOLDER.fullmatch(path.name) and not path.is_symlink() and path.is_dir()
        ]
        for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_FOLDERS:]:
            if all(file.suffix == SUFFIX and not file.is_dir() for file in path.iterdir()):
                shutil.rmtree(path, ignore_errors=True)


@cache
def _mark_as_used(place: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(place)


def _publish(path: Path, payload: bytes) -> None:
    """Write the file whole or not at all, its digest before it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix="unfinished-", suffix=SUFFIX)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _unpacked(content: bytes) -> Any:
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise ValueError("its digest differs")
    return pickle.loads(payload)


@cache
def _say_once(why: str) -> None:
    progress.warning("compiled kernels cannot be kept, every process compiles anew: %s", why)


with contextlib.suppress(OSError):
    key()  # now, lest the sources change between their import and the first kernel
