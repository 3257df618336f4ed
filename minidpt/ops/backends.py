"""A backend is a table: for each name of the menu, the function that does it, and how weights are prepared for it."""

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..cpus import bound_numba
from ..errors import ConfigError
from . import attention, conv, layout, pointwise, resize

MENU: dict[str, tuple[str, ...]] = {
    "layout": (
        "from_numpy", "to_numpy", "channels_last", "channels_first",
        "patches", "prepend_token", "take_tokens", "token", "mean_token",
        "tokens_to_map", "map_to_tokens", "map_size", "split_heads", "merge_heads",
        "concat_channels", "drop_channel", "pad_map", "crop_map", "roll_map", "every_other",
        "windows", "from_windows", "merge_pixels",
    ),
    "pointwise": (
        "add", "multiply", "activate", "linear", "linear_with_token", "gated", "unit_length", "inverse_depth",
        "layer_norm", "group_norm", "batch_norm",
    ),
    "attention": ("attend", "attention_weights", "relative_bias", "axis_bias"),
    "conv": ("conv2d", "resized_conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "avg_pool_tokens"),
    "resize": ("resize_bilinear", "resized_linear"),
}  # fmt: skip

OP_NAMES = frozenset(name for row in MENU.values() for name in row)


def prepare_numpy(kind: str, weight: np.ndarray) -> np.ndarray:
    """What the NumPy ops want of a weight of this kind (see params.Tensor): float32, kernels standardised."""
    weight = np.ascontiguousarray(weight, dtype=np.float32)
    return conv.standardize_weight(weight) if kind == "standardized_conv" else weight


@dataclass(frozen=True)
class Backend:
    """One column of the op table.

    name: what users call it.   ops: name -> function, exactly the menu's names.
    prepare(kind, weight): one weight as NumPy array -> what this backend's ops take, done once per model.
    precision: that of this table.   precisions: those it can do here; others fall back to the next more exact one.
    at(precision): its table for another of them.   means: what does the products.
    copies: what `prepare` returns is its own memory.   turn: entered while this backend is in use.
    apart: its arrays are not NumPy's; from_numpy brings them in, to_numpy out.
    wait: returns when all that was asked is done.
    """

    name: str
    ops: Mapping[str, Callable[..., Any]]
    prepare: Callable[[str, np.ndarray], Any] = prepare_numpy
    precision: str = "highest"
    precisions: tuple[str, ...] = ("highest",)
    at: Callable[[str], "Backend"] | None = field(default=None, compare=False)
    means: str = "BLAS, float32"
    copies: bool = False
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext, compare=False)
    apart: bool = False
    wait: Callable[[], None] = field(default=lambda: None, compare=False)

    def __post_init__(self):
        if set(self.ops) != OP_NAMES:
            raise ValueError(f"backend {self.name}: ops differ from the menu by {sorted(set(self.ops) ^ OP_NAMES)}")


def column(rows: Mapping[str, ModuleType], faster: Mapping[str, ModuleType] | None = None) -> dict[str, Callable]:
    """The menu's functions, each taken from its row's module, or from `faster`'s where that has one of the name."""
    faster = faster or {}
    return {
        name: getattr(faster.get(row), name, None) or getattr(rows[row], name)
        for row, names in MENU.items()
        for name in names
    }


ROWS: dict[str, ModuleType] = {
    "layout": layout,
    "pointwise": pointwise,
    "attention": attention,
    "conv": conv,
    "resize": resize,
}
NUMPY = Backend("numpy", column(ROWS))
BACKENDS = ("numpy", "numba", "cuda")
PRECISIONS = ("medium", "high", "highest")  # from the least to the most exact
PARTS = {"medium": 1, "high": 2}  # bfloat16 numbers that stand for one of float32


@cache
def numba_backend(precision: str = "highest") -> Backend:
    """The column of Numba's kernels, at a precision that this CPU has; a more exact one where its tiles are refused.

    ConfigError where kernels cannot run.
    """
    # else each thread of a kernel spins for milliseconds after it, on a core that others need: 2.4x
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    bound_numba()
    names = [f"{row}_numba" for row in ("pointwise", "attention", "conv", "resize", "turns")]
    try:
        kernels = {name.removesuffix("_numba"): import_module(f".{name}", __package__) for name in names}
    except ImportError as error:
        raise ConfigError(f"backend numba: Numba cannot be imported ({error}); use backend numpy") from None
    turn = kernels.pop("turns").TURN
    turn.allowed()
    micro, tiles, product = (import_module(f".{name}_numba", __package__) for name in ("micro", "tiles", "product"))
    means: dict[str, str] = micro.MEANS | (tiles.MEANS if tiles.wanted() else {})
    table, prepare, use_tiles = column(ROWS, kernels), kernels["conv"].prepare, tiles.wanted()
    if use_tiles and precision != "highest" and (refusal := product.tiles_refused()):
        means = {name: f"{text}: {refusal}" for name, text in micro.MEANS.items()}
        use_tiles, precision = False, precision if precision in means else "highest"
    if precision == "medium":
        table["attend"] = partial(table["attend"], pairs=True)
    if precision != "highest":
        prepare = partial(prepare, parts=PARTS[precision], tiles=use_tiles)
    return Backend("numba", table, prepare, precision, tuple(means), numba_backend, means[precision], True, turn)


CUDA_MEANS = {"highest": "our own kernels, float32"}  # without NVIDIA's library, whose are cublas_cuda.MEANS


@cache
def cuda_backend(precision: str = "highest", own: bool = False) -> Backend:
    """The column of the graphics card's kernels, NVIDIA's library making the large products where it can be used.

    own: no library, kernels of our own alone.   ConfigError where kernels cannot run.
    """
    try:
        device = import_module(".device_cuda", __package__)
    except ImportError as error:
        raise ConfigError(f"backend cuda: Numba's CUDA cannot be imported ({error}); use backend numpy") from None
    if refusal := device.refusal():
        raise ConfigError(f"backend cuda: {refusal}; use backend numba or numpy")
    device.POOL.allowed()
    kernels = {row: import_module(f".{row}_cuda", __package__) for row in MENU}
    library, prepare, means = import_module(".cublas_cuda", __package__), kernels["conv"].prepare, CUDA_MEANS
    if not own and not library.refusal():
        prepare = partial(prepare, library=precision)
        means = {name: library.MEANS[name] for name in library.precisions()}
    return Backend(
        "cuda", column(kernels), prepare, precision, tuple(means), partial(cuda_backend, own=own), means[precision],
        True, device.POOL, apart=True, wait=device.wait,
    )  # fmt: skip


def after_fork() -> None:
    numba_backend.cache_clear()
    cuda_backend.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)


def fastest() -> Backend:
    """Numba's column where kernels can run, else NumPy's, and a line in the log that says why.

    Never the graphics card's: others may use it and its memory, so it is taken when it is asked for by name.
    """
    try:
        return numba_backend()
    except ConfigError as error:
        _say_once(f"{error}; computing with NumPy")
        return NUMPY


@cache
def _say_once(why: str) -> None:
    logging.getLogger("minidpt").warning("%s", why)


def choose(backend: str | Backend = "auto", precision: str = "highest") -> tuple[Backend, str]:
    """The backend of that name ("auto": the fastest one here) and the precision that it will really run.

    Of a Backend, its table for that precision. ConfigError for a name that is not known or not available.
    """
    if isinstance(backend, str) and backend not in ("auto", *BACKENDS):
        raise ConfigError(f"backend {backend!r} is not one of auto, {', '.join(BACKENDS)}")
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r} is not one of {', '.join(PRECISIONS)}")
    if isinstance(backend, Backend):
        chosen = backend
    else:
        columns: dict[str, Callable[[], Backend]] = {"auto": fastest, "numba": numba_backend, "cuda": cuda_backend}
        chosen = columns[backend]() if backend != "numpy" else NUMPY
    exact_enough = PRECISIONS[PRECISIONS.index(precision) :]
    runs = next(p for p in exact_enough if p in chosen.precisions)
    if chosen.at is None or chosen.precision == runs:
        return chosen, runs
    table = chosen.at(runs)
    return table, table.precision  # more exact than `runs` where a check at run time refused that
