"""Scores, gates, sheet and card say what they are called, and what a trained folder holds arrives in the package.

No torch: the trained folder is dpt-mini's with a random second head.
"""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from second_head import write_two_headed

import training.__main__ as command
from minidpt import DPTForDepthEstimation, DPTForSemanticSegmentation
from training import evaluate, families, gates, metrics, sheet
from training.card import CURVE, END, RUNS, START, install, verdict
from training.dataset import create_maps, open_maps
from training.things import CLASSES, COARSE, COARSE_OF

HEIGHT, WIDTH = 40, 50
RUNS_OF = [  # size, scenes, samples, minutes and machine of each piece
    {"plan": {"size": size}, "samples": samples, "pictures": scenes, "minutes": minutes, "machine": machine}
    for size, scenes, samples, minutes, machine in (
        (96, 1234, 64, 45, "2 CPU cores"), (192, 567, 1000, 2.7, "a card"), (96, 1234, 36, 45, "2 CPU cores")
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder as training leaves it."""
    folder = write_two_headed(tmp_path_factory.mktemp("run") / "trained")
    (folder / CURVE).write_text("samples,hours\n64,0.5\n")
    (folder / RUNS).write_text(json.dumps(RUNS_OF))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two held-out pictures: the upper half a wall 4 m away, the lower a floor that comes near."""
    folder = tmp_path_factory.mktemp("data")
    create_maps(folder / "held_out", 2, 32)
    maps = open_maps(folder / "held_out", "r+")
    maps.rgb[:], maps.inverse[:], maps.label[:] = 90, 0.25, CLASSES.index("wall")
    maps.inverse[:, 16:] = np.linspace(0.25, 1, 16)[:, None]
    maps.label[:, 17:] = CLASSES.index("ground")
    maps.family[:] = families.NAMES.index("room")
    return folder


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """Noise with a measured depth that rises to the left, and a stored answer of another model that says the same."""
    folder = tmp_path_factory.mktemp("photo")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)).save(folder / "noise.png")
    x = np.broadcast_to(np.linspace(0, 1, WIDTH), (HEIGHT, WIDTH))
    Image.fromarray((1000 / (0.2 + x**3)).astype(np.uint16)).save(folder / "depth.png")
    np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32) ** 3, (1, 64, 64)).tofile(folder / "answer.bin")
    return folder


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["training", *map(str, words)])
    command.main()


def test_intersection_over_union_by_hand():
    truth, answer = np.array([[0, 0, 0], [1, 1, 2]]), np.array([[0, 0, 1], [1, 0, 0]])
    counts = metrics.confusion(truth, answer, 4)
    assert counts.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    accuracy, iou = metrics.class_scores(counts)
    assert accuracy == 3 / 6
    assert iou.tolist() == [2 / 5, 1 / 3, 0, 0]
    assert metrics.always_most_frequent(counts).tolist() == [[3, 0, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_classes_are_scored_beside_the_most_frequent_one(data):
    right = np.array(COARSE_OF)[open_maps(data / "held_out").label[0]]
    result = evaluate.evaluate_classes(lambda _: right, evaluate.rendered_classes(data))
    assert (result["model"]["accuracy"], result["model"]["mean_iou"]) == (1, 0.5)  # two of four classes occur
    assert result["majority"]["accuracy"] == pytest.approx(17 / 32)
    assert result["majority"]["iou"] == {"sky": 0, "ground": 0, "upright": pytest.approx(17 / 32), "object": 0}
    head, own, beside = evaluate.format_classes(result).splitlines()
    assert head.split()[-4:] == list(COARSE)
    assert own.split() == ["model", "1.000", "0.500", "0.000", "1.000", "1.000", "0.000"]
    assert beside.startswith("majority")


def test_the_second_head_is_scored_through_minidpt(model, data, tmp_path, monkeypatch, capsys):
    run(monkeypatch, "evaluate", "--model", model, "--data", data, "--json", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["rendered"]["room"]["model"]["pictures"] == 2
    assert 0 <= scores["classes"]["model"]["accuracy"] <= 1
    assert "accuracy" in capsys.readouterr().out
    rgb = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    classes = evaluate.segmenter(model)(rgb)
    logits = DPTForSemanticSegmentation.from_pretrained(model)
    assert classes.shape == (HEIGHT, WIDTH)
    assert set(np.unique(classes)) <= set(logits.config.id2label)


def test_a_folder_without_a_second_head_has_no_classes(model, tmp_path):
    alone = shutil.copytree(model, tmp_path / "alone", ignore=shutil.ignore_patterns("segmentation"))
    assert evaluate.segmenter(alone) is None


def near(rgb):
    """What the photo fixture's truth says."""
    return np.broadcast_to(np.linspace(0, 1, rgb.shape[1]) ** 3, rgb.shape[:2])


@pytest.mark.parametrize(
    ("predict", "passed"),
    [
        (near, [True, True, True, True]),
        (lambda rgb: -near(rgb), [True, False, False, False]),  # the fit hides the sign, the order does not
        (lambda rgb: near(rgb) ** 0.25, [False, True, False, True]),
        (lambda rgb: np.ones(rgb.shape[:2]), [False, False, False, False]),
    ],
    ids=["right", "swapped", "dull", "blind"],
)
def test_gates_pass_what_is_right(photo, predict, passed):
    found = gates.pair_gates(predict, evaluate.read_pair(photo / "noise.png", photo / "depth.png"))
    found += gates.reference_gates(predict, gates.read_reference(photo / "noise.png", photo / "answer.bin"))
    assert [gate.what for gate in found] == ["AbsRel", "order", "correlation", "order"]
    assert [gate.passed for gate in found] == passed
    plane = float(found[0].without.split()[-1])
    assert found[0].limit == pytest.approx(2 / 3 * plane, abs=1e-3)
    assert abs(float(found[2].without.split()[-1])) < 1e-6  # this answer does not depend on the height


def test_the_gates_are_told_and_written_whether_passed_or_not(photo, model, tmp_path, monkeypatch, capsys):
    pair = ("--pair", photo / "noise.png", photo / "depth.png")
    reference = ("--reference", photo / "noise.png", photo / "answer.bin")
    run(monkeypatch, "gates", "--model", model, *pair, *pair, *reference, "--json", tmp_path / "gates.json")
    rows = capsys.readouterr().out.splitlines()
    assert rows[:2] == gates.HEAD
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        f"| {what}" for what in ("AbsRel", "order") * 2 + ("correlation", "order")
    ]
    assert "\n".join(gates.format_gates(gates.read_gates(tmp_path / "gates.json"))) == "\n".join(rows)


def test_a_stored_answer_must_be_square(photo, tmp_path):
    np.zeros(6, np.float32).tofile(tmp_path / "six.bin")
    with pytest.raises(ValueError, match=r"six\.bin: expected a square of float32 numbers, got 6"):
        gates.read_reference(photo / "noise.png", tmp_path / "six.bin")


def test_the_sheet_has_a_column_for_every_answer(photo, model, tmp_path, monkeypatch):
    alone = shutil.copytree(model, tmp_path / "alone", ignore=shutil.ignore_patterns("segmentation"))
    assert [title for title, _ in sheet.columns([alone, model])] == [
        "photograph", "alone: depth", "trained: depth", "trained: classes",
    ]  # fmt: skip
    noise = photo / "noise.png"
    run(monkeypatch, "sheet", "--models", alone, model, "--photos", noise, noise, "--out", tmp_path / "sheet.png")
    drawn = Image.open(tmp_path / "sheet.png")
    step, line = sheet.TILE + sheet.GAP, sheet.LINE + sheet.GAP
    tall = sheet.TILE * HEIGHT // WIDTH
    assert drawn.size == (4 * step + sheet.GAP, line + 2 * (tall + line) + line)
    assert np.array(drawn)[line : line + tall, sheet.GAP + step : sheet.GAP + step + sheet.TILE].std() > 1


def test_a_constant_depth_can_be_drawn():
    assert sheet.depth_picture(np.ones((4, 5), np.float32)).shape == (4, 5, 3)


PASSED = gates.Gate("order", "cat", 0.5, "height +0.700", "above", 0.0)
FAILED = gates.Gate("correlation", "cat", 0.712, "height +0.756", "above", 0.9)


def test_the_cards_first_sentence_follows_from_the_gates():
    assert "passes all 2 gates" in verdict([PASSED, PASSED])
    assert "demonstration" not in verdict([PASSED, PASSED])
    text = verdict([PASSED, FAILED])
    assert "**demonstration model**" in text
    assert "passes 1 of the 2 gates below and fails correlation on cat (0.712, not above 0.9)" in text


def test_a_trained_folder_goes_into_the_package_with_its_card(model, data, photo, tmp_path):
    scores, rules, readme = tmp_path / "scores.json", tmp_path / "gates.json", tmp_path / "README.md"
    pair = (photo / "noise.png", photo / "depth.png")
    evaluate.evaluate_folder(model, data, pair=pair, json_path=scores)
    gates.write_gates(rules, [PASSED, FAILED])
    readme.write_text(f"before\n{START}\nold\n{END}\nafter\n")
    assets, history = tmp_path / "assets", tmp_path
    install(model, scores, rules, assets, readme, history)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{START}\ndpt-mini is")
    assert text.endswith(f"\n{END}\nafter\n")
    assert text.split(START)[1].split(END)[0].strip() in (assets / "README.md").read_text(encoding="utf-8")
    for told in (
        "567 to 1,234 scenes a piece", "1,100 samples in 3 pieces: 100 in 1.5 hours on 2 CPU cores, ",
        "1,000 in 3 minutes on a card; 100 at 96, 1,000 at 192 pixels", "room, ", "fusion width 32",
        gates.format_gates([FAILED])[-1], "| the most frequent class | 0.531 |", "On 2 rendered",
    ):  # fmt: skip
        assert told in " ".join(text.split()), told
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    for name in (CURVE, RUNS):
        assert (history / name).read_text() == (model / name).read_text()
    x = np.random.default_rng(2).normal(size=(1, 3, 64, 64)).astype(np.float32)
    for task, name in ((DPTForDepthEstimation, "predicted_depth"), (DPTForSemanticSegmentation, "logits")):
        answers = [getattr(task.from_pretrained(folder)(x), name) for folder in (model, assets)]
        assert np.array_equal(*answers), name
    assert sorted(path.name for path in (assets / "segmentation").iterdir()) == [
        "config.json", "head.safetensors", "preprocessor_config.json",
    ]  # fmt: skip


def test_nothing_is_written_where_the_card_has_no_place(model, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("no markers")
    with pytest.raises(ValueError, match="to put the card between"):
        install(model, tmp_path / "scores", tmp_path / "gates", tmp_path / "assets", readme, tmp_path / "learnt.csv")
    assert list(tmp_path.iterdir()) == [readme]
