"""Linear layers, normalisations and activations: everything that treats each pixel or token by itself."""

import math
from collections.abc import Callable

import numpy as np


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x, exactly (erf), not the tanh approximation.   x: any shape"""
    from scipy.special import erf  # here, so that `import minidpt` stays light

    return x * (0.5 * (1 + erf(x * np.float32(math.sqrt(0.5)))))


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """The tanh approximation of gelu.   [transformers: gelu_new, gelu_pytorch_tanh]"""
    return x * (0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), by tanh so that a large -x does not overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0)"""
    return np.maximum(x, 0)


def silu(x: np.ndarray) -> np.ndarray:
    """x sigmoid(x)"""
    return x * sigmoid(x)


def hardswish(x: np.ndarray) -> np.ndarray:
    """x min(max(x + 3, 0), 6) / 6   [MobileNetV3]"""
    return x * (np.clip(x + 3, 0, 6) / 6)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "hardswish": hardswish,
    "relu": relu,
    "sigmoid": sigmoid,
    "silu": silu,
    "swish": silu,
    "tanh": np.tanh,
}


def activate(x: np.ndarray, activation: str | None) -> np.ndarray:
    """Apply the activation of that name (transformers' names) to every element; None leaves x as it is."""
    return x if activation is None else ACTIVATIONS[activation](x)


def add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + y, elementwise.   Shapes equal, or one for all pictures or tokens: (N, T, D) + (1, T, D) or (N, 1, D)"""
    return x + y


def multiply(x: np.ndarray, factor: float) -> np.ndarray:
    """factor x, elementwise, by one number"""
    return x * np.float32(factor)


def linear(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
    scale: np.ndarray | None = None,
    residual: np.ndarray | None = None,
) -> np.ndarray:
    """y = scale activation(x weight^T + bias) + residual

    x: (..., I)   weight: (O, I)   bias, scale: (O,)   residual: (..., O)   -> (..., O)
    On a map (N, H, W, I) this is the 1 x 1 convolution.   [torch: Linear]   scale: [CaiT: LayerScale]
    """
    if x.shape[-1] != weight.shape[1]:
        raise ValueError(f"linear: x {x.shape} does not end in the {weight.shape[1]} columns of weight {weight.shape}")
    y = np.matmul(x, weight.T)
    if bias is not None:
        y = y + bias
    y = activate(y, activation)
    if scale is not None:
        y = y * scale
    return y if residual is None else y + residual


def linear_with_token(
    x: np.ndarray,
    token: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """`linear` of every token with the same token appended to it, along the channels.   [DPT eq. 4: Read_proj]

    x: (N, T, D)   token: (N, 1, E)   weight: (O, D + E)   bias: (O,)   -> (N, T, O)
    """
    repeated = np.broadcast_to(token, (*x.shape[:-1], token.shape[-1]))
    return linear(np.concatenate([x, repeated], axis=-1), weight, bias, activation=activation)


def gated(x: np.ndarray, activation: str) -> np.ndarray:
    """activation(first half of the channels) times the second half.   (..., 2 C) -> (..., C)   [SwiGLU]"""
    if x.shape[-1] % 2:
        raise ValueError(f"gated: {x.shape[-1]} channels have no halves")
    first, second = np.split(x, 2, axis=-1)
    return activate(first, activation) * second


def unit_length(x: np.ndarray, eps: float = 1e-12) -> np.ndarray:
    """Each vector over its length, or over eps where it is shorter.   x: (..., K)   [torch: normalize]"""
    return x / np.maximum(np.sqrt(np.sum(x * x, axis=-1, keepdims=True)), np.float32(eps))


def inverse_depth(x: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """1 / max(scale x + shift, 1e-8): from a network's inverse depth to metres.   x: any shape   [isl-org: invert]"""
    return 1 / np.maximum(x * np.float32(scale) + np.float32(shift), np.float32(1e-8))


def standardize(x: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    """(x - mean) / sqrt(variance + eps) over the axes, variance biased.   x: any shape -> the same shape

    The two means are accumulated in float64: over a whole map, float32 sums would lose three digits.
    """
    centred = x - x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype)
    variance = np.mean(centred * centred, axis=axes, keepdims=True, dtype=np.float64)
    return centred / np.sqrt(variance + eps).astype(x.dtype)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float) -> np.ndarray:
    """Each token minus its mean, over its standard deviation (biased, eps inside the root), scaled and shifted.

    x: (..., D)   weight, bias: (D,)   -> (..., D)
    """
    return standardize(x, (-1,), eps) * weight + bias


def group_norm(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, groups: int, eps: float, activation: str | None = None
) -> np.ndarray:
    """As layer_norm, but over all pixels and the channels of one group at once, for each picture.

    x: (N, H, W, C), C a multiple of groups   weight, bias: (C,)   -> (N, H, W, C)   [torch: GroupNorm]
    """
    n, h, w, c = x.shape
    if c % groups:
        raise ValueError(f"group_norm: {c} channels cannot be split into {groups} groups")
    grouped = x.reshape(n, h * w, groups, c // groups)
    normed = standardize(grouped, (1, 3), eps).reshape(n, h, w, c)
    return activate(normed * weight + bias, activation)


def batch_norm(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    *,
    eps: float = 1e-5,
    activation: str | None = None,
) -> np.ndarray:
    """(x - running_mean) / sqrt(running_var + eps) weight + bias, with the statistics that training left behind.

    x: (..., C)   the rest: (C,)   -> (..., C)   [torch: BatchNorm2d.eval()]
    """
    scale = weight / np.sqrt(running_var + np.float32(eps))
    return activate(x * scale + (bias - running_mean * scale), activation)
