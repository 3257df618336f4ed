"""The forward pass that computes nothing, beside one that does: memory, weights, taps, functions."""

import dataclasses
import weakref

import numpy as np
import pytest
from families import FAMILIES, depth_config
from tiny import lively, pixels

from minidpt import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTForDepthEstimation
from minidpt.inspection import find, passage
from minidpt.ops.backends import NUMPY
from minidpt.presets import PRESETS
from minidpt.recording import Tape, listening


def subject(family):
    settings, size = FAMILIES[family]
    if family == "depth_anything":
        return DepthAnythingForDepthEstimation, DepthAnythingConfig(**settings), size
    return DPTForDepthEstimation, depth_config(settings), size


# the others' positions are part of an array that begins with one position more, for a class token
WHOLE_POSITIONS = set(FAMILIES) - {"dinov2", "dinov2_with_registers", "depth_anything", "vitdet"}


class Meter(Tape):
    """NumPy's ops, watched: the bytes of all arrays that they returned and that are still alive, at most, by stage."""

    def __init__(self, stages):
        super().__init__(())
        self.stages, self.most_by_stage = stages, {}
        self.alive = self.most = 0
        self.owners = weakref.WeakValueDictionary()
        table = {name: self.watched(op) for name, op in NUMPY.ops.items()}
        self.backend = dataclasses.replace(NUMPY, ops=table)

    def watched(self, op):
        def run(*args, **options):
            result = op(*args, **options)
            if isinstance(result, np.ndarray):
                self.take(result)
            return result

        return run

    def take(self, array):
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        if id(owner) not in self.owners:
            self.owners[id(owner)] = owner
            self.alive += owner.nbytes
            self.most = max(self.most, self.alive)
            weakref.finalize(owner, self.free, owner.nbytes)

    def free(self, size):
        self.alive -= size

    def wants(self, name):
        if name in self.stages:
            self.most_by_stage[name], self.most = self.most, self.alive
        return False


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_alive_is_that_of_a_real_run(family):
    model, config, size = subject(family)
    counted = {stage.name: stage.alive for stage in passage(model, config, size).stages if stage.held}
    meter = Meter(counted)
    real = lively(model(config, backend="numpy")).to(meter.backend)
    with listening(meter):
        real(pixels(1, 3, *size).astype(np.float64))  # which from_numpy has to copy, as is counted
    if family == "levit":  # one token is merged without a copy; a transposed convolution returns part of a larger array
        del counted["stages.1"], counted["head.0"], meter.most_by_stage["stages.1"], meter.most_by_stage["head.0"]
    unused_position = 0 if family in WHOLE_POSITIONS else 4 * config.encoder.hidden_size
    assert counted == {name: most - unused_position for name, most in meter.most_by_stage.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_read_by_one_stage_or_by_none(family):
    model, config, size = subject(family)
    found = passage(model, config, size)
    taken = [t.name for stage in found.stages for t in stage.tensors] + [t.name for t in found.unread]
    assert sorted(taken) == sorted(t.name for t in model.tensors(config))
    assert {t.name for t in model.tensors(config) if t.unused} <= {t.name for t in found.unread}


def test_weights_that_are_read_once_per_size_count_where_their_names_say():
    stages = {s.name: s for s in passage(*subject("swinv2")).stages}
    names = [t.name for t in stages["stages.1"].tensors if "attention" in t.name]
    assert any("position" in name for name in names)
    assert all(name.startswith("backbone.stages.1.") for name in names)
    assert "backbone.position_embeddings" in [t.name for t in passage(*subject("vit")).stages[0].tensors]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_weight_that_is_never_read_changes_nothing(family):
    model, config, size = subject(family)
    real, picture = lively(model(config, backend="numpy")), pixels(1, 3, *size)
    unread = {t.name for t in passage(model, config, size).unread}
    assert unread
    spoilt = {name: np.full_like(x, np.nan) if name in unread else x for name, x in real.weights.items()}
    again = model.from_weights(config, spoilt, "numpy")
    assert np.array_equal(again(picture).predicted_depth, real(picture).predicted_depth)


TAPS = {
    "vit": ("blocks.0", "blocks.1", "blocks.2", "blocks.3"),
    "hybrid": ("bit.stages.0", "bit.stages.1", "blocks.2", "blocks.3"),
    "swinv2": ("stages.0", "stages.1", "stages.2", "stages.3"),
    "levit": ("embeddings", "stages.0", "stages.1"),
}


@pytest.mark.parametrize("family", TAPS)
def test_taps_are_followed_to_their_stages(family):
    assert passage(*subject(family)).taps == TAPS[family]


def test_taps_of_the_published_models_are_those_of_their_configs():
    for name in PRESETS:
        model, config, _ = find(name)
        encoder = getattr(config, "encoder", config)
        if hasattr(encoder, "tap_stages") and not getattr(encoder, "is_hybrid", False):
            side = encoder.size_multiple * 2
            taps = passage(model, config, (side, side)).taps
            assert taps == tuple(f"blocks.{k - 1}" for k in encoder.tap_stages), name


def test_functions_are_those_that_call_the_ops():
    stages = {s.name: s for s in passage(*subject("vit")).stages}

    def names(stage):
        return [code.co_qualname for code in stages[stage].functions]

    assert names("embeddings") == ["encode", "encode_tokens"]
    assert names("blocks.3") == ["block", "self_attention", "mlp"]
    assert names("readout.1") == ["readout"]
    assert names("fused.0") == ["fuse", "residual_unit"]
    assert names("head.2") == ["depth_head"]
    hybrid = {s.name: s for s in passage(*subject("hybrid")).stages}
    assert [code.co_qualname for code in hybrid["reassembled.0"].functions] == ["reassemble"]  # nothing left to do


def test_what_only_a_tape_asks_for_is_not_held():
    stages = passage(*subject("vit")).stages
    assert [s.name for s in stages if not s.held] == ["head.1"]  # the op after it resizes while it convolves
