"""Full-size models with random weights against transformers, every stage, float64 as the arbiter. The parity job.

Run with `-s` it prints the table by stage.   pytest -m full_size -s tests/test_parity_full.py
"""

import gc

import numpy as np
import pytest
from tiny import pixels

from minidpt import DPTForDepthEstimation, DPTForSemanticSegmentation, record
from minidpt.presets import preset

transformers = pytest.importorskip(
    "transformers", reason="transformers is the reference; it comes with the parity extra"
)
torch = pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
from transformers_stages import allow_any_grid, compare, lively, unclipped  # noqa: E402

pytestmark = pytest.mark.full_size

TASKS = {"DPTForDepthEstimation": DPTForDepthEstimation, "DPTForSemanticSegmentation": DPTForSemanticSegmentation}
NAMES = (
    "embeddings",
    "bit.*",
    "blocks.*",
    "readout.*",
    "reassembled.*",
    "neck.*",
    "fused.*",
    "head.*",
    "logits",
    "predicted_depth",
)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("dpt-large", (384, 384)),
        ("dpt-large-ade", (480, 480)),
        ("dpt-hybrid-midas", (384, 384)),
        ("dpt-hybrid-midas", (352, 480)),
    ],
    ids=str,
)
def test_every_stage_of_the_published_sizes_agrees(name, size, tmp_path):
    row = preset(name)
    config = transformers.DPTConfig(attn_implementation="eager", **row["config"])
    theirs = lively(getattr(transformers, row["architecture"])(config))
    x = pixels(1, 3, *size)
    if row["architecture"] == "DPTForDepthEstimation":
        handle = allow_any_grid(theirs, x)
        unclipped(theirs, x)
        handle.remove()
    theirs.save_pretrained(tmp_path)
    ours = TASKS[row["architecture"]].from_pretrained(tmp_path)
    assert ours.num_parameters == row["parameters"]
    with record(*NAMES) as tape:
        ours(x)
    del ours
    gc.collect()
    rows = compare(theirs, x, tape)
    print(f"\n{name} {size[0]}x{size[1]}: error as a share of the stage's largest value, and of its bound")
    print(f"{'stage':<16}{'minidpt':>12}{'transformers':>14}{'of bound':>10}")
    for stage, worst in worst_by_stage(rows).items():
        _, error, own, bound, largest = worst
        print(f"{stage:<16}{error / largest:>12.2e}{own / largest:>14.2e}{error / bound:>10.2f}")
    bad = [f"{stage}: error {error:.3g}, bound {bound:.3g}" for stage, error, _, bound, _ in rows if not error <= bound]
    assert not bad, "; ".join(bad[:10])
    assert len(rows) > 100
    assert all(np.isfinite(largest) and largest > 0 for *_, largest in rows)


def worst_by_stage(rows):
    """The row nearest to its bound for each kind of stage; the blocks' parts together."""
    worst = {}
    for row in rows:
        stage = kind(row[0])
        if stage not in worst or row[1] / row[3] > worst[stage][1] / worst[stage][3]:
            worst[stage] = row
    return worst


def kind(name):
    parts = name.split(".")
    return "blocks" if parts[0] == "blocks" and len(parts) == 2 else "in blocks" if parts[0] == "blocks" else name
