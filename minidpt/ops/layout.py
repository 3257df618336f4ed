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
    """Put one learnt token before each sequence.   token: (1, 1, D)   x: (N, T, D) -> (N, 1 + T, D)"""
    return np.concatenate([np.broadcast_to(token, (len(x), *token.shape[1:])), x], axis=1)


def take_tokens(x: np.ndarray, start: int, stop: int | None = None) -> np.ndarray:
    """x[:, start:stop]   x: (N, T, D)"""
    return x[:, start:stop]


def token(x: np.ndarray, index: int) -> np.ndarray:
    """One token of each sequence.   (N, T, D) -> (N, D)"""
    return x[:, index]


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


def concat_token(x: np.ndarray, token: np.ndarray) -> np.ndarray:
    """Append the same token to every token of the sequence, along the channels.

    x: (N, T, D)   token: (N, 1, D) -> (N, T, 2 D)
    """
    return np.concatenate([x, np.broadcast_to(token, x.shape)], axis=-1)


def split_heads(x: np.ndarray, num_heads: int) -> np.ndarray:
    """(N, T, A K) -> (N, A, T, K)"""
    n, t, d = x.shape
    if d % num_heads:
        raise ValueError(f"split_heads: {d} channels cannot be split into {num_heads} heads")
    return x.reshape(n, t, num_heads, d // num_heads).transpose(0, 2, 1, 3)


def merge_heads(x: np.ndarray) -> np.ndarray:
    """(N, A, T, K) -> (N, T, A K)"""
    n, a, t, k = x.shape
    return x.transpose(0, 2, 1, 3).reshape(n, t, a * k)


def drop_channel(x: np.ndarray) -> np.ndarray:
    """(N, H, W, 1) -> (N, H, W)"""
    if x.shape[-1] != 1:
        raise ValueError(f"drop_channel: expected one channel, got shape {x.shape}")
    return x[..., 0]
