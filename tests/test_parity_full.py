"""One full-size model of each family with random weights against its reference, every stage, float64 as the arbiter.

python -m pytest -m full_size -s tests/test_parity_full.py prints README's tables. The parity job.
"""

import copy
import gc

import numpy as np
import pytest
from checks import assert_passed

from minidpt import record
from minidpt.model import open_checkpoint
from minidpt.presets import preset

pytest.importorskip("transformers", reason="transformers is the reference; it comes with the parity extra")
pytest.importorskip("torch", reason="torch is the reference; it comes with the parity extra")
import nextvit_torch
import torch
from full_size import Case, measured
from transformers_stages import compare

from minidpt.verification import watch

pytestmark = pytest.mark.full_size

CASES = [
    Case("plain ViT", "Intel/dpt-large", (384, 384)),
    Case("plain ViT, classes", "Intel/dpt-large-ade", (480, 480)),
    Case("hybrid", "Intel/dpt-hybrid-midas", (384, 384)),
    Case("hybrid", "Intel/dpt-hybrid-midas", (352, 480)),
    Case("DINOv2", "facebook/dpt-dinov2-large-nyu", (280, 364)),
    Case("Depth Anything", "depth-anything/Depth-Anything-V2-Small-hf", (518, 686)),
    Case("Depth Anything, metres", "depth-anything/Depth-Anything-V2-Metric-Outdoor-Large-hf", (364, 280)),
    Case("DINOv2 with registers", "facebook/dinov2-with-registers-large", (280, 364)),
    Case("BEiT", "Intel/dpt-beit-large-512", (384, 512)),
    Case("Swin V2", "Intel/dpt-swinv2-large-384", (384, 384)),
    Case("Swin V2", "Intel/dpt-swinv2-tiny-256", (256, 352)),
    Case("Swin", "dpt_swin_large_384.pt", (384, 384)),
    Case("LeViT", "dpt_levit_224.pt", (224, 224)),
    Case("Next-ViT", "dpt_next_vit_large_384.pt", (384, 512)),
    Case("VitDet", "DPT on vitdet-base", (384, 512)),
    Case("BiT", "DPT on bit-50", (384, 480)),
]


@pytest.fixture(scope="module")
def results():
    """{case: (its rows, parameters, seconds to load, peak memory)}; printed as README's tables when all is done."""
    found = {}
    yield found
    print("\n\n| family | full-size model | parameters | inputs tried | worst stage: error / bound | loads | peak |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in dict.fromkeys(case.name for case in found):
        cases = [case for case in found if case.name == name]
        worst = max((row for case in cases for row in found[case][0]), key=lambda row: row.share)
        _, parameters, seconds, peak = found[cases[0]]
        tried = ", ".join(f"{case.size[0]}x{case.size[1]}" for case in cases)
        about = (
            f"{worst.stage}: {worst.error / worst.largest:.1e} / {worst.bound / worst.largest:.1e} = {worst.share:.2f}"
        )
        cells = [cases[0].family, name.rpartition("/")[2], f"{parameters:,}", tried, about]
        print(f"| {' | '.join(cells)} | {seconds:.1f} s | {peak / 1e9:.2f} GB |")
    print("\nour error / the reference's own float32 error, both as shares of the stage's largest value")
    chosen = [case for case in found if case.family in ("plain ViT", "hybrid", "Depth Anything", "BEiT", "Swin V2")]
    by_kind = {case: worst_by_kind(found[case][0]) for case in chosen}
    print("| stage | " + " | ".join(f"{case.name.rpartition('/')[2]} {case.size}" for case in chosen) + " |")
    print("| --- |" + " --- |" * len(chosen))
    for kind in ORDER:
        rows = [by_kind[case].get(kind) for case in chosen]
        cells = [f"{r.error / r.largest:.1e} / {r.own_error / r.largest:.1e}" if r else "" for r in rows]
        print(f"| {kind} | " + " | ".join(cells) + " |")


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


def kind_of(stage):
    first, _, rest = stage.partition(".")
    if first in ("blocks", "stages"):
        return "inside the blocks" if rest.count(".") >= (1 if first == "blocks" else 3) else "blocks"
    return "output" if first in ("logits", "predicted_depth") else first


def worst_by_kind(rows):
    worst = {}
    for row in rows:
        kind = kind_of(row.stage)
        if kind not in worst or row.share > worst[kind].share:
            worst[kind] = row
    return worst


ON_NUMBA = ("Intel/dpt-large", "Intel/dpt-hybrid-midas", "Intel/dpt-swinv2-tiny-256", "dpt_next_vit_large_384.pt")
RUNS = [(case, "numpy") for case in CASES] + [(case, "numba") for case in CASES if case.name in ON_NUMBA]


@pytest.mark.parametrize(("case", "backend"), RUNS, ids=lambda x: x if isinstance(x, str) else f"{x.name}-{x.size}")
def test_every_stage_of_a_full_size_model_agrees(case, backend, tmp_path, results, monkeypatch):
    monkeypatch.setitem(watch.ENCODERS, "nextvit", nextvit_torch.watched)
    theirs = case.write(tmp_path)
    seconds, peak = measured(tmp_path, case.size)
    opened = open_checkpoint(tmp_path)
    ours = opened.model.from_opened(opened, backend)
    row = preset(case.name)
    counted = sum(p.numel() for p in theirs.parameters())
    assert ours.num_parameters == counted
    if row:
        assert counted == row["parameters"]
    x = case.pixels()
    with record() as tape:
        ours(x)
    del ours
    gc.collect()
    if case.family == "LeViT":  # the reference too must leave out what nothing reads, as ours does
        del theirs.backbone.encoder.stages[2].layers[2:]
        tape["stages.2"] = tape["stages.2.blocks.1"]
    rows = compare(theirs, x, tape)
    if backend == "numpy":
        results[case] = rows, counted, seconds, peak
    nearest = max(rows, key=lambda row: row.share)
    print(f"{case.name} {case.size} {backend}: {len(rows)} stages, {nearest.stage} at {nearest.share:.2f} of its bound")
    assert_passed(rows)
    assert len(rows) > 30
    assert all(np.isfinite(row.largest) and row.largest > 0 for row in rows)


BENCHMARKED = [
    Case("plain ViT", "Intel/dpt-large", (384, 384)),
    Case("hybrid", "Intel/dpt-hybrid-midas", (384, 384)),
    Case("Depth Anything", "depth-anything/Depth-Anything-V2-Small-hf", (518, 518)),
    Case("Swin V2", "Intel/dpt-swinv2-tiny-256", (256, 256)),
]


@pytest.mark.parametrize("case", BENCHMARKED, ids=lambda case: case.name)
def test_less_exact_precisions_keep_their_bounds(case, tmp_path):
    """high: ten times the bound of highest, every stage. medium: no larger error than torch's own in bfloat16."""
    theirs = case.write(tmp_path)
    opened, x = open_checkpoint(tmp_path), case.pixels()
    ours = {p: opened.model.from_opened(opened, "numba", p) for p in ("high", "medium")}
    if ours["high"].precision == "high":
        with record() as tape:
            ours["high"](x)
        shares = {row.stage: row.share / 10 for row in compare(theirs, x, tape)}
        worst = max(shares, key=shares.__getitem__)
        print(f"{case.name} high: {worst} at {shares[worst]:.2f} of its bound")
        assert shares[worst] <= 1
    if ours["medium"].precision != "medium":
        pytest.skip(f"no bfloat16 products on this CPU: medium runs {ours['medium'].precision}, tested on its own")
    pixels = torch.from_numpy(x)
    with torch.inference_mode():
        half = copy.deepcopy(theirs).bfloat16()(pixels.bfloat16()).predicted_depth.double().numpy()
        exact = theirs.double()(pixels.double()).predicted_depth.numpy()

    def error(depth):
        return np.linalg.norm(depth - exact) / np.linalg.norm(exact)

    own, torchs = error(ours["medium"](x).predicted_depth), error(half)
    print(f"{case.name} medium: relative L2 error {own:.1e}, torch in bfloat16 {torchs:.1e}")
    assert own <= torchs
