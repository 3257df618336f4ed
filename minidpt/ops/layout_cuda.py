"""The maths is in layout.py. Here every move is made by one kernel: it copies a box of one array into a box of another,
each with its own steps through memory. What only counts the same memory anew is a reshape, which copies nothing.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, product
from math import prod
from operator import mul

import numpy as np

from .device_cuda import DeviceArray, Shape, cuda, download, empty, kernel, launch, upload
from .layout import map_size, whole_patches

__all__ = [
    "channels_first", "channels_last", "concat_channels", "crop_map", "drop_channel", "every_other", "from_numpy",
    "from_windows", "map_size", "map_to_tokens", "mean_token", "merge_heads", "merge_pixels", "pad_map", "patches",
    "prepend_token", "roll_map", "split_heads", "take_tokens", "to_numpy", "token", "tokens_to_map", "windows",
]  # fmt: skip

MAX_AXES = 5  # of a box whose axes are merged where they can be


@dataclass(frozen=True)
class Box:
    """A part of an array: element (i, j, ...) lies at start + i steps[0] + j steps[1] + ... of its memory."""

    shape: Shape
    steps: Shape
    start: int = 0

    def cut(self, axis: int, start: int, stop: int, step: int = 1) -> "Box":
        """[start:stop:step] of one axis; 0 <= start <= stop <= its length"""
        shape, steps = list(self.shape), list(self.steps)
        shape[axis] = len(range(start, stop, step))
        steps[axis] *= step
        return Box(tuple(shape), tuple(steps), self.start + start * self.steps[axis])

    def ordered(self, *axes: int) -> "Box":
        """The same elements with the axes in another order."""
        return replace(self, shape=tuple(self.shape[i] for i in axes), steps=tuple(self.steps[i] for i in axes))

    def repeated(self, shape: Shape) -> "Box":
        """In that shape: what has a length of one is read again and again."""
        steps = (0 if own == 1 else step for own, step in zip(self.shape, self.steps, strict=True))
        return replace(self, shape=shape, steps=tuple(steps))


def whole(*shape: int) -> Box:
    """All of an array of that shape."""
    return Box(shape, tuple(accumulate(shape[:0:-1], mul, initial=1))[::-1])


def copy(x: DeviceArray, source: Box, y: DeviceArray, target: Box) -> None:
    """The elements of one box of x, in order, to those of another of y, of the same shape."""
    if source.shape != target.shape:
        raise ValueError(f"a box of {source.shape} cannot be copied to one of {target.shape}")
    axes: list[tuple[int, int, int]] = []  # (length, step in x, step in y), neighbours merged where both run on
    for n, step, to_step in zip(source.shape, source.steps, target.steps, strict=True):
        if axes and n * step == axes[-1][1] and n * to_step == axes[-1][2]:
            axes[-1] = (axes[-1][0] * n, step, to_step)
        elif n != 1:
            axes.append((n, step, to_step))
    shape, steps, to_steps = zip(*axes or [(1, 0, 0)], strict=True)
    count = prod(shape)
    if count:
        flat, to_flat = x.reshape(-1), y.reshape(-1)
        launch(_copy, count, flat, source.start, steps, to_flat, target.start, to_steps, shape)


@kernel(
    *(
        f"float32[::1], int64, {steps}, float32[::1], int64, {steps}, {steps}"
        for steps in (f"UniTuple(int64, {axes})" for axes in range(1, MAX_AXES + 1))
    )
)
def _copy(x, start, steps, y, to_start, to_steps, shape):
    """Neighbouring threads take neighbours along the last axis, which most often are neighbours in memory, too."""
    count = 1
    for n in shape:
        count *= n
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        rest, source, target = i, start, to_start
        for axis in range(len(shape) - 1, 0, -1):
            along = rest % shape[axis]
            rest //= shape[axis]
            source += along * steps[axis]
            target += along * to_steps[axis]
        y[target + rest * to_steps[0]] = x[source + rest * steps[0]]


def _gathered(x: DeviceArray, box: Box) -> DeviceArray:
    """The box as an array of its own."""
    y = empty(box.shape)
    copy(x, box, y, whole(*box.shape))
    return y


@cache
def _zero() -> DeviceArray:
    return upload(np.zeros(1, np.float32))


def _clear(y: DeviceArray, target: Box) -> None:
    copy(_zero(), Box(target.shape, (0,) * len(target.shape)), y, target)


# ---------------------------------------------------------------- in and out


def from_numpy(x: np.ndarray) -> DeviceArray:
    return upload(np.asarray(x, np.float32))


def to_numpy(x: DeviceArray) -> np.ndarray:
    return download(x)


def channels_last(x: DeviceArray) -> DeviceArray:
    return _gathered(x, whole(*x.shape).ordered(0, 2, 3, 1))


def channels_first(x: DeviceArray) -> DeviceArray:
    return _gathered(x, whole(*x.shape).ordered(0, 3, 1, 2))


# ---------------------------------------------------------------- pictures and tokens


def patches(x: DeviceArray, patch_size: int) -> DeviceArray:
    n, h, w, c = x.shape
    p = patch_size
    if not whole_patches(h, w, p):
        raise ValueError(f"patches: {h} x {w} pixels are not a multiple of the patch size {p}")
    rows, columns = h // p, w // p
    y = _gathered(x, whole(n * rows, p, columns, p, c).ordered(0, 2, 4, 1, 3))
    return y.reshape(n, rows * columns, c * p * p)


def prepend_token(token: DeviceArray, x: DeviceArray) -> DeviceArray:
    (n, t, d), first = x.shape, token.shape[1]
    y = empty((n, first + t, d))
    box = whole(*y.shape)
    copy(token, whole(*token.shape).repeated((n, first, d)), y, box.cut(1, 0, first))
    copy(x, whole(*x.shape), y, box.cut(1, first, first + t))
    return y


def take_tokens(x: DeviceArray, start: int, stop: int | None = None) -> DeviceArray:
    start, stop, _ = slice(start, stop).indices(x.shape[1])
    return _gathered(x, whole(*x.shape).cut(1, start, max(start, stop)))


def token(x: DeviceArray, index: int) -> DeviceArray:
    n, t, d = x.shape
    return _gathered(x, whole(*x.shape).cut(1, index % t, index % t + 1)).reshape(n, d)


def mean_token(x: DeviceArray) -> DeviceArray:
    n, _, d = x.shape
    y = empty((n, 1, d))
    launch(_mean_token, n * d, x, y)
    return y


@kernel("float32[:,:,::1], float32[:,:,::1]")
def _mean_token(x, y):
    tokens, width = x.shape[1], x.shape[2]
    for i in range(cuda.grid(1), x.shape[0] * width, cuda.gridsize(1)):
        n, d = i // width, i % width
        total = np.float32(0)
        for t in range(tokens):
            total += x[n, t, d]
        y[n, 0, d] = total / np.float32(tokens)


def tokens_to_map(x: DeviceArray, grid: tuple[int, int]) -> DeviceArray:
    if x.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"tokens_to_map: {x.shape[1]} tokens do not fill a grid of {grid[0]} x {grid[1]}")
    return x.reshape(len(x), *grid, x.shape[-1])


def map_to_tokens(x: DeviceArray) -> DeviceArray:
    n, h, w, d = x.shape
    return x.reshape(n, h * w, d)


def split_heads(x: DeviceArray, num_heads: int, start: int = 0, stop: int | None = None) -> DeviceArray:
    n, t, d = x.shape
    if d % num_heads:
        raise ValueError(f"split_heads: {d} channels cannot be split into {num_heads} heads")
    k = d // num_heads
    start, stop, _ = slice(start, stop).indices(k)
    return _gathered(x, whole(n, t, num_heads, k).cut(3, start, stop).ordered(0, 2, 1, 3))


def merge_heads(x: DeviceArray) -> DeviceArray:
    n, a, t, k = x.shape
    return _gathered(x, whole(*x.shape).ordered(0, 2, 1, 3)).reshape(n, t, a * k)


# ---------------------------------------------------------------- maps


def concat_channels(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    c, d = x.shape[-1], y.shape[-1]
    joined = empty((*x.shape[:-1], c + d))
    box = whole(*joined.shape)
    copy(x, whole(*x.shape), joined, box.cut(3, 0, c))
    copy(y, whole(*y.shape), joined, box.cut(3, c, c + d))
    return joined


def drop_channel(x: DeviceArray) -> DeviceArray:
    if x.shape[-1] != 1:
        raise ValueError(f"drop_channel: expected one channel, got shape {x.shape}")
    return x.reshape(*x.shape[:-1])


def pad_map(x: DeviceArray, bottom: int, right: int) -> DeviceArray:
    n, h, w, c = x.shape
    y = empty((n, h + bottom, w + right, c))
    box = whole(*y.shape)
    copy(x, whole(*x.shape), y, box.cut(1, 0, h).cut(2, 0, w))
    _clear(y, box.cut(1, 0, h).cut(2, w, w + right))
    _clear(y, box.cut(1, h, h + bottom))
    return y


def crop_map(x: DeviceArray, size: tuple[int, int]) -> DeviceArray:
    return _gathered(x, whole(*x.shape).cut(1, 0, min(size[0], x.shape[1])).cut(2, 0, min(size[1], x.shape[2])))


def roll_map(x: DeviceArray, down: int, right: int) -> DeviceArray:
    y, box = empty(x.shape), whole(*x.shape)
    h, w = x.shape[1:3]
    down, right = down % h, right % w
    rows = (0, h - down, down), (h - down, h, 0)  # from, to, and where that begins in y
    columns = (0, w - right, right), (w - right, w, 0)
    for (top, bottom, row), (left, side, column) in product(rows, columns):
        target = box.cut(1, row, row + bottom - top).cut(2, column, column + side - left)
        copy(x, box.cut(1, top, bottom).cut(2, left, side), y, target)
    return y


def every_other(x: DeviceArray, stride: int) -> DeviceArray:
    h, w = x.shape[1:3]
    return _gathered(x, whole(*x.shape).cut(1, 0, h, stride).cut(2, 0, w, stride))


def windows(x: DeviceArray, size: tuple[int, int]) -> DeviceArray:
    n, height, width, c = x.shape
    h, w = size
    if height % h or width % w:
        raise ValueError(f"windows: a map of {height} x {width} is not a multiple of {h} x {w}")
    y = _gathered(x, whole(n * height // h, h, width // w, w * c).ordered(0, 2, 1, 3))
    return y.reshape(-1, h * w, c)


def from_windows(x: DeviceArray, size: tuple[int, int], map_size: tuple[int, int]) -> DeviceArray:
    (h, w), (height, width), c = size, map_size, x.shape[-1]
    rows = x.size // (h * width * c)  # of windows, in all pictures
    y = _gathered(x, whole(rows, width // w, h, w * c).ordered(0, 2, 1, 3))
    return y.reshape(-1, height, width, c)


def merge_pixels(x: DeviceArray) -> DeviceArray:
    bottom, right = x.shape[1] % 2, x.shape[2] % 2
    if bottom or right:
        x = pad_map(x, bottom, right)
    n, h, w, c = x.shape
    y = empty((n, h // 2, w // 2, 4 * c))
    parts = ((r, s) for s in (0, 1) for r in (0, 1))
    for i, (r, s) in enumerate(parts):
        part = whole(*x.shape).cut(1, r, h, 2).cut(2, s, w, 2)
        copy(x, part, y, whole(*y.shape).cut(3, i * c, (i + 1) * c))
    return y
