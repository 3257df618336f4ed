"""A small call of every op of the menu, in every way that matters: what compiles all kernels; what tests begin with."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Example = tuple[str, list, dict[str, Any]]  # op, arguments and options; a tuple stands for an array of that shape

SIZES = ("grid", "size", "map_size", "padding")  # options that are tuples of numbers, not shapes of arrays
WEIGHTS = {  # ops that take a weight prepared: its place among the arguments, its kind
    "conv2d": (1, "conv"),
    "conv_transpose2d": (1, "conv_transpose"),
    "linear": (1, "linear"),
    "linear_with_token": (2, "linear"),
    "resized_conv2d": (1, "conv"),
    "resized_linear": (1, "linear"),
}

MAP, TOKENS, HEADS = (2, 5, 7, 6), (2, 12, 6), (4, 3, 5, 8)

EXAMPLES: tuple[Example, ...] = (
    ("from_numpy", [MAP], {}),
    ("to_numpy", [MAP], {}),
    ("channels_last", [(2, 3, 5, 7)], {}),
    ("channels_first", [MAP], {}),
    ("patches", [(2, 6, 9, 3), 3], {}),
    ("prepend_token", [(1, 1, 6), TOKENS], {}),
    ("prepend_token", [(1, 4, 6), TOKENS], {}),
    ("take_tokens", [TOKENS, 1], {}),
    ("take_tokens", [TOKENS, 0, 3], {}),
    ("token", [TOKENS, 2], {}),
    ("mean_token", [TOKENS], {}),
    ("tokens_to_map", [TOKENS], {"grid": (3, 4)}),
    ("map_to_tokens", [MAP], {}),
    ("map_size", [MAP], {}),
    ("split_heads", [TOKENS, 3], {}),
    ("split_heads", [TOKENS, 1, 2, 5], {}),
    ("split_heads", [TOKENS, 2], {"start": 1}),
    ("merge_heads", [HEADS], {}),
    ("concat_channels", [MAP, (2, 5, 7, 4)], {}),
    ("drop_channel", [(2, 5, 7, 1)], {}),
    ("pad_map", [MAP, 1, 2], {}),
    ("crop_map", [MAP], {"size": (4, 2)}),
    ("roll_map", [MAP, 1, -2], {}),
    ("every_other", [MAP, 2], {}),
    ("every_other", [MAP, 3], {}),
    ("windows", [(2, 4, 9, 6)], {"size": (2, 3)}),
    ("from_windows", [(12, 6, 5)], {"size": (2, 3), "map_size": (4, 9)}),
    ("merge_pixels", [MAP], {}),
    ("merge_pixels", [(2, 4, 6, 3)], {}),
    ("add", [MAP, MAP], {}),
    ("add", [TOKENS, (1, 12, 6)], {}),
    ("add", [TOKENS, (2, 1, 6)], {}),
    ("add", [(65, 4096), (65, 4096)], {}),  # enough to be worth a kernel
    ("multiply", [MAP, 0.5], {}),
    ("activate", [MAP, "gelu"], {}),
    ("activate", [MAP, "relu"], {}),
    ("activate", [MAP, "sigmoid"], {}),
    ("activate", [MAP, "hardswish"], {}),
    ("linear", [MAP, (4, 6)], {}),
    ("linear", [TOKENS, (4, 6), (4,)], {"activation": "relu", "scale": (4,), "residual": (2, 12, 4)}),
    ("linear", [(1, 13, 20), (40, 20), (40,)], {"activation": "gelu", "residual": (1, 13, 40)}),
    ("linear_with_token", [TOKENS, (2, 1, 5), (4, 11)], {}),
    ("linear_with_token", [TOKENS, (2, 1, 6), (4, 12), (4,)], {"activation": "gelu"}),
    ("gated", [TOKENS, "silu"], {}),
    ("unit_length", [HEADS], {}),
    ("inverse_depth", [(2, 5, 7), 0.1, 1.0], {}),
    ("layer_norm", [TOKENS, (6,), (6,)], {"eps": 1e-6}),
    ("group_norm", [MAP, (6,), (6,)], {"groups": 3, "eps": 1e-5, "activation": "relu"}),
    ("batch_norm", [MAP, (6,), (6,), (6,), (6,)], {}),
    ("attention_weights", [HEADS, (4, 3, 9, 8)], {}),
    ("attend", [HEADS, (4, 3, 9, 8), (4, 3, 9, 2)], {"scale": 0.2, "bias": (3, 5, 9), "mask": (2, 5, 9)}),
    ("attend", [HEADS, HEADS, HEADS], {"scale": (3,)}),
    ("relative_bias", [(3, 5, 7)], {"grid": (3, 4)}),
    ("relative_bias", [(3, 5, 7)], {"grid": (3, 4), "class_bias": (3, 3)}),
    ("axis_bias", [(4, 3, 12, 8), (3, 3, 8), (4, 4, 8)], {}),
    ("conv2d", [MAP, (4, 6, 3, 3), (4,)], {"padding": 1}),
    (
        "conv2d",
        [MAP, (4, 6, 3, 3)],
        {"padding": 1, "pre_activation": "relu", "activation": "silu", "residual": (2, 5, 7, 4)},
    ),
    ("conv2d", [(1, 32, 33, 5), (3, 5, 3, 3)], {"padding": 1, "residual": (1, 32, 33, 3)}),  # enough for Winograd
    ("conv2d", [MAP, (4, 6, 3, 2)], {"stride": 2, "padding": ((0, 1), (2, 0))}),
    ("conv2d", [MAP, (4, 6, 3, 3)], {"dilation": 2, "padding": 1}),
    ("conv2d", [MAP, (4, 3, 3, 3)], {"groups": 2}),
    ("conv2d", [(1, 5, 4, 16), (3, 16, 3, 3)], {"stride": 2, "padding": 1}),  # channels enough for bfloat16
    ("conv_transpose2d", [MAP, (6, 4, 2, 2), (4,)], {}),
    ("conv_transpose2d", [MAP, (6, 4, 3, 3)], {"stride": 2, "padding": 1}),
    ("conv_transpose2d", [MAP, (6, 4, 3, 3)], {"stride": 2, "padding": 1, "output_padding": 1}),
    ("max_pool2d", [MAP, 3], {"stride": 2, "padding": ((0, 1), (1, 1))}),
    ("avg_pool2d", [MAP, 2], {}),
    ("avg_pool_tokens", [TOKENS, 5], {}),
    ("resize_bilinear", [MAP], {"size": (3, 11), "align_corners": True}),
    ("resize_bilinear", [MAP], {"scale": 1.5, "align_corners": False}),
    ("resized_conv2d", [MAP, (4, 6, 3, 3), (4,)], {"scale": 2, "align_corners": True, "padding": 1}),
    (
        "resized_conv2d",
        [(1, 16, 17, 5), (3, 5, 3, 3), (3,)],
        {"size": (32, 35), "align_corners": True, "padding": 1, "activation": "relu"},
    ),
    ("resized_linear", [MAP, (4, 6), (4,)], {"scale": 2, "align_corners": True}),
    ("resized_linear", [MAP, (4, 6)], {"size": (3, 11), "align_corners": False}),
)


def arguments(example: Example, make: Callable[[tuple[int, ...]], Any]) -> tuple[list, dict[str, Any]]:
    """The example's arguments and options, with what `make` makes of each shape."""
    _, args, options = example
    return [make(a) if isinstance(a, tuple) else a for a in args], {
        name: make(option) if isinstance(option, tuple) and name not in SIZES else option
        for name, option in options.items()
    }


def random_arguments(example: Example, seed: int = 0) -> tuple[list, dict[str, Any]]:
    """The example's arguments and options, with random float32 arrays, weights such that sums are about 1 in size."""
    rng, op = np.random.default_rng(seed), example[0]
    args, options = arguments(example, lambda shape: rng.standard_normal(shape).astype(np.float32))
    if op in WEIGHTS:
        args[WEIGHTS[op][0]] *= np.float32(args[WEIGHTS[op][0]][0].size ** -0.5)
    if op == "batch_norm":
        args[4] = np.abs(args[4]) + np.float32(0.1)  # a variance
    if op == "attend" and "bias" in options:
        args = [a.swapaxes(1, 2).copy().swapaxes(1, 2) for a in args]  # as `split_heads` leaves them
    return args, options


def run(backend: Any, op: str, args: list, options: Mapping[str, Any]) -> Any:
    """What a backend answers to NumPy arrays, its weights prepared as a model's are."""
    args, options = list(args), dict(options)
    if op in WEIGHTS:
        place, kind = WEIGHTS[op]
        args[place] = backend.prepare(kind, args[place])
    if not backend.apart:
        return backend.ops[op](*args, **options)

    def inside(x: Any) -> Any:
        return backend.ops["from_numpy"](x) if isinstance(x, np.ndarray) and op != "from_numpy" else x

    found = backend.ops[op](*map(inside, args), **{name: inside(x) for name, x in options.items()})
    return found if op in ("map_size", "to_numpy") else backend.ops["to_numpy"](found)


def run_all(backend: Any) -> None:
    """Every example, at every precision that the backend has here."""
    for precision in backend.precisions:
        table = backend if backend.at is None else backend.at(precision)
        for example in EXAMPLES:
            run(table, example[0], *random_arguments(example))
