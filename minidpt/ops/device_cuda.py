"""The graphics card: its memory, what goes in and out of it, and how kernels are written and started.

The one file that imports numba.cuda. All work goes down one stream, in order. So memory that nothing refers to any more
serves the next array at once, though kernels that use it may still wait in line: what comes after them waits, too.

Under NUMBA_ENABLE_CUDASIM=1 Numba runs kernels in Python, a thread of the system for each thread of a block.
"""

import importlib.util
import os
import re
import sys
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any

import numpy as np
from numba import cuda
from numba.core import config

from ..errors import ConfigError, ResourceError, one_line

SIMULATED = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]  # made when it is imported
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # type: ignore[attr-defined]  # some kernels have little to do, and that is meant
THREADS = 4 if SIMULATED else 256  # of a block with one axis
MAX_BLOCKS = 2 if SIMULATED else 2048  # of a grid-stride kernel: enough to fill every card
UNIT = 512  # bytes of which memory is given out in multiples: how the driver aligns it
WASTE = 2  # memory serves an array that fills at least one part in so many of it

DRIVER_FILE = Path("/proc/driver/nvidia/version")

Shape = tuple[int, ...]


FORKED = (
    "backend cuda: this process was forked from one that had used the graphics card, which the driver does not allow; "
    "start it with multiprocessing's spawn or forkserver, or use backend numba or numpy"
)


def refusal() -> str | None:
    """Why no kernel can run here, or nothing."""
    if SIMULATED or cuda.is_available():
        return None
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed (pip install 'minidpt[cuda13]', or cuda12 for an older driver)"
    problem = cuda.cuda_error()
    return f"no NVIDIA card can be used{f' ({one_line(Exception(problem))})' if problem else ''}"


def card() -> dict[str, Any]:
    """What it is, its memory in bytes, what drives it, and where the compiler is from. Where there is one."""
    if SIMULATED:
        return {"name": "Numba's simulator"}
    device, (free, total) = cuda.get_current_device(), cuda.current_context().get_memory_info()
    name, compiler = device.name, cuda.cuda_paths.get_cuda_paths()["nvvm"]
    return {
        "name": name.decode() if isinstance(name, bytes) else name,
        "compute_capability": _dotted(device.compute_capability),
        "memory": total,
        "free": free,
        "driver": f"{_driver()} for CUDA {_dotted(cuda.cudadrv.driver.driver.get_version())} and older",
        "toolkit": f"{_dotted(cuda.runtime.get_version())}, {compiler.info} ({compiler.by})",
    }


def _driver() -> str:
    """Its own version, where the system tells it."""
    try:
        told = re.search(r"Module.*?\s(\d+\.[\d.]+)", DRIVER_FILE.read_text())
    except OSError:
        told = None
    return told[1] if told else "a driver"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@cache
def stream() -> Any:
    """The one that everything runs on."""
    return cuda.stream()


@cache
def stream_handle() -> int:
    """The driver's name of it, as libraries take it."""
    return 0 if SIMULATED else int(stream())


def wait() -> None:
    """Until all that was asked of the card is done."""
    stream().synchronize()


# ---------------------------------------------------------------- memory


class Memory:
    """A piece of the card's memory, and each array that was laid over it, as making one takes as long as a kernel."""

    def __init__(self, size: int):
        self.size = size
        self.turn = -1  # the last one that took it
        self._bytes = cuda.device_array(size, np.uint8)
        self._arrays: dict[tuple, Any] = {}

    def array(self, shape: Shape, dtype: np.dtype) -> Any:
        """Numba's array of that shape and type, from the memory's start on."""
        if (shape, dtype) not in self._arrays:
            used = self._bytes[: prod(shape) * dtype.itemsize]
            self._arrays[shape, dtype] = used.view(dtype).reshape(*shape)
        return self._arrays[shape, dtype]


class Lease:
    """Holds memory for as long as any array refers to it; then it goes back."""

    def __init__(self, memory: Memory, returned: deque[Memory]):
        self.memory, self._returned = memory, returned

    def __del__(self) -> None:
        self._returned.append(self.memory)


class DeviceArray:
    """An array in the card's memory, C-contiguous. It can be reshaped, downloaded and given to kernels, nothing else.

    array: Numba's   lease: what holds its memory
    """

    __slots__ = ("_lease", "array", "dtype", "ndim", "shape", "size")

    def __init__(self, array: Any, lease: Any):
        self.array, self.shape, self.dtype, self._lease = array, tuple(array.shape), array.dtype, lease
        self.ndim, self.size = len(self.shape), prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> "DeviceArray":
        """The same memory in another shape; one side may be -1."""
        known = prod(n for n in shape if n != -1)
        whole = tuple(self.size // known if n == -1 else n for n in shape)
        if prod(whole) != self.size or shape.count(-1) > 1:
            raise ValueError(f"an array of {self.shape} cannot be reshaped to {shape}")
        return DeviceArray(self._lease.memory.array(whole, self.dtype), self._lease)

    def view(self, dtype: Any) -> "DeviceArray":
        """The same bits as numbers of another type of that size."""
        return DeviceArray(self._lease.memory.array(self.shape, np.dtype(dtype)), self._lease)

    @property
    def address(self) -> int:
        """Where it begins, as libraries take it."""
        return self.array._ary.ctypes.data if SIMULATED else self.array.device_ctypes_pointer.value


class Pool:
    """Memory that arrays are made of and come back to, and a turn that one thread takes at a time.

    What a whole turn (one forward pass) did not use is given back to the driver at its end.
    """

    def __init__(self) -> None:
        self._free: list[Memory] = []  # from the smallest to the largest
        self._returned: deque[Memory] = deque()  # not yet among them: whoever drops an array may hold any lock
        self._turn = 0
        self._lock = RLock()
        self._forked = False

    def after_fork(self) -> None:
        """In a new process: a card that the parent used is out of reach."""
        self._lock = RLock()
        self._forked = not SIMULATED

    def allowed(self) -> None:
        if self._forked:
            raise ConfigError(FORKED)

    def empty(self, shape: Shape, dtype: Any = np.float32) -> DeviceArray:
        """An array of that shape, its contents undefined: in the smallest memory that holds it, or in new memory.

        ResourceError where the card has none left.
        """
        dtype = np.dtype(dtype)
        size = max(1, -(-prod(shape) * dtype.itemsize // UNIT)) * UNIT
        with self._lock:
            self._sort_in()
            i = bisect_left(self._free, size, key=_size)
            fits = i < len(self._free) and self._free[i].size <= WASTE * size
            memory = self._free.pop(i) if fits else self._new(size)
            memory.turn = self._turn
        return DeviceArray(memory.array(tuple(shape), dtype), Lease(memory, self._returned))

    def _sort_in(self) -> None:
        while self._returned:
            insort(self._free, self._returned.popleft(), key=_size)

    def _new(self, size: int) -> Memory:
        try:
            return Memory(size)
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error):
                raise
        self._free.clear()
        try:
            return Memory(size)
        except Exception as error:
            if "OUT_OF_MEMORY" not in str(error):
                raise
            full = f"the graphics card has no {size / 1e6:.0f} MB of memory left ({one_line(error)})"
        raise ResourceError(f"{full}; give smaller pictures, or fewer at once")

    def __enter__(self) -> "Pool":
        self.allowed()
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sort_in()
        self._free = [memory for memory in self._free if memory.turn == self._turn]
        self._turn += 1
        self._lock.release()


def _size(memory: Memory) -> int:
    return memory.size


POOL = Pool()
empty = POOL.empty
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.after_fork)


@cache
def absent(ndim: int) -> DeviceArray:
    """What a kernel gets in place of an array that is not there: one without elements, its first side 0."""
    return DeviceArray(cuda.device_array((0,) * ndim, np.float32), None)


def upload(x: np.ndarray) -> DeviceArray:
    """A copy of a host's array on the card, its type unchanged."""
    x = np.ascontiguousarray(x)
    y = empty(x.shape, x.dtype)
    y.array.copy_to_device(x, stream=stream())
    wait()  # else the host might change x before it is read
    return y


def download(x: DeviceArray) -> np.ndarray:
    """A copy in the host's memory, when all that was asked of the card before is done."""
    y = x.array.copy_to_host(stream=stream())
    wait()
    return y


# ---------------------------------------------------------------- kernels


@dataclass(frozen=True)
class Kernel:
    """A kernel, and the types that its arguments may have, one text for each way: "float32[:,::1], float32, int64"."""

    function: Callable[..., None]
    signatures: tuple[str, ...]
    compiled: Any

    @property
    def name(self) -> str:
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"


KERNELS: list[Kernel] = []  # each that was defined so far: what is compiled where no card is


def kernel(*signatures: str, **options: Any) -> Callable[[Callable[..., None]], Kernel]:
    """Decorates a kernel. It is compiled when it first runs.   options: of cuda.jit, which the simulator does not know

    In kernels an int beside a float32 makes a float64, as does a literal like 0.5: constants are np.float32(...).
    Exact float32 maths, but for a * b + c in one rounding: NaN and Inf pass through as in NumPy.
    """

    def made(function: Callable[..., None]) -> Kernel:
        KERNELS.append(Kernel(function, signatures, cuda.jit(function, **({} if SIMULATED else options))))
        return KERNELS[-1]

    return made


def device_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function that kernels call. One that uses `cuda` stands in the file of its kernels.

    The simulator gives `cuda` its meaning inside a kernel by putting another module in its place, file by file.
    """
    return function if SIMULATED else cuda.jit(function, device=True)


def launch(kernel: Kernel, count: int, *args: Any) -> None:
    """Start a kernel that goes through `count` items in strides of the whole grid."""
    start(kernel, max(1, min(-(-count // THREADS), MAX_BLOCKS)), THREADS, *args)


def start(kernel: Kernel, blocks: int | Shape, threads: int | Shape, *args: Any) -> None:
    """Start a kernel on a grid of blocks of threads.

    args: arrays of the card, numbers, tuples of ints. A host's array is refused, as Numba would copy it in and out.
    """
    given = [_argument(x, kernel, i) for i, x in enumerate(args)]
    if SIMULATED:  # where nothing else would see a wrong type
        types = ", ".join(_type_name(x) for x in given)
        if types not in kernel.signatures:
            raise TypeError(f"{kernel.name} has no signature ({types})")
    kernel.compiled[blocks, threads, stream()](*given)


def _argument(x: Any, kernel: Kernel, i: int) -> Any:
    if isinstance(x, DeviceArray):
        return x.array
    if isinstance(x, float):
        return np.float32(x)
    if isinstance(x, bool | int | np.float32 | tuple):
        return int(x) if isinstance(x, bool) else x
    raise TypeError(f"{kernel.name}: argument {i} is {type(x).__name__}, which does not live on the card")


def _type_name(x: Any) -> str:
    if isinstance(x, tuple):
        return f"UniTuple(int64, {len(x)})"
    if isinstance(x, int):
        return "int64"
    if isinstance(x, np.float32):
        return "float32"
    return f"{x.dtype}[{':,' * (len(x.shape) - 1)}::1]"


# ---------------------------------------------------------------- the simulator

if SIMULATED:
    from numba.cuda.simulator import kernelapi

    def _shared_array(block: Any, shape: Shape, dtype: Any, alignment: int = 0) -> np.ndarray:
        """One array for all threads of a block at each line that makes one, as the simulator's own has no alignment."""
        line = sys._getframe(1)
        return block._allocations.setdefault((line.f_code, line.f_lineno), np.empty(shape, dtype))

    kernelapi.FakeCUDAShared.array = _shared_array
