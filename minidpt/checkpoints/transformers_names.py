"""Names on disk: the glossary's names in memory, transformers' names in files, one table for both ways.

A star stands for a number. Here is the decoder's part; each encoder's own names stand in its file. Which of the rows a
model has follows from its table of tensors.
"""

import re
from collections.abc import Collection, Iterable, Mapping

from ..params import Tensor

NECK_NAMES = {
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
}
DPT_HEAD_NAMES = {
    "head.projection": "head.projection",
    "head.conv1": "head.head.0",
    "head.conv2": "head.head.2",
    "head.conv3": "head.head.4",
    "head.stem_transpose.*.conv": "head.stem_transpose.*.convolution",
    "head.stem_transpose.*.norm": "head.stem_transpose.*.batch_norm",
    **{
        f"{head}.{ours}": f"{head}.head.{theirs}"
        for head in ("head", "auxiliary_head")
        for ours, theirs in (("conv", 0), ("norm", 1), ("classifier", 4))
    },
}
DEPTH_ANYTHING_HEAD_NAMES = {f"head.conv{i}": f"head.conv{i}" for i in (1, 2, 3)}

IGNORED = {
    r".*\.num_batches_tracked": "a counter of training steps",
    r".*\.relative_(position_index|coords_table)": "follows from the sizes of grid or window; old files hold it",
    r".*\.attention_bias_idxs": "LeViT's scores are numbered by the grid alone; older files hold the numbers as well",
    r"(dpt\.)?pooler\.dense\.(weight|bias)": "the pooler is DPTModel's; depth and segmentation never call it",
}

OTHER_RELEASES = {  # a name in files of another release or class -> the name that transformers writes today
    r"(backbone\.|)(encoder\.relative_position_bias|layernorm)(\..*)": r"\1beit.\2\3",  # BeitModel; release 4
}


def disk_name(name: str, stems: Mapping[str, str]) -> str:
    """The name in a transformers file.   stems: names in memory -> names on disk, without .weight and the like"""
    starred = re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name)
    stem, leaf = (starred, "") if starred in stems else starred.rsplit(".", 1)
    numbers = iter(re.findall(r"(?<=\.)\d+(?=\.|$)", name))
    return re.sub(r"\*", lambda _: next(numbers), stems[stem]) + (f".{leaf}" if leaf else "")


def under(stems: Mapping[str, str], ours: str, theirs: str) -> dict[str, str]:
    """The same table with a prefix before either side."""
    return {f"{ours}{name}": f"{theirs}{other}" for name, other in stems.items()}


def current_name(name: str, missing: Collection[str]) -> str:
    """A file's name for a tensor, or today's name for it where that is `missing` in the file."""
    renamed = (re.sub(f"^{old}$", new, name) for old, new in OTHER_RELEASES.items())
    return next((new for new in renamed if new in missing), name)


def reason_to_ignore(name: str, table: Iterable[Tensor]) -> str | None:
    """Why a tensor of that name in a file may be passed over, or None if it may not."""
    if any(t.name.startswith("pooler.") for t in table) and "pooler" in name:
        return None
    return next((reason for pattern, reason in IGNORED.items() if re.fullmatch(pattern, name)), None)
