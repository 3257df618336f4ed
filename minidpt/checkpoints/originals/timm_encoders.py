"""Which of timm's encoders a checkpoint of isl-org, MiDaS or segmentation_models.pytorch has, told by one name each."""

import dataclasses
from collections.abc import Callable

from ...errors import CheckpointError
from . import conv_encoders
from .encoder import Encoder
from .plain_encoders import beit, vit
from .renaming import Shapes
from .window_encoders import swin, swinv2

SIGNS: dict[str, Callable[[Shapes], Encoder]] = {  # a name that only one kind has -> that kind
    "layers.0.blocks.0.attn.logit_scale": swinv2,
    "layers.0.blocks.0.attn.relative_position_bias_table": swin,
    "blocks.0.attn.relative_position_bias_table": beit,
    "features.0.mhca.group_conv3x3.weight": conv_encoders.next_vit,
    "blocks.0.m.attention_biases": conv_encoders.levit,
    "blocks.0.attn.qkv.weight": vit,
}


def encoder_of(shapes: Shapes, prefix: str) -> Encoder:
    """The encoder whose names begin with `prefix`, its tables complete with it.   CheckpointError if it is unknown"""
    inner = {name.removeprefix(prefix): size for name, size in shapes.items() if name.startswith(prefix)}
    kind = next((kind for sign, kind in SIGNS.items() if sign in inner), None)
    if kind is None:
        raise CheckpointError(f"an encoder that minidpt does not know, with {', '.join(sorted(inner)[:5])}, ...")
    encoder = kind(inner)
    table = {f"{prefix}{stem}": target for stem, target in encoder.table.items()}
    ignored = {f"{prefix}{stem}": reason for stem, reason in encoder.ignored.items()}
    return dataclasses.replace(encoder, table=table, ignored=ignored)
