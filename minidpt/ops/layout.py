"""Moves between pictures, maps, tokens and heads. Nothing is computed here; most are reshapes of the same memory."""

import numpy as np


def from_numpy(x: np.ndarray) -> np.ndarray:
    """Bring a NumPy array into the backend (here: float32, C-contiguous)."""
    return np.ascontiguousarray(x, dtype=np.float32)


def to_numpy(x: np.ndarray) -> np.ndarray:
    """Bring an array of the backend back to NumPy, in memory of its own."""
    return np.array(x)


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)"""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (N, C, H, W), the order of the public interface"""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def whole_patches(height: int, width: int, patch_size: int) -> bool:
    """Whether a picture of that size is cut into square patches without rest, and into one at least."""
    return min(height, width) >= patch_size and height % patch_size == 0 and width % patch_size == 0


def patches(x: np.ndarray, patch_size: int) -> np.ndarray:
    """Cut a picture into square patches, row by row, each flattened as (c, r, s) like a convolution's weight.

    x: (N, H, W, C), H and W multiples of patch_size -> (N, H/p W/p, C p p)
    """
    n, h, w, c = x.shape
    p = patch_size
    if not whole_patches(h, w, p):
        raise ValueError(f"patches: {h} x {w} pixels are not a multiple of the patch size {p}")
    x = x.reshape(n, h // p, p, w // p, p, c)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, (h // p) * (w // p), c * p * p)


def prepend_token(token: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Put learnt tokens, most often one, before each sequence.   token: (1, P, D)   x: (N, T, D) -> (N, P + T, D)"""
    return np.concatenate([np.broadcast_to(token, (len(x), *token.shape[1:])), x], axis=1)


def take_tokens(x: np.ndarray, start: int, stop: int | None = None) -> np.ndarray:
    """x[:, start:stop]   x: (N, T, D)"""
    return x[:, start:stop]


def token(x: np.ndarray, index: int) -> np.ndarray:
    """One token of each sequence.   (N, T, D) -> (N, D)"""
    return x[:, index]


def mean_token(x: np.ndarray) -> np.ndarray:
    """The mean of a sequence's tokens, as a sequence of one.   (N, T, D) -> (N, 1, D)"""
    return x.mean(axis=1, keepdims=True)


def tokens_to_map(x: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """(N, H W, D) -> (N, H, W, D) with grid = (H, W)"""
    if x.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"tokens_to_map: {x.shape[1]} tokens do not fill a grid of {grid[0]} x {grid[1]}")
    return x.reshape(len(x), *grid, x.shape[-1])


def map_to_tokens(x: np.ndarray) -> np.ndarray:
    """(N, H, W, D) -> (N, H W, D)"""
    return x.reshape(len(x), -1, x.shape[-1])


def map_size(x: np.ndarray) -> tuple[int, int]:
    """(H, W) of a map (N, H, W, C): the one thing about an array that a model may ask."""
    return x.shape[1], x.shape[2]


def split_heads(x: np.ndarray, num_heads: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """(N, T, A K) -> (N, A, T, K); with start and stop only those channels of each head's K."""
    n, t, d = x.shape
    if d % num_heads:
        raise ValueError(f"split_heads: {d} channels cannot be split into {num_heads} heads")
    return x.reshape(n, t, num_heads, d // num_heads)[..., start:stop].transpose(0, 2, 1, 3)


def merge_heads(x: np.ndarray) -> np.ndarray:
    """(N, A, T, K) -> (N, T, A K)"""
    n, a, t, k = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, t, a * k)


def concat_channels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, H, W, C) and (N, H, W, D) -> (N, H, W, C + D)"""
    return np.concatenate([x, y], axis=-1)


def pad_map(x: np.ndarray, bottom: int, right: int) -> np.ndarray:
    """Rows and columns of zeros after the last.   (N, H, W, C) -> (N, H + bottom, W + right, C)"""
    return np.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0)))


def crop_map(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The top left part of a map.   (N, H, W, C) -> (N, *size, C)"""
    return np.ascontiguousarray(x[:, : size[0], : size[1]])


def roll_map(x: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move a map down and to the right; what leaves at one border comes in at the other.   x: (N, H, W, C)"""
    return np.roll(x, (down, right), axis=(1, 2))


def every_other(x: np.ndarray, stride: int) -> np.ndarray:
    """Each stride-th pixel of each stride-th row, from the first.   (N, H, W, C) -> (N, ceil(H/s), ceil(W/s), C)"""
    return np.ascontiguousarray(x[:, ::stride, ::stride])


def windows(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut a map into windows, row by row, each a short sequence of tokens.

    x: (N, H, W, C), H and W multiples of size = (h, w) -> (N H/h W/w, h w, C)
    """
    n, height, width, c = x.shape
    h, w = size
    if height % h or width % w:
        raise ValueError(f"windows: a map of {height} x {width} is not a multiple of {h} x {w}")
    x = x.reshape(n, height // h, h, width // w, w, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, h * w, c)


def from_windows(x: np.ndarray, size: tuple[int, int], map_size: tuple[int, int]) -> np.ndarray:
    """Put windows of size = (h, w) back together, the inverse of `windows`.   -> (N, H, W, C), map_size = (H, W)"""
    (h, w), (height, width), c = size, map_size, x.shape[-1]
    x = x.reshape(-1, height // h, width // w, h, w, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)


def merge_pixels(x: np.ndarray) -> np.ndarray:
    """Every 2 x 2 pixels become one, its channels those of top left, bottom left, top right, bottom right.

    x: (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 4 C), zeros beyond an odd border   [Swin: patch merging]
    """
    x = pad_map(x, x.shape[1] % 2, x.shape[2] % 2)
    parts = [x[:, r::2, s::2] for s in (0, 1) for r in (0, 1)]
    return np.concatenate(parts, axis=-1)


def drop_channel(x: np.ndarray) -> np.ndarray:
    """(N, H, W, 1) -> (N, H, W)"""
    if x.shape[-1] != 1:
        raise ValueError(f"drop_channel: expected one channel, got shape {x.shape}")
    return x[..., 0]
