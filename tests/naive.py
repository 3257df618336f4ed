"""Every op once more, as float64 loops straight from the formulas. Slow, short, and written without looking at ops/."""

import math

import numpy as np

ACTIVATIONS = {
    None: lambda v: v,
    "relu": lambda v: max(v, 0.0),
    "gelu": lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))),
    "gelu_new": lambda v: 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "gelu_pytorch_tanh": lambda v: 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))),
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)) if v > -700 else 0.0,
    "silu": lambda v: v / (1 + math.exp(-v)) if v > -700 else 0.0,
    "hardswish": lambda v: v * min(max(v + 3, 0.0), 6.0) / 6,
    "swish": lambda v: v / (1 + math.exp(-v)) if v > -700 else 0.0,
    "tanh": math.tanh,
}


def activate(x, activation):
    return np.vectorize(ACTIVATIONS[activation], otypes=[np.float64])(x)


def add(x, y):
    result = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        result[index] = x[index] + y[tuple(i if n > 1 else 0 for i, n in zip(index, y.shape, strict=True))]
    return result


def linear(x, weight, bias=None, *, activation=None, residual=None):
    result = np.empty((*x.shape[:-1], len(weight)))
    for *where, o in np.ndindex(result.shape):
        total = sum(float(x[(*where, i)]) * float(weight[o, i]) for i in range(weight.shape[1]))
        value = ACTIVATIONS[activation](total + (0 if bias is None else bias[o]))
        result[(*where, o)] = value + (0 if residual is None else residual[(*where, o)])
    return result


def layer_norm(x, weight, bias, *, eps):
    result = np.empty(x.shape)
    for where in np.ndindex(x.shape[:-1]):
        v = x[where].astype(np.float64)
        mean = sum(v) / len(v)
        variance = sum((v - mean) ** 2) / len(v)
        result[where] = (v - mean) / math.sqrt(variance + eps) * weight + bias
    return result


def group_norm(x, weight, bias, *, groups, eps, activation=None):
    n_pictures, _, _, channels = x.shape
    size, result = channels // groups, np.empty(x.shape)
    for n in range(n_pictures):
        for g in range(groups):
            v = x[n, :, :, g * size : (g + 1) * size].astype(np.float64)
            normed = (v - v.mean()) / math.sqrt(v.var() + eps)
            for k in range(size):
                result[n, :, :, g * size + k] = normed[:, :, k] * weight[g * size + k] + bias[g * size + k]
    return activate(result, activation)


def batch_norm(x, weight, bias, running_mean, running_var, *, eps=1e-5, activation=None):
    result = np.empty(x.shape)
    for *where, c in np.ndindex(x.shape):
        normed = (float(x[(*where, c)]) - running_mean[c]) / math.sqrt(running_var[c] + eps)
        result[(*where, c)] = normed * weight[c] + bias[c]
    return activate(result, activation)


def attention_weights(query, key):
    n_pictures, heads, tokens, width = query.shape
    result = np.empty((n_pictures, heads, tokens, key.shape[2]))
    for n, a, t in np.ndindex(n_pictures, heads, tokens):
        q = query[n, a, t].astype(np.float64)
        scores = [sum(q * key[n, a, s]) / math.sqrt(width) for s in range(key.shape[2])]
        exponentials = [math.exp(s - max(scores)) for s in scores]
        result[n, a, t] = np.array(exponentials) / sum(exponentials)
    return result


def attend(query, key, value):
    weights = attention_weights(query, key)
    result = np.zeros((*query.shape[:3], value.shape[3]))
    for n, a, t, s in np.ndindex(weights.shape):
        result[n, a, t] += weights[n, a, t, s] * value[n, a, s]
    return result


def pixel(x, n, h, w):
    """The pixel's channels, zeros outside the map."""
    inside = 0 <= h < x.shape[1] and 0 <= w < x.shape[2]
    return x[n, h, w].astype(np.float64) if inside else np.zeros(x.shape[3])


def pads(padding):
    return ((padding, padding), (padding, padding)) if isinstance(padding, int) else padding


def windows(x, kernel, stride, padding):
    """Yields (n, i, j) of each output pixel with the (R, S, C) window that it sees."""
    (top, bottom), (left, right) = pads(padding)
    height = (x.shape[1] + top + bottom - kernel[0]) // stride + 1
    width = (x.shape[2] + left + right - kernel[1]) // stride + 1
    for n, i, j in np.ndindex(len(x), height, width):
        yield (
            (n, i, j),
            np.array(
                [
                    [pixel(x, n, i * stride + r - top, j * stride + s - left) for s in range(kernel[1])]
                    for r in range(kernel[0])
                ]
            ),
        )


def conv2d(x, weight, bias=None, *, stride=1, padding=0, groups=1, pre_activation=None, activation=None, residual=None):
    seen = dict(windows(activate(x, pre_activation), weight.shape[2:], stride, padding))
    result = np.empty((*(m + 1 for m in max(seen)), len(weight)))
    inner = weight.shape[1]
    for where, window in seen.items():
        for o in range(len(weight)):
            first = inner * (o * groups // len(weight))  # the first input channel of this output's group
            part = window[:, :, first : first + inner]
            total = np.sum(part * weight[o].transpose(1, 2, 0).astype(np.float64))
            value = ACTIVATIONS[activation](total + (0 if bias is None else bias[o]))
            result[(*where, o)] = value + (0 if residual is None else residual[(*where, o)])
    return result


def max_pool2d(x, kernel_size, *, stride, padding=0):
    seen = dict(windows(x, (kernel_size, kernel_size), stride, padding))
    result = np.empty((*(m + 1 for m in max(seen)), x.shape[3]))
    for where, window in seen.items():
        result[where] = window.max(axis=(0, 1))
    return result


def avg_pool2d(x, kernel_size):
    n_pictures, height, width, channels = x.shape
    result = np.empty((n_pictures, math.ceil(height / kernel_size), math.ceil(width / kernel_size), channels))
    for n, i, j, c in np.ndindex(result.shape):
        rows = range(i * kernel_size, min((i + 1) * kernel_size, height))
        columns = range(j * kernel_size, min((j + 1) * kernel_size, width))
        seen = [float(x[n, h, w, c]) for h in rows for w in columns]
        result[n, i, j, c] = sum(seen) / len(seen)
    return result


def avg_pool_tokens(x, length):
    n_pictures, tokens, channels = x.shape
    result = np.empty((n_pictures, tokens // length, channels))
    for n, t, d in np.ndindex(result.shape):
        result[n, t, d] = sum(float(x[n, t * length + k, d]) for k in range(length)) / length
    return result


def every_other(x, stride):
    n_pictures, height, width, channels = x.shape
    result = np.empty((n_pictures, math.ceil(height / stride), math.ceil(width / stride), channels))
    for n, i, j, c in np.ndindex(result.shape):
        result[n, i, j, c] = x[n, i * stride, j * stride, c]
    return result


def concat_channels(x, y):
    result = np.empty((*x.shape[:3], x.shape[3] + y.shape[3]))
    for *where, c in np.ndindex(result.shape):
        result[(*where, c)] = x[(*where, c)] if c < x.shape[3] else y[(*where, c - x.shape[3])]
    return result


def split_heads(x, num_heads, start=0, stop=None):
    width = x.shape[2] // num_heads
    taken = range(width)[start:stop]
    result = np.empty((len(x), num_heads, x.shape[1], len(taken)))
    for n, a, t, k in np.ndindex(result.shape):
        result[n, a, t, k] = x[n, t, a * width + taken[k]]
    return result


def conv_transpose2d(x, weight, bias=None, *, stride=None, padding=0, output_padding=0):
    n_pictures, height, width, channels = x.shape
    _, out, rows, columns = weight.shape
    down, across = (rows, columns) if stride is None else (stride, stride)
    tall = (height - 1) * down - 2 * padding + rows + output_padding
    wide = (width - 1) * across - 2 * padding + columns + output_padding
    result = np.zeros((n_pictures, tall, wide, out)) + (0 if bias is None else bias.astype(np.float64))
    for n, h, w, c, o, r, s in np.ndindex(n_pictures, height, width, channels, out, rows, columns):
        i, j = h * down + r - padding, w * across + s - padding
        if 0 <= i < tall and 0 <= j < wide:
            result[n, i, j, o] += float(x[n, h, w, c]) * float(weight[c, o, r, s])
    return result


def standardize_weight(weight, eps=1e-8):
    result = np.empty(weight.shape)
    for o in range(len(weight)):
        v = weight[o].astype(np.float64)
        result[o] = (v - v.mean()) / math.sqrt(((v - v.mean()) ** 2).mean() + eps)
    return result


def source(i, n_out, n_in, align_corners):
    if align_corners:
        return i * (n_in - 1) / (n_out - 1) if n_out > 1 else 0.0
    return (i + 0.5) * n_in / n_out - 0.5


def resize(x, size, align_corners, taps, kernel, clamp):
    result = np.zeros((len(x), *size, x.shape[3]))
    for n, i, j in np.ndindex(len(x), *size):
        h, w = source(i, size[0], x.shape[1], align_corners), source(j, size[1], x.shape[2], align_corners)
        if clamp:
            h, w = max(h, 0.0), max(w, 0.0)
        for a in taps:
            for b in taps:
                r, s = math.floor(h) + a, math.floor(w) + b
                r_in, s_in = min(max(r, 0), x.shape[1] - 1), min(max(s, 0), x.shape[2] - 1)
                result[n, i, j] += kernel(h - r) * kernel(w - s) * x[n, r_in, s_in].astype(np.float64)
    return result


def resize_bilinear(x, size=None, *, scale=None, align_corners):
    size = size or tuple(math.floor(n * scale) for n in x.shape[1:3])
    return resize(x, size, align_corners, (0, 1), lambda d: max(0.0, 1 - abs(d)), clamp=True)


def cubic(d):
    a, d = -0.75, abs(d)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def resize_bicubic(x, size, *, align_corners=False):
    return resize(x, size, align_corners, (-1, 0, 1, 2), cubic, clamp=False)
