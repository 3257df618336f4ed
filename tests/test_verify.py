"""`minidpt verify` without torch: the report's numbers, recorded references and their bad forms."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from checks import assert_close
from test_golden import FOLDER
from tiny import GOLDEN, golden_model

from minidpt import CheckpointError, DPTForDepthEstimation, cli
from minidpt.checkpoints.safetensors_files import write
from minidpt.verification import recorded
from minidpt.verification.comparison import Expected, Reference, Report, compare
from minidpt.verification.subject import notes


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A fresh current folder with the golden tiny model, and its recorded reference beside it."""
    monkeypatch.chdir(tmp_path)
    file = recorded.read(FOLDER / "plain.safetensors")
    task, config, _ = GOLDEN["plain"]
    golden_model(task, config, file.weights).save_pretrained("model")
    digest = file.about["weights_sha256"]
    recorded.save("reference.safetensors", file.reference, model="plain", digest=digest, command="by hand")
    return tmp_path


def verify(capsys, *words):
    """(exit code, stdout, stderr)"""
    code = cli.main(["verify", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


# ---------------------------------------------------------------- comparison


def test_rows_hold_error_place_and_bound_in_the_order_of_the_tape():
    exact = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    stages = {
        "late": Expected(exact.ravel(), (2, 3, 4), own_error=1e-3, largest=23.0),
        "early": Expected(exact.ravel()[::5], (2, 3, 4), own_error=0.0, largest=23.0, step=5),
    }
    tape = {"early": exact.copy(), "unknown": exact, "late": exact.copy()}
    tape["late"][1, 0, 2] += 0.002
    tape["early"][0, 2, 2] += 1  # the tenth value: every fifth is kept
    tape["early"][0, 0, 1] += 9  # between two kept ones
    early, late = compare(tape, stages)
    assert (early.stage, early.error, early.where, early.passed) == ("early", 1.0, (0, 2, 2), False)
    assert_close(early.bound, 3 * 2e-6 * 23, rtol=1e-12)
    assert (late.stage, late.where, late.passed) == ("late", (1, 0, 2), True)
    assert_close([late.error, late.bound, late.share], [0.002, 0.003, 2 / 3], rtol=1e-9)
    assert compare(tape, stages, allowed=30)[1].bound == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (None, "minidpt computes no such stage"),
        (np.zeros((3, 2)), "shape (3, 2), expected (2, 3)"),
        (np.full((2, 3), np.nan), "error inf"),
        (np.full((2, 3), np.inf), "error inf"),
    ],
    ids=["absent", "shape", "nan", "inf"],
)
def test_what_cannot_be_compared_fails(x, words):
    stages = {"fused.0": Expected(np.ones(6), (2, 3), 1e-7, 1.0)}
    rows = compare({} if x is None else {"fused.0": x}, stages)
    report = Report("m", "reference", "input", rows, "3 times")
    assert not report.passed
    assert f"FAILED: 1 of 1 stage; the first in the data flow is fused.0: {words}" in report.verdict()
    assert "FAIL" in report.text().splitlines()[5]
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["stages"][0]["error"] is None


def test_a_report_names_the_stage_nearest_to_its_bound():
    stages = {name: Expected(np.ones(2), (2,), 1e-5, 1.0) for name in ("a", "b", "c")}
    tape = {"a": np.array([1, 1 + 1e-6]), "b": np.array([1 + 2e-5, 1]), "c": np.ones(2)}
    report = Report("m", "reference", "input", compare(tape, stages), "3 times")
    assert report.passed
    assert report.verdict() == "passed: 3 stages within the bound; nearest to it: b, 0.67 of it"
    line = next(line for line in report.text().splitlines() if line.startswith("b "))
    assert line.split() == ["b", "1", "2e-05", "0.67", "(0,)"]


@pytest.mark.parametrize(("zeros", "said"), [(5, False), (6, True)])
def test_a_clipped_output_is_said(zeros, said):
    depth = np.ones(10)
    depth[:zeros] = 0
    stages = {"fused.0": Expected(np.zeros(4), (4,), 0, 1), "predicted_depth": Expected(depth, (10,), 0, 1)}
    lines = notes({"fused.0": 0, "taps.0": 0, "taps.1": 0, "predicted_depth": 0}, Reference(stages, None, "by hand"))
    assert any(f"{zeros}0% of the last stage is exactly 0" in line for line in lines) == said
    assert lines[0].endswith("taps.*")


# ---------------------------------------------------------------- recorded references


def test_a_model_passes_against_its_recorded_reference(here, capsys):
    code, out, err = verify(capsys, "model", "--against", "reference.safetensors")
    assert (code, err) == (0, "")
    assert "input  2 x 3 x 24 x 40, recorded" in out
    assert "every 13th value" in out
    assert "passed: 54 stages" in out
    code, out, _ = verify(capsys, "dpt-mini", "--against", str(FOLDER / "mini.safetensors"), "--json")
    assert (code, json.loads(out)["stages"][0]["stage"]) == (0, "pixel_values")


def test_the_first_stage_that_a_wrong_weight_reaches_is_named(here, capsys, monkeypatch):
    model = DPTForDepthEstimation.from_pretrained("model")
    named = dict(model.weights)
    named["backbone.blocks.2.mlp.up.bias"] = named["backbone.blocks.2.mlp.up.bias"] + np.float32(1e-3)
    DPTForDepthEstimation.from_weights(model.config, named).save_pretrained("model")
    code, _, err = verify(capsys, "model", "--against", "reference.safetensors")
    assert code == 3
    assert "are not those of the reference" in err
    assert err.count("\n") == 1
    monkeypatch.setattr(recorded, "refuse_other_weights", lambda *_: None)
    code, out, _ = verify(capsys, "model", "--against", "reference.safetensors")
    assert code == 1
    assert "the first in the data flow is blocks.2.mlp: error" in out.splitlines()[-1]
    before = out[: out.index("blocks.2.mlp")]
    assert "FAIL" not in before


def test_another_models_reference_is_refused(here, capsys):
    code, out, err = verify(capsys, "dpt-mini", "--against", "reference.safetensors")
    assert (code, out) == (3, "")
    assert "recorded of plain); record a new one with --save" in err


def test_the_digest_depends_on_names_and_values_only(here):
    model = DPTForDepthEstimation.from_pretrained("model")
    digest = recorded.weights_digest(model)
    model.save_pretrained("again")
    assert recorded.weights_digest(DPTForDepthEstimation.from_pretrained("again")) == digest
    unused = next(t.name for t in model.table if t.unused)
    for name, same in ((unused, True), ("neck.0.weight", False)):
        changed = DPTForDepthEstimation.from_weights(model.config, {**model.weights, name: model.weights[name] + 1})
        assert (recorded.weights_digest(changed) == digest) == same


def change(arrays, about, **changes):
    """Write reference.safetensors with some of its tensors or texts replaced, or left out (None)."""
    texts = {key: value for key, value in {**about, **changes}.items() if isinstance(value, str)}
    tensors = {key: changes.get(key, value) for key, value in {**arrays, **changes}.items()}
    write_these = {key: value for key, value in tensors.items() if isinstance(value, np.ndarray)}
    write(Path("reference.safetensors"), write_these, "float32", about=texts)


STAGE = "stage:fused.0"
ROW = '{"fused.0": [[2, 3], 1, 0.1, 1.0]}'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "pt"}, "its format is 'pt'"),
        ({"format": "minidpt reference 2"}, "its format is 'minidpt reference 2'"),
        ({"stages": None}, "no 'stages'"),
        ({"command": None}, "no 'command'"),
        ({"stages": "{}"}, "list no stages"),
        ({"stages": "[1, 2]"}, "list no stages"),
        ({"stages": "[" * 100_000}, "not a sound reference"),
        ({"stages": ROW.replace("2, 3", "2, 4")}, "has shape (6,), and should have (8,)"),
        ({"stages": ROW.replace("2, 3", "2, -3")}, "has shape [2, -3]"),
        ({"stages": ROW.replace("2, 3", "1e9")}, "has shape"),
        ({"stages": ROW.replace("2, 3", f"{2**39}, {2**39}")}, "has shape"),
        ({"stages": ROW.replace("], 1,", "], 0,")}, "step 0"),
        ({"stages": ROW.replace("], 1,", "], true,")}, "step True"),
        ({"stages": ROW.replace("0.1", "NaN")}, "own error nan"),
        ({"stages": ROW.replace("1.0", "1e400")}, "largest value inf"),
        ({"stages": ROW.replace("1.0", "1" * 400)}, "largest value 111"),
        ({"stages": ROW.replace("0.1, 1.0", "0.1")}, "not a sound reference"),
        ({"stages": ROW[:-1] + ", " + ROW[1:]}, "a key appears twice"),
        ({"notes": "{}"}, "list no stages"),
        ({STAGE: None}, f"{STAGE} has shape None"),
        ({STAGE: np.zeros((2, 3))}, "has shape (2, 3), and should have (6,)"),
        ({STAGE: np.array([1, 2, np.nan, 4, 5, 6])}, "holds NaN"),
        ({"stage:other": np.zeros(2)}, "belongs to nothing"),
        ({"pixel_values": np.zeros((3, 8, 8))}, "should have (N, C, H, W)"),
    ],
    ids=str,
)
def test_an_unsound_reference_is_refused_in_one_line(here, changes, words):
    arrays = {STAGE: np.arange(6.0), "pixel_values": np.zeros((1, 3, 8, 8))}
    texts = {"format": recorded.FORMAT, "model": "m", "weights_sha256": "0", "source": "hand", "notes": "[]"}
    texts |= {"versions": "{}", "command": "by hand", "stages": ROW}
    change(arrays, texts)
    assert recorded.read("reference.safetensors").reference.stages["fused.0"].shape == (2, 3)
    change(arrays, texts, **changes)
    with pytest.raises(CheckpointError) as caught:
        recorded.read("reference.safetensors")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("keep", [0, 7, 100, 5_000, -1])
def test_a_truncated_reference_is_refused(here, capsys, keep):
    content = (here / "reference.safetensors").read_bytes()
    (here / "reference.safetensors").write_bytes(content[:keep])
    code, _, err = verify(capsys, "model", "--against", "reference.safetensors")
    assert code == 3
    assert err.count("\n") == 1


def test_only_a_reference_may_be_replaced(here):
    assert recorded.may_be_replaced("absent")
    assert recorded.may_be_replaced("reference.safetensors")
    for name in ("model", "model/model.safetensors", "model/config.json"):
        assert not recorded.may_be_replaced(name), name


def test_thinning_keeps_a_prime_step_within_the_room():
    assert [recorded.step_for(100, room=room) for room in (400, 300, 200, 100, 60, 50)] == [1, 2, 2, 5, 7, 11]
    stages = {"a": Expected(np.arange(30.0), (2, 15), 1e-6, 29.0)}
    once = recorded.thinned(Reference(stages, None, "hand"), 3)
    twice = recorded.thinned(once, 2)
    assert_close(twice.stages["a"].values, np.arange(30.0)[::6])
    assert twice.stages["a"].step == 6
    assert recorded.thinned(Reference(stages, None, "hand")).stages["a"].step == 1


# ---------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("model", 2, "--against transformers"),
        ("model --against transformers --save x", 2, "not allowed with"),
        ("model --against x --thin 3", 2, "--thin goes with --save"),
        ("model --against reference.safetensors --size 24x40", 2, "the file holds its input"),
        ("model --against transformers --image a --size 24x40", 2, "not allowed with"),
        ("model --against transformers --precision medium", 2, "highest and high"),
        ("model --against absent.safetensors", 3, "no such file; a reference is made by"),
        ("model --against model/model.safetensors", 3, "its format is 'pt'"),
        ("absent --against reference.safetensors", 3, "no such folder"),
        ("model --save model/model.safetensors", 2, "is there and no reference"),
        ("model --save model", 2, "is there and no reference"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(here, capsys, line, code, words):
    found, out, err = verify(capsys, *line.split())
    assert (found, out) == (code, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["--against", "transformers"], ["--save", "x.safetensors"]])
def test_without_the_extra_one_line_says_what_to_install(here, capsys, monkeypatch, words):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = verify(capsys, "model", *words)
    assert (code, out) == (5, "")
    assert 'pip install "minidpt[parity]"' in err
    assert err.count("\n") == 1
    assert not (here / "x.safetensors").exists()


def test_a_size_that_does_not_fit_is_named(here, capsys):
    pytest.importorskip("torch", reason="sizes are checked once the extra is known to be there")
    code, _, err = verify(capsys, "model", "--against", "transformers", "--size", "25x40")
    assert code == 3
    assert "multiples of 8, not 3 x 25 x 40" in err
