"""benchmarks/gpu.py without a card: what it asks, in which order, what it makes of answers, failures, little time."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cuda column is Numba's")

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = {
    "card": {
        "name": "NVIDIA Stand-in",
        "driver": "580",
        "library": "cuBLASLt 13.1.0",
        "torch": "2.11",
        "numba": "0.68",
    },
    "ops": {"ops": 46, "wrong": {}, "worst": "add: 0"},
    "write": {"flops": 2e12, "size": [384, 384]},
    "stages": {"stages": 9, "failed": [], "worst": "neck.0: 0.5"},
    "time": {"ms": 40.0, "rounds": 3, "error_of_depth": 1e-6},
    "peaks": {"copy": 3e12, "float32": 5e13, "library highest": 4e13, "own highest": 3e13, "library medium": 8e14},
    "by_op": {"rows": [["linear", 7, 3.0, 9e10], ["add", 2, 1.0, 0.0]]},
    "kernels": {"busy_ms": 3.5, "rows": [["product", 9, 3.5]]},
}


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("gpu")
    for name in ("gpu", "gpu_worker"):
        sys.modules.pop(name, None)


@pytest.fixture
def asked(gpu, monkeypatch):
    """Every question, answered at once; `answers` may be changed."""

    class Answering:
        questions, answers = [], dict(ANSWERS)

        def __init__(self, script, words, environment):
            self.script = script

        def ask(self, what, timeout, **options):
            self.questions.append((self.script, what, options))
            return dict(self.answers[what])

        def end(self):
            pass

    monkeypatch.setattr(gpu, "Process", Answering)
    return Answering


def run(gpu, *words):
    lines = []
    return gpu.run(gpu.arguments(list(words)), lines.append), lines


def test_the_most_important_comes_first(gpu):
    steps = list(gpu.steps(gpu.arguments(["--quick"])))
    asked = [step.ask for step in steps]
    assert asked[:7] == ["card", "card", "ops", "ops", "write", "stages", "stages"]
    assert asked.index("time") < asked.index("peaks") < asked.index("by_op")
    assert len({step.about for step in steps}) == len(steps)
    compiled = [i for i, step in enumerate(steps) if step.options.get("compiled")]
    assert compiled == list(range(len(steps) - len(compiled), len(steps))), "minutes of compiling come last"
    timed = {(step.options["name"], step.options["batch"]) for step in steps if step.ask == "time"}
    assert timed == {(name, batch) for name in (gpu.LARGE, gpu.SMALL) for batch in gpu.BATCHES}


def test_a_report_has_every_time_as_a_row(gpu, asked):
    done, lines = run(gpu)
    table = gpu.rows(done)
    assert len(table) == 2 * 3 * (4 + 3 + 3)
    assert len(lines) == len(done)
    # 2e12 flops in 40 ms are 50 TFLOP/s, all that PyTorch reached in float32 and a sixteenth of bfloat16's peak
    assert ["dpt-large", "1", "minidpt, own kernels", "highest", "40.00", "25.0", "1.00", "1.00", "1.0e-06"] in table
    assert ["dpt-large", "8", "minidpt, cuBLASLt", "medium", "5.00", "200.0", "1.00", "0.50", "1.0e-06"] in table
    text = gpu.report(done)
    assert "NVIDIA Stand-in, 580, cuBLASLt 13.1.0" in text
    assert "float32 50.0 TFLOP/s" in text
    assert "Not measured" not in text
    assert "| linear | 7 | 3.000 | 75% | 0.60 |" in gpu.details(done)


def test_a_failure_is_a_line_and_not_the_end(gpu, asked):
    asked.answers |= {
        "peaks": {"error": "RuntimeError: gone"},
        "stages": {"error": "its process ended with -11: crash"},
    }
    done, _ = run(gpu)
    text = gpu.report(done)
    assert text.count("RuntimeError: gone") == 2
    assert len(gpu.rows(done)) == 60
    assert all(row[7] == "" for row in gpu.rows(done)), "no peak, no share of it"


def test_without_pytorch_its_questions_are_left_out(gpu, asked, monkeypatch):
    answer = asked.ask

    def ask(self, what, timeout, **options):
        return {"error": "no torch"} if self.script == "gpu_torch.py" else answer(self, what, timeout, **options)

    monkeypatch.setattr(asked, "ask", ask)
    done, _ = run(gpu)
    assert [found["ask"] for found in done if found["who"] == gpu.THEIRS] == ["card"]
    assert len(gpu.rows(done)) == 2 * 3 * 4
    assert all(row[6] == "" for row in gpu.rows(done))


def test_what_there_is_no_time_for_is_named(gpu, asked):
    done, _ = run(gpu, "--budget", "0")
    assert asked.questions == []
    assert {found["error"] for found in done} == {"left out: no time left"}
    assert "no card; " in gpu.report(done)


def test_pytorch_is_told_the_size_of_the_picture(gpu, asked):
    asked.questions.clear()
    run(gpu)
    sizes = [
        options["size"] for script, what, options in asked.questions if script == "gpu_torch.py" and what == "time"
    ]
    assert len(sizes) == 36
    assert set(map(tuple, sizes)) == {(384, 384)}


WORKER = """
import sys, time
sys.path.insert(0, {benchmarks!r})
from gpu_worker import serve

class Asked:
    def ask_add(self, x, y):
        print("noise")
        return {{"sum": x + y}}
    def ask_fail(self):
        raise ValueError("two\\nlines")
    def ask_sleep(self):
        time.sleep(60)
    def ask_crash(self):
        sys.stderr.write("last words\\n")
        sys.stderr.flush()
        import os; os._exit(7)

serve(Asked())
"""


def test_a_process_answers_fails_stalls_crashes_and_starts_again(gpu, tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(benchmarks=str(ROOT / "benchmarks")))
    worker = importlib.import_module("gpu_worker").Process(script, [], {"PYTHONPATH": str(ROOT)})
    try:
        assert worker.ask("add", 60, x=1, y=2) == {"sum": 3}
        assert worker.ask("fail", 60) == {"error": "ValueError: two lines"}
        assert worker.ask("sleep", 0.2) == {"error": "stopped after 0 s"}
        assert worker.ask("add", 60, x=2, y=2) == {"sum": 4}
        assert worker.ask("crash", 60) == {"error": "its process ended with 7: last words"}
        assert worker.ask("add", 60, x=3, y=2) == {"sum": 5}
    finally:
        worker.end()


def test_times_are_medians_within_rounds_and_seconds(gpu):
    timed = importlib.import_module("gpu_worker").timed
    ticks = iter([5.0, 1.0, 9.0, 2.0])
    spent, found = timed(lambda: "depth", lambda work: (next(ticks), work()), 3, 60)
    assert (spent["ms"], spent["rounds"], spent["all_ms"], found) == (5.0, 3, [5.0, 1.0, 9.0], "depth")
    assert timed(lambda: None, lambda work: (1.0, work()), 1000, 0)[0]["rounds"] == 1


def test_arguments_have_one_meaning(gpu, capsys):
    assert (gpu.arguments([]).rounds, gpu.arguments(["--quick"]).rounds) == (50, 10)
    assert gpu.arguments(["--quick"]).budget < 240
    assert gpu.arguments(["--quick", "--budget", "30"]).budget == 30
    with pytest.raises(SystemExit):
        gpu.arguments(["--rehearse", "--write"])
    assert "measures nothing" in capsys.readouterr().err


def test_the_command_ends_well_where_nothing_can_be_measured(tmp_path):
    file = tmp_path / "gpu.json"
    words = [sys.executable, "benchmarks/gpu.py", "--budget", "0", "--json", str(file)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert re.search("Not measured:\n\n- the card: left out", run.stdout)
    assert len(json.loads(file.read_text())["steps"]) > 60


def test_readme_has_a_place_for_the_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("<!-- gpu -->\n") == text.count("<!-- /gpu -->") == 1
