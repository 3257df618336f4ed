"""What isl-org, MiDaS and Depth Anything share: the names from the neck's convolutions to the fusion steps."""

from typing import Any

from .renaming import Shapes, Target, shape


def fusion_names(prefix: str, levels: int) -> dict[str, Target]:
    """Level i is layer{i}_rn; refinenet{i} joins it, the deepest first in transformers' order."""
    table: dict[str, Target] = {}
    for i in range(1, levels + 1):
        ours = f"neck.fusion_stage.layers.{levels - i}"
        table[f"{prefix}layer{i}_rn"] = f"neck.convs.{i - 1}"
        table[f"{prefix}refinenet{i}.out_conv"] = f"{ours}.projection"
        for unit in (1, 2):
            for n in (1, 2):
                theirs, to = f"{prefix}refinenet{i}.resConfUnit{unit}", f"{ours}.residual_layer{unit}"
                table |= {f"{theirs}.conv{n}": f"{to}.convolution{n}", f"{theirs}.bn{n}": f"{to}.batch_norm{n}"}
    return table


def count_levels(shapes: Shapes, prefix: str) -> int:
    return sum(f"{prefix}layer{i}_rn.weight" in shapes for i in range(1, 5))


def resize_factor(shapes: Shapes, name: str) -> float:
    """4 or 2 where the map is enlarged by tiles of that side, 1/2 where a 3 x 3 convolution shrinks it, else 1."""
    if f"{name}.weight" not in shapes:
        return 1
    kernel = shape(shapes, f"{name}.weight", 4)[2]
    return 0.5 if kernel == 3 else kernel


def unit_fields(shapes: Shapes, unit: str, norm: str = "bn1", conv: str = "conv1") -> dict[str, Any]:
    """Whether the residual units have batch norms, and biases; None is transformers' word for biases where no norms."""
    batch_norm, bias = f"{unit}.{norm}.running_mean" in shapes, f"{unit}.{conv}.bias" in shapes
    return {
        "use_batch_norm_in_fusion_residual": batch_norm,
        "use_bias_in_fusion_residual": None if bias is not batch_norm else bias,
    }
