"""A second head on one encoder: a folder like dpt-mini, for depth, with a head for classes in segmentation/."""

import json
import shutil

import numpy as np
import pytest
from checks import assert_close
from PIL import Image
from second_head import CLASSES, MINI, write_two_headed
from tiny import PLAIN, pixels

from minidpt import (
    CheckpointError,
    ConfigError,
    DPTConfig,
    DPTForDepthEstimation,
    DPTForSemanticSegmentation,
    DPTImageProcessor,
    DPTModel,
    cli,
    pipeline,
)
from minidpt.checkpoints import CONFIG, HEAD, PROCESSOR, WEIGHTS, contents, locate
from minidpt.checkpoints.safetensors_files import index

SIDE = 64  # of the pictures: a third of dpt-mini's own


@pytest.fixture(scope="module")
def two_headed(tmp_path_factory):
    return write_two_headed(tmp_path_factory.mktemp("model") / "two-headed")


@pytest.fixture
def broken(two_headed, tmp_path):
    """A copy to break."""
    return shutil.copytree(two_headed, tmp_path / "broken")


def test_both_heads_load_from_one_folder_by_their_class(two_headed):
    depth, classes = (task.from_pretrained(two_headed) for task in (DPTForDepthEstimation, DPTForSemanticSegmentation))
    assert classes.config.id2label == CLASSES
    shared = [name for name in classes.weights if not name.startswith("head.")]
    assert set(shared) == {name for name in depth.weights if not name.startswith("head.")}
    assert all(np.array_equal(classes.weights[name], depth.weights[name]) for name in shared)
    assert classes(pixels(1, 3, SIDE, SIDE)).logits.shape == (1, 4, SIDE, SIDE)


def test_the_depth_model_is_what_it_is_without_the_second_head(two_headed):
    x = pixels(1, 3, SIDE, SIDE)
    shutil.copytree(two_headed, alone := two_headed.parent / "alone", ignore=shutil.ignore_patterns("segmentation"))
    expected = DPTForDepthEstimation.from_pretrained(alone)(x).predicted_depth
    assert_close(DPTForDepthEstimation.from_pretrained(two_headed)(x).predicted_depth, expected)
    with pytest.raises(CheckpointError, match="holds a DPTForDepthEstimation"):
        DPTForSemanticSegmentation.from_pretrained(alone)


def test_the_heads_folder_is_a_model_by_itself(two_headed):
    folder = two_headed / "segmentation"
    x = pixels(1, 3, SIDE, SIDE)
    expected = DPTForSemanticSegmentation.from_pretrained(two_headed)(x).logits
    assert_close(DPTForSemanticSegmentation.from_pretrained(folder)(x).logits, expected)
    assert DPTModel.from_pretrained(folder).config.hidden_size == 192
    with pytest.raises(CheckpointError, match="holds a DPTForSemanticSegmentation"):
        DPTForDepthEstimation.from_pretrained(folder)


def test_the_head_replaces_the_models_and_nothing_else(two_headed):
    found, own = contents(locate(two_headed / "segmentation")), index(two_headed / WEIGHTS)
    head = index(two_headed / "segmentation" / HEAD)
    assert {name: e for name, e in found.items() if name.startswith("head.")} == head
    assert found.keys() - head.keys() == {name for name in own if not name.startswith("head.")}


def test_the_heads_folder_is_found_from_inside(two_headed, monkeypatch):
    monkeypatch.chdir(two_headed / "segmentation")
    assert DPTForSemanticSegmentation.from_pretrained(".").config.id2label == CLASSES


def test_weights_of_its_own_come_first(broken):
    """A folder that transformers wrote stays what it is, whatever else lies in it."""
    config = DPTConfig(**PLAIN, id2label=CLASSES)
    DPTForSemanticSegmentation(config).save_pretrained(broken / "segmentation")
    assert (broken / "segmentation" / HEAD).exists()
    assert DPTForSemanticSegmentation.from_pretrained(broken).config.hidden_size == PLAIN["hidden_size"]


def without_head(folder):
    (folder / "segmentation" / HEAD).unlink()


def without_the_model(folder):
    (folder / WEIGHTS).unlink()


def without_config(folder):
    (folder / "segmentation" / CONFIG).unlink()


def five_classes(folder):
    path = folder / "segmentation" / CONFIG
    values = json.loads(path.read_text()) | {"id2label": {str(i): str(i) for i in range(5)}, "num_labels": 5}
    path.write_text(json.dumps(values))


def a_whole_model_as_head(folder):
    shutil.copy(folder / WEIGHTS, folder / "segmentation" / HEAD)


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (without_head, CheckpointError, r"broken/segmentation: has neither .* nor head\.safetensors"),
        (without_the_model, CheckpointError, r"broken: has neither model\.safetensors"),
        (without_config, ConfigError, r"segmentation/config\.json: cannot be read"),
        (five_classes, CheckpointError, r"broken/segmentation: .*head\.head\.4.* \(5, 32, 1, 1\)"),
        (a_whole_model_as_head, CheckpointError, r"is in model\.safetensors and in head\.safetensors"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(broken, damage, error, words):
    damage(broken)
    with pytest.raises(error, match=words) as caught:
        DPTForSemanticSegmentation.from_pretrained(broken / "segmentation")
    assert "\n" not in str(caught.value)


def test_a_missing_head_file_is_no_silent_depth_model(broken):
    without_head(broken)
    with pytest.raises(CheckpointError, match=r"head\.safetensors"):
        DPTForSemanticSegmentation.from_pretrained(broken)


def test_it_converts_to_a_plain_folder(two_headed, tmp_path, capsys):
    source, plain = two_headed / "segmentation", tmp_path / "plain"
    assert cli.main(["convert", str(source), str(plain)]) == 0
    assert "DPTForSemanticSegmentation" in capsys.readouterr().out
    assert {path.name for path in plain.iterdir()} == {CONFIG, PROCESSOR, WEIGHTS}
    model = DPTForSemanticSegmentation.from_pretrained(two_headed)
    model.save_pretrained(tmp_path / "saved")
    for folder in (plain, tmp_path / "saved"):
        again = DPTForSemanticSegmentation.from_pretrained(folder)
        assert again.weights.keys() == model.weights.keys()
        assert all(np.array_equal(again.weights[name], weight) for name, weight in model.weights.items())
    assert cli.main(["convert", str(source), str(two_headed)]) == 3, "not over the folders that are read"


# ---------------------------------------------------------------- the embedded one


def test_the_embedded_model_has_both_heads():
    by_task = DPTForSemanticSegmentation.from_pretrained("dpt-mini")
    by_name = DPTForSemanticSegmentation.from_pretrained("dpt-mini/segmentation")
    assert by_task.config.id2label == by_name.config.id2label == CLASSES
    assert all(np.array_equal(by_name.weights[name], weight) for name, weight in by_task.weights.items())
    assert vars(DPTImageProcessor.from_pretrained("dpt-mini")) == vars(
        DPTImageProcessor.from_pretrained("dpt-mini/segmentation")
    )


def test_the_heads_of_the_embedded_model_stand_on_one_neck():
    configs = (DPTConfig.from_pretrained(folder).to_dict() for folder in (MINI, MINI / "segmentation"))
    of_heads = ("architectures", "id2label", "label2id", "num_labels")
    depth, classes = ({key: value for key, value in c.items() if key not in of_heads} for c in configs)
    assert depth == classes


def test_the_pipeline_names_segments_without_a_model():
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    segments = pipeline("image-segmentation", backend="numpy")(picture)
    assert {segment["label"] for segment in segments} <= set(CLASSES.values())
    assert_close(sum(np.asarray(segment["mask"], int) for segment in segments), np.full((30, 40), 255))


def test_segment_needs_no_model_and_says_what_the_embedded_one_is(tmp_path, capsys):
    pictures = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for picture in pictures:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(picture)
    options = ["-o", str(tmp_path / "out"), "--legend", "--json", "--backend", "numpy"]
    assert cli.main(["segment", *pictures, *options]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 4
    printed = capsys.readouterr()
    for record in map(json.loads, printed.out.splitlines()):
        assert record["model"] == "dpt-mini"
        assert record["classes"].keys() <= set(CLASSES.values())
    assert printed.err.count("\n") == 1, "it introduces itself once"
    assert "four coarse classes" in printed.err
    assert "--model Intel/dpt-large-ade" in printed.err


def test_depth_needs_no_model_and_no_warning_while_every_gate_is_passed(tmp_path, capsys):
    assert "demonstration" not in (MINI / "README.md").read_text(), "a gate is failed again: depth has to say so"
    picture = str(tmp_path / "a.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(picture)
    assert cli.main(["depth", picture, "-o", str(tmp_path), "--json", "--backend", "numpy"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["model"] == "dpt-mini"
    assert not printed.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("inspect dpt-mini/segmentation", "DPTForSemanticSegmentation, hybrid ViT"),
        ("models path dpt-mini/segmentation", str(MINI / "segmentation")),
        ("models verify dpt-mini/segmentation", "sound"),
        ("models pull dpt-mini/segmentation", "nothing to fetch"),
    ],
)
def test_verbs_know_it_by_name(line, words, capsys):
    assert cli.main(line.split()) == 0
    assert words in capsys.readouterr().out


# ---------------------------------------------------------------- transformers


def test_the_composed_model_computes_what_transformers_does(two_headed, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
    transformers = pytest.importorskip("transformers", reason="transformers comes with the parity extra")
    from safetensors.torch import load_file

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    state = {name: x for name, x in load_file(two_headed / WEIGHTS).items() if not name.startswith("head.")}
    state |= load_file(two_headed / "segmentation" / HEAD)
    config = transformers.DPTConfig.from_pretrained(two_headed / "segmentation")
    theirs = transformers.DPTForSemanticSegmentation(config)
    theirs.load_state_dict({name: x.float() for name, x in state.items()})  # strict
    ours = DPTForSemanticSegmentation.from_pretrained(two_headed)
    ours.save_pretrained(tmp_path)
    again = transformers.DPTForSemanticSegmentation.from_pretrained(tmp_path)
    x = pixels(1, 3, 192, 192)
    with torch.no_grad():
        expected, saved = (model.eval()(torch.from_numpy(x)).logits for model in (theirs, again))
    assert torch.equal(expected, saved)
    atol = 1e-5 * float(expected.abs().max())  # two float32 passes through the hybrid; logits grow with training
    assert_close(ours(x).logits, expected, atol=atol, name="logits")


def test_verify_holds_it_against_transformers(two_headed, capsys):
    pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
    pytest.importorskip("transformers", reason="transformers comes with the parity extra")
    assert cli.main(["verify", str(two_headed / "segmentation"), "--against", "transformers"]) == 0
    assert "logits" in capsys.readouterr().out
