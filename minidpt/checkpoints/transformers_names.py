"""Names on disk: the glossary's names in memory, transformers' names in files, one table for both ways.

A star stands for a number. Which of the rows a model has follows from its table of tensors.
"""

import re
from collections.abc import Iterable

from ..params import Tensor

STEMS = {
    "backbone.cls_token": "dpt.embeddings.cls_token",
    "backbone.position_embeddings": "dpt.embeddings.position_embeddings",
    "backbone.patch_embed": "dpt.embeddings.patch_embeddings.projection",
    "backbone.projection": "dpt.embeddings.projection",
    "backbone.bit.stem.conv": "dpt.embeddings.backbone.bit.embedder.convolution",
    "backbone.bit.stem.norm": "dpt.embeddings.backbone.bit.embedder.norm",
    **{
        f"backbone.bit.stages.*.layers.*.{ours}": f"dpt.embeddings.backbone.bit.encoder.stages.*.layers.*.{theirs}"
        for ours, theirs in (
            *((part, part) for part in ("conv1", "conv2", "conv3", "norm1", "norm2", "norm3")),
            ("shortcut.conv", "downsample.conv"),
            ("shortcut.norm", "downsample.norm"),
        )
    },
    **{
        f"backbone.blocks.*.{ours}": f"dpt.encoder.layer.*.{theirs}"
        for ours, theirs in (
            ("norm1", "layernorm_before"),
            ("attention.query", "attention.attention.query"),
            ("attention.key", "attention.attention.key"),
            ("attention.value", "attention.attention.value"),
            ("attention.out", "attention.output.dense"),
            ("norm2", "layernorm_after"),
            ("mlp.up", "intermediate.dense"),
            ("mlp.down", "output.dense"),
        )
    },
    "backbone.norm": "dpt.layernorm",
    "pooler": "dpt.pooler.dense",
    "reassemble.*.readout": "neck.reassemble_stage.readout_projects.*.0",
    "reassemble.*.projection": "neck.reassemble_stage.layers.*.projection",
    "reassemble.*.resize": "neck.reassemble_stage.layers.*.resize",
    "neck.*": "neck.convs.*",
    "fusion.*.projection": "neck.fusion_stage.layers.*.projection",
    **{
        f"fusion.*.residual_unit_{unit}.{ours}{i}": f"neck.fusion_stage.layers.*.residual_layer{unit}.{theirs}{i}"
        for unit in (1, 2)
        for i in (1, 2)
        for ours, theirs in (("conv", "convolution"), ("norm", "batch_norm"))
    },
    "head.projection": "head.projection",
    "head.conv1": "head.head.0",
    "head.conv2": "head.head.2",
    "head.conv3": "head.head.4",
    **{
        f"{head}.{ours}": f"{head}.head.{theirs}"
        for head in ("head", "auxiliary_head")
        for ours, theirs in (("conv", 0), ("norm", 1), ("classifier", 4))
    },
}

IGNORED = {
    r".*\.num_batches_tracked": "a counter of training steps",
    r"(dpt\.)?pooler\.dense\.(weight|bias)": "the pooler is DPTModel's; depth and segmentation never call it",
}


def disk_name(name: str, *, encoder_only: bool = False) -> str:
    """The name in a transformers file; a file that holds DPTModel alone lacks the `dpt.` in front."""
    stem, leaf = (name, "") if name in STEMS else name.rsplit(".", 1)
    numbers = iter(re.findall(r"(?<=\.)\d+(?=\.|$)", stem))
    disk = STEMS[re.sub(r"(?<=\.)\d+(?=\.|$)", "*", stem)]
    disk = re.sub(r"\*", lambda _: next(numbers), disk) + (f".{leaf}" if leaf else "")
    return disk.removeprefix("dpt.") if encoder_only else disk


def reason_to_ignore(name: str, table: Iterable[Tensor]) -> str | None:
    """Why a tensor of that name in a file may be passed over, or None if it may not."""
    if any(t.name.startswith("pooler.") for t in table) and "pooler" in name:
        return None
    return next((reason for pattern, reason in IGNORED.items() if re.fullmatch(pattern, name)), None)
