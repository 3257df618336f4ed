"""What is benchmarked is what it says it is: weights, inputs, stages, counts, tables. Nothing here judges a time."""

import json
import math

import numpy as np
import pytest
from checks import assert_close
from tiny import PLAIN

from minidpt import DPTConfig, DPTForDepthEstimation, DPTImageProcessor, cli, load_image
from minidpt.benchmarking import cold, contest, engines, growth, machine, profile, roofline, tables, workload
from minidpt.benchmarking.contest import Contender, Result
from minidpt.errors import ConfigError
from minidpt.inspection import trace
from minidpt.presets import PRESETS

MADE_UP = "someone/dpt-tiny"
ROW = {
    "architecture": "DPTForDepthEstimation",
    "kind": "relative_inverse",
    "licence": "mit",
    "format": "safetensors",
    "config": PLAIN,
    "parameters": 1,
    "processor": {"size": {"height": 32, "width": 32}},
}


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A tiny model that is known by name, and not on this machine."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setitem(PRESETS, MADE_UP, ROW)
    return MADE_UP


@pytest.fixture
def folder(published, tmp_path):
    return workload.workload(published).write(tmp_path / "model")


# ---------------------------------------------------------------- the workload


def test_a_published_model_that_is_absent_gets_random_weights_and_says_so(published):
    found = workload.workload(published, size=(32, 48), batch=2)
    assert found.weights == "random weights of its shapes"
    assert found.pixel_values.shape == (2, 3, 32, 48)
    assert found.model.config == DPTConfig(**PLAIN)


def test_the_embedded_model_keeps_its_weights():
    found = workload.workload("dpt-mini")
    assert (found.weights, found.pixel_values.shape) == ("its weights", (1, 3, 192, 192))


def test_random_weights_leave_nothing_neutral_and_clip_nothing(published):
    model = workload.workload(published).model
    for t in model.table:
        weight = model.weights[t.name]
        assert weight.dtype == np.float32
        assert weight.size == 1 or np.ptp(weight) > 0, f"{t.name} is constant"
    depth = model(workload.random_pixels(model, None, 1)).predicted_depth
    assert depth.min() > 0


def test_random_weights_are_the_same_every_time(published):
    first, second = (workload.workload(published).model.weights for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_an_input_of_half_patches_is_refused_in_one_line(published, capsys):
    assert cli.main(["bench", published, "--size", "33x32"]) == 3
    assert capsys.readouterr().err == "error: --size 33x32: both sides must be multiples of 8\n"


def test_the_written_folder_holds_the_same_model_and_input(published, folder):
    found, read = workload.workload(published), DPTForDepthEstimation.from_pretrained(folder)
    assert np.array_equal(np.load(folder / workload.PIXELS), found.pixel_values)
    assert_close(read(found.pixel_values).predicted_depth, found.model(found.pixel_values).predicted_depth)
    assert DPTImageProcessor.from_pretrained(folder)(load_image("minidpt/assets/example.jpg"))[
        "pixel_values"
    ].shape == (1, 3, 32, 32)


# ---------------------------------------------------------------- stages and ops


def test_stages_follow_the_data_flow_and_add_up(published):
    found = workload.workload(published, size=(32, 48))
    timed = profile.by_stage(found.model, found.pixel_values, 1)
    assert list(timed.stages) == ["embeddings", "blocks", "reassemble", "fusion", "head"]
    assert math.isclose(sum(stage.seconds for stage in timed.stages.values()), timed.rounds[0], rel_tol=1e-9)
    counted = trace(DPTForDepthEstimation, found.model.config, (32, 48))
    assert timed.flops == sum(stage.flops for stage in counted)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_every_op_of_a_pass_is_met_once_and_its_products_counted(published, backend):
    found = workload.workload(published, backend=backend)
    ops = profile.by_op(found.model, found.pixel_values, 2)
    assert ops["attend"].calls == PLAIN["num_hidden_layers"]
    tokens, width = 1 + 4 * 4, PLAIN["hidden_size"]
    assert ops["attend"].flops == 4 * tokens**2 * width * PLAIN["num_hidden_layers"]
    assert [op.seconds for op in ops.values()] == sorted((op.seconds for op in ops.values()), reverse=True)
    assert sum(op.flops for op in ops.values()) == profile.by_stage(found.model, found.pixel_values, 1).flops


def test_the_roofline_is_the_slower_of_its_two_roofs(monkeypatch):
    roof = roofline.Roofline(flops=100.0, bandwidth=10.0)
    assert (roof.bound(200, 1), roof.bound(1, 200)) == (2.0, 20.0)
    monkeypatch.setattr(roofline, "SIDE", 64)
    monkeypatch.setattr(roofline, "COPIED", 1 << 16)
    measured = roofline.measure()
    assert measured.flops > 0
    assert measured.bandwidth > 0


# ---------------------------------------------------------------- the verb


def test_bench_tells_time_stages_work_and_memory(capsys):
    assert cli.main(["bench", "dpt-mini", "--rounds", "1", "--size", "64", "--batch", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["model"], told["input"], len(told["seconds"])) == ("dpt-mini", [2, 3, 64, 64], 1)
    assert told["median"] == told["minimum"] == told["seconds"][0]
    assert math.isclose(sum(stage["share"] for stage in told["stages"]), 1, rel_tol=1e-6)
    assert told["flops"] == sum(stage["flops"] for stage in told["stages"])
    assert told["peak_bytes"] > 1e7
    assert told["threads"] >= 1


def test_bench_says_that_weights_are_random(published, capsys):
    assert cli.main(["bench", published, "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{MADE_UP}, random weights of its shapes"
    assert [line.split()[0] for line in lines[-5:]] == ["embeddings", "blocks", "reassemble", "fusion", "head"]


def test_bench_refuses_peers_where_no_peer_has_the_model(capsys):
    assert cli.main(["bench", "timm/levit-none", "--peers"]) in (3, 5)
    assert cli.main(["bench", "--size", "0"]) == 2
    capsys.readouterr()


# ---------------------------------------------------------------- processes


def test_a_worker_answers_as_the_model_does(published, folder):
    with contest.Worker(Contender("numpy", "highest", 1), folder) as worker:
        assert worker.ready["precision"] == "highest"
        worker.ask("pixels", file=str(folder / workload.PIXELS))
        assert worker.ask("pass")["seconds"] > 0
        assert worker.ask("peak")["bytes"] > 1e7
        worker.ask("output", file=str(folder / "output.npy"))
    found = workload.workload(published)
    assert_close(np.load(folder / "output.npy"), found.model(found.pixel_values).predicted_depth, rtol=1e-6)


def test_a_worker_that_fails_says_why_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^minidpt \(numpy\) highest: .*config\.json") as caught:
        contest.Worker(Contender("numpy", "highest", 1), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_worker_that_dies_is_reported_not_waited_for(folder):
    with contest.Worker(Contender("numpy", "highest", 1), folder) as worker:
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(ConfigError, match="its process ended with -9"):
            worker.ask("pass")


def test_a_race_has_every_round_of_every_contender(folder):
    said = []
    exact = np.ones((1, 64, 64))
    entrants = [Contender("numpy", "highest", 1), Contender("numpy", "high", 1)]
    results = contest.race(folder, entrants, 2, exact, said.append)
    assert [len(result.seconds) for result in results] == [2, 0]
    assert results[0].error == pytest.approx(contest.relative_error(np.load(folder / "output.npy"), exact))
    assert "runs highest instead" in results[1].failure
    assert said == [results[1].failure]


def test_a_contender_without_room_in_memory_is_left_out_and_named(folder, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 0)
    (result,) = contest.race(folder, [Contender("numpy", "highest", 1)], 1, None, lambda line: None)
    assert "0.0 GB of memory are free" in result.failure


def test_engines_that_are_not_installed_are_left_out_with_a_line(monkeypatch):
    lacking = {"onnxruntime": ["onnxruntime"], "openvino": ["openvino", "onnx"]}
    monkeypatch.setattr(engines, "missing", lambda engine: lacking.get(engine, []))
    said = []
    found = contest.contenders(None, 2, None, said.append)
    assert {contender.engine for contender in found} == {"numba", "pytorch"}
    assert said == [
        "ONNX Runtime is left out: onnxruntime not installed",
        "OpenVINO is left out: openvino, onnx not installed",
    ]


def test_restricted_to_instructions_without_bfloat16_only_float32_races(monkeypatch):
    monkeypatch.setattr(engines, "missing", lambda engine: [])
    found = contest.contenders(["numba", "pytorch"], 2, "avx2", lambda line: None)
    assert [str(contender) for contender in found] == ["minidpt (numba) highest", "PyTorch float32"]


def test_a_cold_start_writes_both_files_and_is_timed(folder, monkeypatch):
    monkeypatch.setattr(contest, "COLD_STARTS", 1)
    result = Result(Contender("numpy", "highest", 1))
    contest.measure_cold(folder, [result])
    assert len(result.cold) == 1
    assert result.cold[0] > 0


def test_the_cold_peers_photo_is_prepared_as_ours_is(folder, tmp_path):
    processor = DPTImageProcessor.from_pretrained(folder)
    picture = load_image("minidpt/assets/example.jpg")
    from PIL import Image

    found = cold.network_input(Image.open("minidpt/assets/example.jpg"), processor.to_dict())
    assert_close(found, processor(picture)["pixel_values"], atol=1e-6)
    cold.write(np.arange(12, dtype=np.float32).reshape(3, 4), (8, 6), str(tmp_path / "depth"))
    assert np.load(tmp_path / "depth.npy").shape == (6, 8)
    with Image.open(tmp_path / "depth.png") as picture:
        assert (picture.size, picture.mode) == ((8, 6), "I;16")


def test_a_processes_environment_is_bounded_on_every_side():
    found = Contender("numpy", "highest", 3, "avx2").environment()
    assert {found[name] for name in machine.THREADS} == {"3"}
    assert found["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    assert not {"ONEDNN_MAX_CPU_ISA", "NUMBA_CPU_NAME"} & set(machine.environment(3)) - set(machine.os.environ)


# ---------------------------------------------------------------- tables


def results():
    def one(engine, precision, *seconds, **more):
        return Result(Contender(engine, precision, 2), list(seconds), **more)

    return [
        one("numba", "highest", 1.0, 1.2, 1.1, error=2e-7, peak=900_000_000, cold=[2.5, 2.0, 3.0]),
        one("numba", "medium", 0.3),
        one("pytorch", "float32", 2.0, 2.2),
        one("openvino", "float32", 4.4),
        one("openvino", "bfloat16", 0.6),
        one("onnxruntime", "float32", failure="it broke"),
    ]


def test_ratios_are_to_the_fastest_peer_of_each_grade():
    rows = tables.peers_rows("dpt", results())
    assert rows[0] == ["dpt", "minidpt (numba)", "highest", "1.100", "0.52", "", "2.0e-07", "900", "2.50"]
    assert rows[1][3:6] == ["0.300", "0.14", "0.50"]
    assert [row[4] for row in rows] == ["0.52", "0.14", "1.00", "2.10", "0.29"]
    assert len(rows) == 5
    text = tables.markdown(tables.PEERS_HEAD, rows).splitlines()
    assert len({line.count("|") for line in text}) == 1


def test_no_ratio_is_shown_where_no_peer_ran():
    (row,) = tables.peers_rows("dpt", results()[:1])
    assert row[4:6] == ["", ""]


def test_text_goes_between_its_markers_and_nowhere_else(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- peers -->\nold\n<!-- /peers -->\nb\n", encoding="utf-8")
    tables.replace_between(page, "peers", "new \\1\n")
    assert page.read_text(encoding="utf-8") == "a\n<!-- peers -->\nnew \\1\n<!-- /peers -->\nb\n"
    with pytest.raises(ConfigError, match=r"README\.md: expected <!-- growth -->"):
        tables.replace_between(page, "growth", "new")


def test_growth_takes_every_side_and_every_batch(folder):
    assert growth.shapes((250, 500), (1, 2)) == [(252, 1), (504, 1), (252, 2)]
    points = growth.grow(folder, [Contender("numpy", "highest", 1)], [(32, 1), (32, 2)], 2, lambda line: None)
    assert [(p.side, p.batch, p.threads, len(p.seconds["numpy"])) for p in points] == [(32, 1, 1, 2), (32, 2, 1, 2)]


def test_growths_table_is_in_seconds_per_picture():
    points = [
        growth.Point(252, batch, threads, {"numba": [0.2 * batch / threads], "pytorch": [0.4 * batch / threads]})
        for threads in (1, 2)
        for batch in (1, 8)
    ]
    lines = growth.table(points).splitlines()
    assert lines[2] == "| 252×252 | 1 | 0.200 | 0.400 | 0.50 | 0.100 | 0.200 | 0.50 |"
    assert lines[3].startswith("| 252×252 | 8 | 0.200 | 0.400 | 0.50 |")
