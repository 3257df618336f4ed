"""What the models answer: NumPy arrays by transformers' names, in transformers' shapes."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass
class Output:
    """What a model answers: NumPy arrays by name, also reachable as output["name"]."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def keys(self) -> list[str]:
        """The names that have a value."""
        return [f.name for f in fields(self) if getattr(self, f.name) is not None]


@dataclass
class EncoderOutput(Output):
    """last_hidden_state: (N, T, D) after the final norm   pooler_output: (N, P) or None without a pooler

    hidden_states: embeddings and every block's output, (N, T, D)   attentions: per block (N, A, T, T)
    intermediate_activations: the hybrid's first two maps, (N, C, H, W)
    """

    last_hidden_state: np.ndarray
    pooler_output: np.ndarray | None = None
    hidden_states: tuple[np.ndarray, ...] | None = None
    attentions: tuple[np.ndarray, ...] | None = None
    intermediate_activations: tuple[np.ndarray, ...] | None = None


@dataclass
class DepthOutput(Output):
    """predicted_depth: (N, H', W')   kind: "relative_inverse" (larger = nearer, no unit) or "metric" (metres)"""

    predicted_depth: np.ndarray
    kind: str
    hidden_states: tuple[np.ndarray, ...] | None = None
    attentions: tuple[np.ndarray, ...] | None = None


@dataclass
class SegmentationOutput(Output):
    """logits: (N, num_labels, H', W')   loss: a number, if labels were given"""

    logits: np.ndarray
    loss: float | None = None
    hidden_states: tuple[np.ndarray, ...] | None = None
    attentions: tuple[np.ndarray, ...] | None = None


@dataclass
class BackboneOutput(Output):
    """feature_maps: one per out_feature, (N, C_k, H_k, W_k), or (N, T, D) where the backbone hands out tokens"""

    feature_maps: tuple[np.ndarray, ...]
    hidden_states: tuple[np.ndarray, ...] | None = None
    attentions: tuple[np.ndarray, ...] | None = None
