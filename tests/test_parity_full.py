"""Full-size models with random weights against transformers, every stage, float64 as the arbiter. The parity job.

python -m pytest -m full_size -s tests/test_parity_full.py prints README's table.
"""

import gc

import numpy as np
import pytest
from checks import assert_passed
from tiny import pixels

from minidpt import DPTForDepthEstimation, DPTForSemanticSegmentation, record
from minidpt.presets import preset

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import compare, lively_reference  # noqa: E402

pytestmark = pytest.mark.full_size

MODELS = {"DPTForDepthEstimation": DPTForDepthEstimation, "DPTForSemanticSegmentation": DPTForSemanticSegmentation}
CASES = [
    ("dpt-large", (384, 384)),
    ("dpt-large-ade", (480, 480)),
    ("dpt-hybrid-midas", (384, 384)),
    ("dpt-hybrid-midas", (352, 480)),
]


@pytest.fixture(scope="module")
def results():
    """{column: {kind of stage: its row nearest to the bound}}; printed as README's table when all is done."""
    found = {}
    yield found
    kinds = list(dict.fromkeys(kind for column in found.values() for kind in column))
    print("\n\nour error / transformers' own float32 error, both as shares of the stage's largest value")
    print("| stage | " + " | ".join(found) + " |")
    print("| --- |" + " --- |" * len(found))
    for kind in sorted(kinds, key=ORDER.index):
        cells = [
            f"{row.error / row.largest:.1e} / {row.own_error / row.largest:.1e}" if row else ""
            for row in column_of(found, kind)
        ]
        print(f"| {kind} | " + " | ".join(cells) + " |")
    worst = [max(row.share for row in column.values()) for column in found.values()]
    print("| **worst share of the bound** | " + " | ".join(f"{share:.2f}" for share in worst) + " |")


ORDER = [
    "bit",
    "embeddings",
    "inside the blocks",
    "blocks",
    "readout",
    "reassembled",
    "neck",
    "fused",
    "head",
    "output",
]


def column_of(found, kind):
    return [column.get(kind) for column in found.values()]


def kind_of(name):
    first, _, rest = name.partition(".")
    if first == "blocks" and "." in rest:
        return "inside the blocks"
    return "output" if first in ("logits", "predicted_depth") else first


@pytest.mark.parametrize(("name", "size"), CASES, ids=str)
def test_every_stage_of_the_published_sizes_agrees(name, size, tmp_path, results):
    row = preset(name)
    x = pixels(1, 3, *size)
    theirs = lively_reference(row["architecture"], row["config"], x)
    theirs.save_pretrained(tmp_path)
    ours = MODELS[row["architecture"]].from_pretrained(tmp_path)
    assert ours.num_parameters == row["parameters"] == sum(p.numel() for p in theirs.parameters())
    with record() as tape:
        ours(x)
    del ours
    gc.collect()
    rows = compare(theirs, x, tape)
    column = results.setdefault(f"{name} {size[0]}x{size[1]}", {})
    for stage in rows:
        worst = column.setdefault(kind_of(stage.stage), stage)
        if stage.share > worst.share:
            column[kind_of(stage.stage)] = stage
    assert_passed(rows)
    assert len(rows) > 100
    assert all(np.isfinite(row.largest) and row.largest > 0 for row in rows)
