"""The table of tensors: what a model consists of, before there are any numbers.

From a config, each part of the model lists its tensors under the names that its forward function uses. Random
initialisation, strict loading, preparing, conversion, inspection and counting all read this one table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .errors import CheckpointError

Named = Mapping[str, np.ndarray]  # "fusion.0.projection.weight" -> array

MAX_NAMES_SHOWN = 10


@dataclass(frozen=True)
class Tensor:
    """One tensor of the model.

    name: dotted path in memory, from the glossary.   shape: as in torch, weights (O, I, ...).
    kind: linear (used as a matrix (O, -1), whatever its shape on disk) |
        conv | standardized_conv | conv_transpose | bias | scale | shift | mean | variance | embedding
    unused: why the forward pass never reads it (it is still loaded and saved); empty for all others.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    unused: str = ""

    @property
    def size(self) -> int:
        return prod(self.shape)


# ---- building blocks of a table: each returns the tensors of one layer under `name`


def _layer(name: str, shape: tuple[int, ...], kind: str, out_channels: int, bias: bool = True) -> list[Tensor]:
    weight = Tensor(f"{name}.weight", shape, kind)
    return [weight, Tensor(f"{name}.bias", (out_channels,), "bias")] if bias else [weight]


def linear(name: str, out_features: int, in_features: int, bias: bool = True) -> list[Tensor]:
    """weight (O, I), bias (O,)"""
    return _layer(name, (out_features, in_features), "linear", out_features, bias)


def pixelwise(name: str, out_channels: int, in_channels: int, bias: bool = True) -> list[Tensor]:
    """A 1 x 1 convolution, used by the model as a linear layer; on disk its weight is (O, I, 1, 1)."""
    return _layer(name, (out_channels, in_channels, 1, 1), "linear", out_channels, bias)


def patch_conv(name: str, out_channels: int, in_channels: int, patch_size: int) -> list[Tensor]:
    """The patch embedding: a convolution on disk, a linear layer on flattened patches in the model."""
    return _layer(name, (out_channels, in_channels, patch_size, patch_size), "linear", out_channels)


def conv(name: str, out_channels: int, in_channels: int, kernel: int, bias: bool = True) -> list[Tensor]:
    """weight (O, I, R, S), bias (O,)"""
    return _layer(name, (out_channels, in_channels, kernel, kernel), "conv", out_channels, bias)


def conv_transpose(name: str, channels: int, factor: int) -> list[Tensor]:
    """weight (I, O, R, S): the transposed convolution's order, bias (O,)"""
    return _layer(name, (channels, channels, factor, factor), "conv_transpose", channels)


def norm(name: str, channels: int) -> list[Tensor]:
    """Layer or group norm: weight (C,), bias (C,)"""
    return [Tensor(f"{name}.weight", (channels,), "scale"), Tensor(f"{name}.bias", (channels,), "shift")]


def batch_norm(name: str, channels: int) -> list[Tensor]:
    """weight, bias, running_mean, running_var: all (C,)"""
    statistics = [
        Tensor(f"{name}.running_mean", (channels,), "mean"),
        Tensor(f"{name}.running_var", (channels,), "variance"),
    ]
    return norm(name, channels) + statistics


# ---- what can be done with a table


def count(table: Iterable[Tensor]) -> int:
    """Number of parameters as torch counts them: running statistics are not parameters."""
    return sum(t.size for t in table if t.kind not in ("mean", "variance"))


def random(table: Iterable[Tensor], rng: np.random.Generator, std: float = 0.02) -> dict[str, np.ndarray]:
    """Fresh weights: normal(0, std) weights, norms that do nothing, zero biases and embeddings, all float32.

    Standardised kernels get He's fan-out scale instead, as in BiT.   [transformers: initializer_range]
    """

    def draw(t: Tensor) -> np.ndarray:
        if t.kind in ("scale", "variance"):
            return np.ones(t.shape, np.float32)
        if t.kind in ("bias", "shift", "mean", "embedding"):
            return np.zeros(t.shape, np.float32)
        spread = std if t.kind != "standardized_conv" else (2 / (t.shape[0] * prod(t.shape[2:]))) ** 0.5
        return rng.standard_normal(t.shape, np.float32) * np.float32(spread)

    return {t.name: draw(t) for t in table}


def check(table: Iterable[Tensor], found: Mapping[str, tuple[int, ...]], source: str, rename: Callable[[str], str]):
    """Raise CheckpointError unless `found` (name -> shape) has exactly the table's names and shapes.

    rename: the table's name -> the name in the file, which is what the message shows.
    """
    expected = {rename(t.name): t.shape for t in table}
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    wrong = [
        f"{name}: expected {expected[name]}, found {found[name]}"
        for name in sorted(expected.keys() & found.keys())
        if tuple(found[name]) != expected[name]
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:MAX_NAMES_SHOWN])}{', ...' if len(names) > MAX_NAMES_SHOWN else ''}"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        if names
    ]
    if problems:
        raise CheckpointError(f"{source}: the tensors do not fit the config; {'; '.join(problems)}")


def nest(named: Iterable[tuple[str, Any]]) -> Any:
    """Dotted names -> nested dicts; a level whose keys are all numbers becomes a list (gaps are empty dicts)."""
    tree: dict[str, Any] = {}
    for name, value in named:
        *path, leaf = name.split(".")
        level = tree
        for key in path:
            level = level.setdefault(key, {})
        level[leaf] = value
    return _lists(tree)


def _lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    tree = {key: _lists(value) for key, value in tree.items()}
    if not tree or not all(key.isdigit() for key in tree):
        return tree
    return [tree.get(str(i), {}) for i in range(1 + max(map(int, tree)))]


def prepared(table: Iterable[Tensor], named: Named, prepare: Callable[[str, np.ndarray], Any]) -> Iterator[tuple]:
    """(name, what the backend's ops take) for every tensor that the forward pass reads."""
    for t in table:
        if not t.unused:
            weight = named[t.name]
            yield t.name, prepare(t.kind, weight.reshape(len(weight), -1) if t.kind == "linear" else weight)
