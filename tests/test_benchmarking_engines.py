"""Every other engine, where it is installed, answers as minidpt does."""

import numpy as np
import pytest

from minidpt.benchmarking import contest, engines, workload
from minidpt.benchmarking.contest import Contender

pytest.importorskip("transformers", reason="every peer runs transformers' model; it comes with the parity extra")
ALLOWED = {"float32": 1e-5, "bfloat16": 3e-2}  # 100 roundings of float32; of bfloat16, eight


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return workload.workload("dpt-mini", size=(64, 96)).write(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("engine", ["pytorch", "onnxruntime", "openvino"])
def test_an_engine_answers_as_minidpt_does(engine, folder):
    lacking = engines.missing(engine)
    if lacking:
        pytest.skip(f"{', '.join(lacking)} not installed; they come with the bench extra")
    entrants = [Contender(engine, precision, 1) for precision in engines.ENGINES[engine]]
    exact = contest.make_ready(folder, entrants, lambda line: None)
    ours = contest.race(folder, [Contender("numpy", "highest", 1)], 1, exact, lambda line: None)[0]
    assert ours.error < ALLOWED["float32"]
    said = []
    for result in contest.race(folder, entrants, 1, exact, said.append):
        if result.failure:
            assert "bfloat16" in result.failure, said
        else:
            assert result.error < ALLOWED[result.contender.precision], result.contender
            assert len(result.seconds) == 1


def test_what_errors_are_measured_against_is_exact(folder):
    exact = contest.make_ready(folder, [Contender("pytorch", "float32", 1)], lambda line: None)
    assert exact.dtype == np.float64
