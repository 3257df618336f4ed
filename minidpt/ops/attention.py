"""Attention: every token asks all others and takes a weighted mean of their values."""

import math

import numpy as np


def attention_weights(
    query: np.ndarray,
    key: np.ndarray,
    *,
    scale: float | np.ndarray | None = None,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """softmax(scale query key^T + bias + mask): how much each token (row) listens to each other (column).

    query: (N, A, T, K)   key: (N, A, S, K)   -> (N, A, T, S), rows sum to 1   [Attention Is All You Need, eq. 1]
    scale: a number or one per head (A,); 1 / sqrt(K) if None   bias: (A, T, S) or (N, A, T, S)
    mask: (W, T, S), for sequences that are windows of a map, W windows to a picture: sequence n takes mask[n mod W]
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"attention: query {query.shape} and key {key.shape} differ in their last axis")
    n, heads, t, s = *query.shape[:3], key.shape[2]
    factor = np.float32(1 / math.sqrt(query.shape[-1])) if scale is None else np.asarray(scale, query.dtype)
    scores = np.matmul(query, key.swapaxes(-1, -2)) * factor.reshape(-1, 1, 1)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = (scores.reshape(-1, len(mask), heads, t, s) + mask[:, None]).reshape(n, heads, t, s)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def attend(
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    *,
    scale: float | np.ndarray | None = None,
    bias: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """attention_weights(query, key, ...) value

    query: (N, A, T, K)   key: (N, A, S, K)   value: (N, A, S, V)   -> (N, A, T, V)   the rest: as attention_weights
    """
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"attention: key {key.shape} and value {value.shape} differ in their number of tokens")
    return np.matmul(attention_weights(query, key, scale=scale, bias=bias, mask=mask), value)


def relative_bias(table: np.ndarray, grid: tuple[int, int], class_bias: np.ndarray | None = None) -> np.ndarray:
    """A learnt score for every offset between two tokens of a grid, laid out for each pair of tokens.

    bias[a, (y, x), (v, u)] = table[a, y - v + H - 1, x - u + W - 1]: query token (y, x), key token (v, u), row by row.
    table: (A, 2 H - 1, 2 W - 1), grid = (H, W) -> (A, H W, H W)
    class_bias: (A, 3), for a class token before the others: its scores for a grid token, a grid token's for it, its own
    for itself -> (A, 1 + H W, 1 + H W)   [BEiT], [Swin: relative position bias]
    """
    height, width = grid
    if table.shape[1:] != (2 * height - 1, 2 * width - 1):
        raise ValueError(f"relative_bias: a table of {table.shape[1:]} does not fit a grid of {height} x {width}")
    rows = np.arange(height)[:, None] - np.arange(height) + height - 1  # (y, v)
    columns = np.arange(width)[:, None] - np.arange(width) + width - 1  # (x, u)
    bias = table[:, rows[:, None, :, None], columns[None, :, None, :]].reshape(len(table), height * width, -1)
    if class_bias is None:
        return bias
    bias = np.pad(bias, ((0, 0), (1, 0), (1, 0)))
    bias[:, 0, 1:], bias[:, 1:, 0] = class_bias[:, :1], class_bias[:, 1:2]
    bias[:, 0, 0] = class_bias[:, 2]
    return bias


def axis_bias(query: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What each query says to a row offset and to a column offset, added up for each pair of tokens of a grid.

    bias[n, a, (y, x), (v, u)] = query[n, a, (y, x)] . rows[y, v] + query[n, a, (y, x)] . columns[x, u]
    query: (N, A, H W, K)   rows: (H, H, K)   columns: (W, W, K)   -> (N, A, H W, H W)
    [MViTv2: decomposed relative position], [transformers: VitDet]
    """
    n, heads, tokens, width = query.shape
    h, w = len(rows), len(columns)
    if tokens != h * w:
        raise ValueError(f"axis_bias: {tokens} queries do not fill a grid of {h} x {w}")
    grid = query.reshape(n, heads, h, w, width)
    down = np.einsum("nayxk,yvk->nayxv", grid, rows, optimize=True)
    across = np.einsum("nayxk,xuk->nayxu", grid, columns, optimize=True)
    return (down[..., :, None] + across[..., None, :]).reshape(n, heads, tokens, tokens)
