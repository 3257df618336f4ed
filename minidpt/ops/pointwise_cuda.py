"""The maths is in pointwise.py. Here a thread makes one number after another. For a norm a block of threads adds up a
row: each its share, then one half of them the other half's, so that long sums in float32 lose a digit at most.
"""

import math

import numpy as np

from .activations_cuda import CODES, activated
from .device_cuda import SIMULATED, THREADS, DeviceArray, cuda, device_function, empty, kernel, launch, start
from .product_cuda import linear, linear_with_token

__all__ = [
    "activate", "add", "batch_norm", "gated", "group_norm", "inverse_depth", "layer_norm", "linear",
    "linear_with_token", "multiply", "unit_length",
]  # fmt: skip

WARP = 2 if SIMULATED else 32  # the fewest threads of a block that adds up a row
BANDS = 2 if SIMULATED else 32  # parts of a map that `group_norm` adds up side by side
LEAST_DEPTH = np.float32(1e-8)
ZERO, ONE = np.float32(0), np.float32(1)


def add(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    period, width = x.size, y.size  # element i meets y[i // period * width + i % width]
    if x.ndim == 3 and y.shape == (x.shape[0], 1, x.shape[2]) != x.shape:
        period, width = x.size // x.shape[0], x.shape[2]
    elif x.shape != y.shape and y.shape != (1, *x.shape[1:]):
        raise ValueError(f"add: {y.shape} does not fit {x.shape}")
    out = empty(x.shape)
    launch(_add, x.size, x.reshape(-1), y.reshape(-1), period, width, out.reshape(-1))
    return out


@kernel("float32[::1], float32[::1], int64, int64, float32[::1]")
def _add(x, y, period, width, out):
    for i in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        out[i] = x[i] + y[i // period * width + i % width]


def multiply(x: DeviceArray, factor: float) -> DeviceArray:
    y = empty(x.shape)
    launch(_multiply, x.size, x.reshape(-1), float(factor), y.reshape(-1))
    return y


@kernel("float32[::1], float32, float32[::1]")
def _multiply(x, factor, y):
    for i in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        y[i] = x[i] * factor


def activate(x: DeviceArray, activation: str | None) -> DeviceArray:
    if activation is None:
        return x
    y = empty(x.shape)
    launch(_activate, x.size, x.reshape(-1), CODES[activation], y.reshape(-1))
    return y


@kernel("float32[::1], int64, float32[::1]")
def _activate(x, code, y):
    for i in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        y[i] = activated(x[i], code)


def gated(x: DeviceArray, activation: str) -> DeviceArray:
    if x.shape[-1] % 2:
        raise ValueError(f"gated: {x.shape[-1]} channels have no halves")
    y = empty((*x.shape[:-1], x.shape[-1] // 2))
    rows = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    launch(_gated, y.size, rows[0], CODES[activation], rows[1])
    return y


@kernel("float32[:,::1], int64, float32[:,::1]")
def _gated(x, code, y):
    rows, width = y.shape
    for i in range(cuda.grid(1), rows * width, cuda.gridsize(1)):
        row, c = i // width, i % width
        y[row, c] = activated(x[row, c], code) * x[row, width + c]


def inverse_depth(x: DeviceArray, scale: float, shift: float) -> DeviceArray:
    y = empty(x.shape)
    launch(_inverse_depth, x.size, x.reshape(-1), float(scale), float(shift), y.reshape(-1))
    return y


@kernel("float32[::1], float32, float32, float32[::1]")
def _inverse_depth(x, scale, shift, y):
    for i in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        value = x[i] * scale + shift
        y[i] = ONE / (LEAST_DEPTH if value < LEAST_DEPTH else value)  # NaN stays NaN


def unit_length(x: DeviceArray, eps: float = 1e-12) -> DeviceArray:
    y, width = empty(x.shape), x.shape[-1]
    rows = x.reshape(-1, width)
    launch(_unit_length, len(rows), rows, float(eps), y.reshape(-1, width))
    return y


@kernel("float32[:,::1], float32, float32[:,::1]")
def _unit_length(x, eps, y):
    """A thread to a row: they are short, the queries and keys of a head."""
    width = x.shape[1]
    for row in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        total = ZERO
        for k in range(width):
            total += x[row, k] * x[row, k]
        length = math.sqrt(total)
        length = eps if length < eps else length
        for k in range(width):
            y[row, k] = x[row, k] / length


# ---------------------------------------------------------------- norms: a block of threads to a row


def _row_threads(width: int) -> int:
    """How many threads add up a row of that width: a power of two, no more than it has work for."""
    return max(WARP, min(THREADS, 1 << (width - 1).bit_length()))


@device_function
def block_sum(value, shared):
    """The sum of every thread's value, for all threads of the block.   shared: one number for each thread"""
    thread = cuda.threadIdx.x
    shared[thread] = value
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            shared[thread] += shared[thread + half]
        cuda.syncthreads()
        half //= 2
    total = shared[0]
    cuda.syncthreads()  # before the next sum overwrites it
    return total


def layer_norm(x: DeviceArray, weight: DeviceArray, bias: DeviceArray, *, eps: float) -> DeviceArray:
    y, width = empty(x.shape), x.shape[-1]
    rows = x.reshape(-1, width)
    start(_layer_norm, len(rows), _row_threads(width), rows, weight, bias, float(eps), y.reshape(-1, width))
    return y


@kernel("float32[:,::1], float32[::1], float32[::1], float32, float32[:,::1]")
def _layer_norm(x, weight, bias, eps, y):
    """The row is read three times, the last two from the cache."""
    shared = cuda.shared.array(THREADS, np.float32)
    row, width, first, step = cuda.blockIdx.x, x.shape[1], cuda.threadIdx.x, cuda.blockDim.x
    total = ZERO
    for d in range(first, width, step):
        total += x[row, d]
    mean = block_sum(total, shared) / np.float32(width)
    total = ZERO
    for d in range(first, width, step):
        centred = x[row, d] - mean
        total += centred * centred
    deviation = math.sqrt(block_sum(total, shared) / np.float32(width) + eps)
    for d in range(first, width, step):
        y[row, d] = (x[row, d] - mean) / deviation * weight[d] + bias[d]


def group_norm(
    x: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray,
    *,
    groups: int,
    eps: float,
    activation: str | None = None,
) -> DeviceArray:
    """As in pointwise.py; a group's mean and variance are put together from those of bands of the map."""
    n, h, w, c = x.shape
    if c % groups:
        raise ValueError(f"group_norm: {c} channels cannot be split into {groups} groups")
    pixels, bands = h * w, min(BANDS, h * w)
    mean, spread, y = empty((n, groups, bands)), empty((n, groups, bands)), empty(x.shape)
    grouped = x.reshape(n, pixels, groups, c // groups)
    start(_band_moments, (bands, groups, n), THREADS, grouped, mean, spread)
    moments = empty((n, groups, 2))
    launch(_group_moments, n * groups, mean, spread, pixels, c // groups, float(eps), moments)
    normed = y.reshape(n, pixels, groups, c // groups)
    launch(_group_norm, x.size, grouped, moments, weight, bias, CODES[activation], normed)
    return y


@device_function
def band_start(band, bands, pixels):
    return band * pixels // bands


@kernel("float32[:,:,:,::1], float32[:,:,::1], float32[:,:,::1]")
def _band_moments(x, mean, spread):
    """x: (N, P, G, C / G) -> of each band the mean, and the sum of squares of what differs from it, (N, G, bands)"""
    shared = cuda.shared.array(THREADS, np.float32)
    band, g, n = cuda.blockIdx.x, cuda.blockIdx.y, cuda.blockIdx.z
    low = band_start(band, mean.shape[2], x.shape[1])
    width = x.shape[3]
    count = (band_start(band + 1, mean.shape[2], x.shape[1]) - low) * width
    total = ZERO
    for i in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        total += x[n, low + i // width, g, i % width]
    middle = block_sum(total, shared) / np.float32(count)
    total = ZERO
    for i in range(cuda.threadIdx.x, count, cuda.blockDim.x):
        centred = x[n, low + i // width, g, i % width] - middle
        total += centred * centred
    total = block_sum(total, shared)
    if cuda.threadIdx.x == 0:
        mean[n, g, band] = middle
        spread[n, g, band] = total


@kernel("float32[:,:,::1], float32[:,:,::1], int64, int64, float32, float32[:,:,::1]")
def _group_moments(mean, spread, pixels, width, eps, moments):
    """-> the mean of each group and its standard deviation, (N, G, 2)   width: C / G

    [Chan, Golub, LeVeque 1979: the spread about the whole's mean is that about the parts' means, plus theirs]
    """
    groups, bands = mean.shape[1:]
    for i in range(cuda.grid(1), len(mean) * groups, cuda.gridsize(1)):
        n, g = i // groups, i % groups
        middle, total = ZERO, ZERO
        for band in range(bands):
            size = np.float32(band_start(band + 1, bands, pixels) - band_start(band, bands, pixels))
            middle += mean[n, g, band] * (size / np.float32(pixels))
        for band in range(bands):
            size = np.float32((band_start(band + 1, bands, pixels) - band_start(band, bands, pixels)) * width)
            off = mean[n, g, band] - middle
            total += spread[n, g, band] + size * off * off
        moments[n, g, 0] = middle
        moments[n, g, 1] = math.sqrt(total / np.float32(pixels * width) + eps)


@kernel("float32[:,:,:,::1], float32[:,:,::1], float32[::1], float32[::1], int64, float32[:,:,:,::1]")
def _group_norm(x, moments, weight, bias, code, y):
    pixels, width = x.shape[1], x.shape[3]
    for i in range(cuda.grid(1), len(x) * pixels * len(weight), cuda.gridsize(1)):
        c, position = i % len(weight), i // len(weight)
        n, p, g, k = position // pixels, position % pixels, c // width, c % width
        normed = (x[n, p, g, k] - moments[n, g, 0]) / moments[n, g, 1]
        y[n, p, g, k] = activated(normed * weight[c] + bias[c], code)


def batch_norm(
    x: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray,
    running_mean: DeviceArray,
    running_var: DeviceArray,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
) -> DeviceArray:
    y, code = empty(x.shape), CODES[activation]
    launch(_batch_norm, x.size, x.reshape(-1), weight, bias, running_mean, running_var, float(eps), code, y.reshape(-1))
    return y


@kernel("float32[::1], float32[::1], float32[::1], float32[::1], float32[::1], float32, int64, float32[::1]")
def _batch_norm(x, weight, bias, mean, variance, eps, code, y):
    for i in range(cuda.grid(1), len(x), cuda.gridsize(1)):
        c = i % len(weight)
        factor = weight[c] / math.sqrt(variance[c] + eps)
        y[i] = activated(x[i] * factor + (bias[c] - mean[c] * factor), code)
