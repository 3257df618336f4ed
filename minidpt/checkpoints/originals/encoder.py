"""What is said of an encoder from timm: its part of a DPTConfig and its tensors' names. Here what several share.

timm's own names (0.4 to 1.0) stand on the left of the tables, transformers' on the right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import CheckpointError
from .renaming import Target

HEAD_WIDTH = 64  # of every plain ViT, DeiT and DINOv2 ever published; heads leave no trace in their shapes
# timm's LayerNorm eps. transformers' configs say 1e-12 for ViT and BEiT, but these weights were made and published with
# timm, and the converted model is to give the original's numbers.
VIT_EPS = 1e-6
CLASSIFIER = "the classifier of the encoder's own training"
LAST_NORM = "the encoder's last norm, which no map passes"
FOLLOWS = "follows from the sizes of picture and window"


@dataclass(frozen=True)
class Encoder:
    """config: what it says in a DPTConfig   side: of the pictures it was made for   any_size: it takes others too"""

    config: dict[str, Any]
    table: dict[str, Target]
    side: int
    ignored: Mapping[str, str] = field(default_factory=dict)
    any_size: bool = True


def quarters(depth: int) -> list[int]:
    """The last blocks of the four quarters, numbered from 0: the taps of every ViT of isl-org and MiDaS."""
    if depth < 4:
        raise CheckpointError(f"an encoder of {depth} blocks has no four to tap")
    return [depth * (i + 1) // 4 - 1 for i in range(4)]


def block_names(stem: str, to: str, attention: str = "attention.attention") -> dict[str, Target]:
    """A transformer block of timm under transformers' older names."""
    return {
        f"{stem}.norm1": f"{to}.layernorm_before",
        f"{stem}.norm2": f"{to}.layernorm_after",
        f"{stem}.mlp.fc1": f"{to}.intermediate.dense",
        f"{stem}.mlp.fc2": f"{to}.output.dense",
        **attention_names(stem, to, attention),
    }


def attention_names(stem: str, to: str, attention: str = "attention.attention") -> dict[str, Target]:
    """The fused qkv is cut in three; BEiT and SwinV2 keep the biases apart, and keys have none."""
    return {
        f"{stem}.attn.qkv": tuple(f"{to}.{attention}.{name}" for name in ("query", "key", "value")),
        f"{stem}.attn.q_bias": f"{to}.{attention}.query.bias",
        f"{stem}.attn.v_bias": f"{to}.{attention}.value.bias",
        f"{stem}.attn.proj": f"{to}.attention.output.dense",
    }
