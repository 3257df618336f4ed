"""Swin V2: Swin with norms after its branches, cosine attention, and a small mlp in place of position tables.

The mlp turns an offset, on a logarithmic scale, into a score for it, so that windows may grow after pretraining. It
sees no picture: its table is computed once, on the host.   [Swin V2], [transformers: Swinv2Backbone]
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from .. import ops, params
from ..ops.pointwise import sigmoid
from ..params import Named, Tensor
from ..recording import note
from ..schema import integer, nullable, sequence
from . import swin
from .base import Array, Encoded
from .swin import LAYER, MAX_STAGES, MAX_WINDOW, NORM_EPS, STAGE_NAMES, ShiftedWindowConfig
from .windows import MASKED, Windows, window_attention

MLP_WIDTH = 512  # of the mlp that scores offsets
MAX_LOGIT_SCALE = math.log(100)
LARGEST_BIAS = 16
OFFSET_RANGE = 8  # offsets reach from -8 to 8 before the logarithm, to the base 8
# transformers adds Swin's mask twice. With cosines of -1 and 1 and a scale of 100, once would let a masked pair win.
MASKED_TWICE = 2 * MASKED


def encode(pixels: Array, p: dict, sized: dict, config: Swinv2Config) -> Encoded:
    """pixels: (N, H, W, C), of any size"""
    return swin.encode_stages(pixels, p, sized, config, block, merge)


def block(x: Array, p: dict, windows: Windows, config: Swinv2Config, *, name: str) -> Array:
    """x + norm1(attention(x)), then x + norm2(mlp(x)).   x: (N, H, W, C)   [Swin V2 fig. 1]"""
    eps = config.layer_norm_eps
    attended = window_attention(x, p["attention"], windows, name=f"{name}.attention")
    x = ops.add(x, note(f"{name}.norm1", ops.layer_norm(attended, **p["norm1"], eps=eps)))
    bent = swin.mlp(x, p["mlp"], config.hidden_act, name=f"{name}.mlp")
    return ops.add(x, ops.layer_norm(bent, **p["norm2"], eps=eps))


def merge(x: Array, p: dict) -> Array:
    """Narrow 2 x 2 pixels to one, then norm.   (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), 2 C)"""
    return ops.layer_norm(ops.linear(ops.merge_pixels(x), **p["reduction"]), **p["norm"], eps=NORM_EPS)


# ---------------------------------------------------------------- the config


@dataclasses.dataclass(frozen=True, init=False, kw_only=True)
class Swinv2Config(ShiftedWindowConfig):
    """[transformers: Swinv2Config, same fields and defaults]

    pretrained_window_sizes: the window side, per stage, that the offsets were scaled by in pretraining; 0: this
    model's own.   With use_absolute_embeddings, with which transformers' model fails, the row for a class token that
    its table has is passed over.
    """

    model_type: ClassVar[str] = "swinv2"
    class_positions: ClassVar[int] = 1

    pretrained_window_sizes: tuple[int, ...] = nullable((0, 0, 0, 0), sequence(integer(0, MAX_WINDOW), 1, MAX_STAGES))

    def check(self):
        super().check()
        given = self.pretrained_window_sizes
        if len(given) < len(self.depths):
            raise self._error("pretrained_window_sizes", f"has {len(given)} values, depths has {len(self.depths)}")
        if 1 in given:
            raise self._error("pretrained_window_sizes", "must not be 1: a window of one pixel has no offsets")

    @property
    def windows_shrink(self) -> bool:
        return True


# ---------------------------------------------------------------- what depends on the size only


def sized(named: Named, config: Swinv2Config, size: tuple[int, int]) -> dict:
    """What the forward pass needs for pictures of `size` = (H, W) pixels: masks, position tables, logit scales."""

    def of_block(name: str, s: int, side: int) -> dict[str, np.ndarray]:
        up, bias, down = (named[f"{name}.position_mlp.{part}"] for part in ("up.weight", "up.bias", "down.weight"))
        logit_scale = np.minimum(named[f"{name}.logit_scale"].reshape(-1).astype(np.float64), MAX_LOGIT_SCALE)
        pretrained_side = config.pretrained_window_sizes[s] or side
        return {"bias": offset_scores(up, bias, down, side, pretrained_side), "scale": np.exp(logit_scale)}

    return swin.sized_stages(named, config, size, of_block, MASKED_TWICE)


def offset_scores(up: np.ndarray, bias: np.ndarray, down: np.ndarray, side: int, pretrained_side: int) -> np.ndarray:
    """16 sigmoid(mlp(offset)) for every offset between two pixels of a window, the mlp with one relu.

    An offset (dy, dx) enters as sign(d) log_8(1 + 8 |d| / (side - 1)), of the window that pretraining had.
    up: (M, 2)   bias: (M,)   down: (A, M)   -> (A, 2 side - 1, 2 side - 1)   [Swin V2 eq. 3-4]
    """
    offsets = np.arange(1 - side, side) * (OFFSET_RANGE / max(pretrained_side - 1, 1))
    offsets = np.sign(offsets) * np.log1p(np.abs(offsets)) / math.log(OFFSET_RANGE)
    pairs = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1)  # (dy, dx)
    hidden = np.maximum(pairs @ up.T.astype(np.float64) + bias, 0)
    return LARGEST_BIAS * sigmoid(down @ hidden.reshape(-1, len(bias)).T).reshape(len(down), *pairs.shape[:2])


# ---------------------------------------------------------------- tensors, and names in transformers' files


def tensors(config: Swinv2Config, name: str = "backbone") -> list[Tensor]:
    """The table of the encoder's tensors, patch embedding to the last stage. Keys never have a bias."""

    def of_attention(attention: str, heads: int, side: int) -> list[Tensor]:
        scores = params.linear(f"{attention}.position_mlp.up", MLP_WIDTH, 2)
        scores += params.linear(f"{attention}.position_mlp.down", heads, MLP_WIDTH, bias=False)
        return [Tensor(f"{attention}.logit_scale", (heads, 1, 1), "scale"), *scores]

    return swin.stage_tensors(config, name, of_attention, normed_pixels=2, key_bias=False)


def states(config: Swinv2Config) -> list[str]:
    return [f"{name}.tokens" for name in ("embeddings", *(f"stages.{s}" for s in range(len(config.depths))))]


attentions = swin.attentions


def names(config: Swinv2Config) -> dict[str, str]:
    return NAMES


NAMES = {
    **STAGE_NAMES,
    "stages.*.blocks.*.attention.logit_scale": f"{LAYER}.blocks.*.attention.self.logit_scale",
    **{
        f"stages.*.blocks.*.attention.position_mlp.{ours}": (
            f"{LAYER}.blocks.*.attention.self.continuous_position_bias_mlp.{theirs}"
        )
        for ours, theirs in (("up", 0), ("down", 2))
    },
}
