"""What all encoders have in common: what they hand to the decoder, and what their configs tell it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..checkpoints.config_files import PretrainedConfig
from ..errors import ConfigError
from ..ops.layout import whole_patches
from ..params import Tensor
from ..recording import note
from ..schema import MAX_BLOCKS, integer, optional, sequence, setting

Array = Any  # an array of whichever backend is in use
DEFAULT_SIDE = 384  # of a picture, for encoders whose config names none


@dataclass(frozen=True)
class Encoded:
    """What an encoder hands to the decoder.

    taps: one array per level of the neck, finest first: tokens (N, P + H W, D) with P tokens before the grid's, or maps
    (N, H, W, C).   grid: the real token grid (H, W) of taps that are tokens.   tokens: the last block's output.
    """

    taps: list[Array]
    grid: tuple[int, int]
    tokens: Array = None


@dataclass(frozen=True)
class Backbone:
    """A row of the encoders' table.

    tensors(config, "backbone") -> its table of tensors
    sized(named, config, (H, W)) -> what depends on the picture's size alone: arrays, lists or dicts of them, by name
    encode(pixels, p, sized, config) -> Encoded
    names(config) -> {the table's names after "backbone.", `*` for a number: transformers' names}, which have `prefix`
    before them in the file of a whole DPT
    states(config), attentions(config) -> the recorded names that transformers calls hidden_states and attentions
    """

    tensors: Callable[..., list[Tensor]]
    sized: Callable[..., dict[str, Any]]
    encode: Callable[..., Encoded]
    names: Callable[[Any], Mapping[str, str]]
    states: Callable[[Any], list[str]]
    attentions: Callable[[Any], list[str]]
    prefix: str = "backbone."


def row(module: Any, *, prefix: str = "backbone.") -> Backbone:
    """The row of a file that defines these functions under these names; without states it is one row of blocks."""
    states = getattr(module, "states", block_states), getattr(module, "attentions", block_attentions)
    return Backbone(module.tensors, module.sized, module.encode, module.names, *states, prefix=prefix)


def block_states(config: Any) -> list[str]:
    """The hidden_states of an encoder that is one row of blocks."""
    return ["embeddings", *(f"blocks.{i}" for i in range(config.num_hidden_layers))]


def block_attentions(config: Any) -> list[str]:
    """The attentions of an encoder that is one row of blocks."""
    return [f"blocks.{i}.attention.weights" for i in range(config.num_hidden_layers)]


def run_blocks(
    x: Array, blocks: Sequence[dict], apply: Callable[[Array, dict, int], Array], tap_after: Sequence[int]
) -> tuple[list[Array], Array]:
    """Refine tokens block by block.   apply(x, p, i) -> x.   tap_after: 0 taps x itself, k the output of the k-th block

    -> the taps in order, and the last block's output
    """
    taps = [x] if 0 in tap_after else []
    for i, p in enumerate(blocks):
        x = note(f"blocks.{i}", apply(x, p, i))
        if i + 1 in tap_after:
            taps.append(x)
    return taps, x


@dataclass(frozen=True, init=False, kw_only=True)
class EncoderConfig(PretrainedConfig, ABC):
    """What the decoder asks of the config of any encoder.

    Fields beside these are each encoder's own.
    """

    num_channels: int = setting(3, integer(1, 64))

    @property
    def taps_are(self) -> str:
        """ "tokens", read out and laid on their grid by the reassemble stage; "maps" of the token grid, which have no
        class token to read out; or a "pyramid" of maps at the decoder's sizes, which needs no reassembling.
        """
        return "tokens"

    @property
    def prefix_tokens(self) -> int:
        """How many tokens stand before those of the grid."""
        return 1

    @property
    def class_tokens(self) -> int:
        """How many of those, the first ones, speak for the whole picture."""
        return 1

    @property
    @abstractmethod
    def tap_channels(self) -> tuple[int, ...]:
        """The width of each tap."""

    @property
    @abstractmethod
    def size_multiple(self) -> int:
        """Both sides of a picture must be multiples of this."""

    def _check_blocks(self, width: int, heads: int, patch_size: int, **sides: int):
        """What every encoder of patch tokens and blocks must fulfil.   sides: of pictures, by their field's name"""
        if width % heads:
            raise self._error("num_attention_heads", f"{heads} does not divide {width}")
        for name, side in sides.items():
            if side < patch_size:
                raise self._error(name, f"{side} is smaller than patch_size {patch_size}")


@dataclass(frozen=True, init=False, kw_only=True)
class BackboneConfig(EncoderConfig):
    """A config with which an encoder stands alone: it chooses its taps.   [transformers: BackboneConfigMixin]

    out_features: names of stages, in order; out_indices: their numbers; either follows from the other, and both are
    completed from the last stage if neither is given.
    """

    out_features: tuple[str, ...] | None = setting(None, optional(sequence(str)))
    out_indices: tuple[int, ...] | None = setting(None, optional(sequence(integer(-MAX_BLOCKS, MAX_BLOCKS))))

    @property
    @abstractmethod
    def stage_names(self) -> tuple[str, ...]:
        """What can be tapped, in the order in which it is computed."""

    @property
    def taps(self) -> tuple[int, ...]:
        """The numbers of the tapped stages; 0 is the stem."""
        return tuple(self.stage_names.index(name) for name in self.out_features or ())

    def check(self):
        names, features = self.stage_names, self.out_features
        if self.out_indices is not None:
            if not all(-len(names) <= i < len(names) for i in self.out_indices):
                raise self._error("out_indices", f"must be from 0 to {len(names) - 1}, not {list(self.out_indices)}")
            by_index = tuple(names[i] for i in self.out_indices)
            if features is not None and features != by_index:
                raise self._error("out_indices", f"mean {', '.join(by_index)}; out_features say {', '.join(features)}")
            features = by_index
        features = features or (names[-1],)
        for name in features:
            if name not in names:
                raise self._error("out_features", f"{name!r} is not one of {', '.join(names)}")
        if list(features) != [name for name in names if name in features]:
            raise self._error(
                "out_features", f"must be in the order of the stages, each once, not {', '.join(features)}"
            )
        object.__setattr__(self, "out_features", features)
        object.__setattr__(self, "out_indices", self.taps)


def native_size(encoder: Any) -> tuple[int, int]:
    """(H, W) of the pictures that an encoder's config names, or DEFAULT_SIDE squared."""
    side = getattr(encoder, "image_size", DEFAULT_SIDE)
    return side if isinstance(side, tuple) else (side, side)


def input_size(encoder: Any, wanted: tuple[int, int] | None = None) -> tuple[int, int]:
    """`wanted` (H, W) from --size, the config's own if None; ConfigError unless it is whole patches."""
    height, width = wanted or native_size(encoder)
    if not whole_patches(height, width, encoder.size_multiple):
        raise ConfigError(f"--size {height}x{width}: both sides must be multiples of {encoder.size_multiple}")
    return height, width


def numbered_stages(count: int) -> tuple[str, ...]:
    """stem, stage1, ... stage{count}: transformers' names of what can be tapped."""
    return ("stem", *(f"stage{i}" for i in range(1, count + 1)))
