"""The moves of ops/layout.py that are more than a reshape, as loops that say where each number goes."""

import math

import numpy as np


def pixel(x, n, h, w):
    """The pixel's channels, zeros outside the map."""
    inside = 0 <= h < x.shape[1] and 0 <= w < x.shape[2]
    return x[n, h, w].astype(np.float64) if inside else np.zeros(x.shape[3])


def prepend_token(token, x):
    first = token.shape[1]
    result = np.empty((len(x), first + x.shape[1], x.shape[2]))
    for n, t, d in np.ndindex(result.shape):
        result[n, t, d] = token[0, t, d] if t < first else x[n, t - first, d]
    return result


def mean_token(x):
    result = np.zeros((len(x), 1, x.shape[2]))
    for n, t, d in np.ndindex(x.shape):
        result[n, 0, d] += float(x[n, t, d]) / x.shape[1]
    return result


def pad_map(x, bottom, right):
    result = np.zeros((len(x), x.shape[1] + bottom, x.shape[2] + right, x.shape[3]))
    for where in np.ndindex(x.shape):
        result[where] = x[where]
    return result


def crop_map(x, size):
    result = np.empty((len(x), *size, x.shape[3]))
    for where in np.ndindex(result.shape):
        result[where] = x[where]
    return result


def roll_map(x, down, right):
    result = np.empty(x.shape)
    for n, h, w, c in np.ndindex(x.shape):
        result[n, (h + down) % x.shape[1], (w + right) % x.shape[2], c] = x[n, h, w, c]
    return result


def windows(x, size):
    n_pictures, height, width, channels = x.shape
    down, across = height // size[0], width // size[1]
    result = np.empty((n_pictures * down * across, size[0] * size[1], channels))
    for n, h, w, c in np.ndindex(x.shape):
        window = (n * down + h // size[0]) * across + w // size[1]
        result[window, h % size[0] * size[1] + w % size[1], c] = x[n, h, w, c]
    return result


def from_windows(x, size, map_size):
    down, across = map_size[0] // size[0], map_size[1] // size[1]
    result = np.empty((len(x) // (down * across), *map_size, x.shape[2]))
    for window, token, c in np.ndindex(x.shape):
        n, i, j = window // (down * across), window // across % down, window % across
        result[n, i * size[0] + token // size[1], j * size[1] + token % size[1], c] = x[window, token, c]
    return result


def merge_pixels(x):
    n_pictures, height, width, channels = x.shape
    result = np.empty((n_pictures, math.ceil(height / 2), math.ceil(width / 2), 4 * channels))
    for n, h, w, c in np.ndindex(result.shape):
        right, down = divmod(c // channels, 2)
        result[n, h, w, c] = pixel(x, n, 2 * h + down, 2 * w + right)[c % channels]
    return result
