"""Attention: every token asks all others and takes a weighted mean of their values."""

import math

import numpy as np


def attention_weights(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """softmax(query key^T / sqrt(K)): how much each token (row) listens to each other (column). Rows sum to 1.

    query: (N, A, T, K)   key: (N, A, S, K)   -> (N, A, T, S)   [Attention Is All You Need, eq. 1]
    """
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"attention: query {query.shape} and key {key.shape} differ in their last axis")
    scores = np.matmul(query, key.swapaxes(-1, -2)) * np.float32(1 / math.sqrt(query.shape[-1]))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def attend(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    """attention_weights(query, key) value

    query: (N, A, T, K)   key: (N, A, S, K)   value: (N, A, S, V)   -> (N, A, T, V)
    """
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"attention: key {key.shape} and value {value.shape} differ in their number of tokens")
    return np.matmul(attention_weights(query, key), value)
