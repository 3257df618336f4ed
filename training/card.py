"""dpt-mini into the package: converted by minidpt, with a card that says what it is and what it is not.

The card stands in the assets and, between two markers, in README.md. Its numbers come from `evaluate --json` and from
the runs.json that `train` left; what photographs show stands in photos.md, written by somebody who looked at them.
"""

import json
import re
import textwrap
from pathlib import Path

from minidpt import DPTForDepthEstimation
from minidpt.conversion import convert

from .evaluate import METHODS

START, END = "<!-- card -->", "<!-- /card -->"
NAMES = {"model": "dpt-mini", "constant": "a constant", "vertical": "the vertical gradient", "plane": "the best plane"}
HEAD = ["| | AbsRel | δ1 | rank correlation |", "| --- | --- | --- | --- |"]
PHOTOS = Path(__file__).parent / "photos.md"


def score_table(scores: dict) -> list[str]:
    """A Markdown row per method for all pictures of a group."""
    rows = []
    for method in METHODS:
        s = scores["all"][method]
        rows.append(f"| {NAMES[method]} | {s['abs_rel']:.3f} | {s['delta1']:.3f} | {s['rank']:+.2f} |")
    return [*HEAD, *rows, ""]


def sentence(run: dict) -> str:
    """One run in words."""
    plan, parts = run["plan"], []
    for size, samples in ((plan["small"], plan["samples_small"]), (192, plan["samples_full"])):
        parts += [f"{samples:,} samples at {size} pixels"] if samples else []
    how = f"batch {plan['batch']}, AdamW from {plan['rate']:g} to 0, {run['minutes']:.0f} minutes on {run['machine']}"
    return f"seed {plan['seed']}, {' and '.join(parts)}, {how}"


def card(scores: dict, runs: list[dict], parameters: int) -> str:
    """The card as Markdown. runs: the contents of runs.json."""
    paragraphs = [
        "dpt-mini is a **small demonstration model**, not a tool: it lets every command run without a network, and it "
        "shows the whole way from training to picture. For real depth name a published model.",
        "",
        f"- **Architecture**: DPT-hybrid in small, {parameters:,} parameters, float16, relative inverse depth, 192×192 "
        "pixels (photographs are squeezed to a square). Three BiT stages of 64, 128 and 256 channels, two blocks each, "
        "then a ViT of 6 blocks, width 192, 3 heads; taps: stages 1 and 2, third and last block; "
        "fusion width 64.",
        f"- **Data**: {runs[-1]['pictures']:,} scenes rendered by `training/` (rooms, streets, fields, "
        "tabletops, corridors, people made of balls and cylinders), each seen several times, cropped "
        "and recoloured; not one photo.",
        f"- **Training**: {'; then, from those weights, '.join(map(sentence, runs))}. Scale-and-shift-invariant loss "
        "with gradient matching. `training/README.md` has the commands that do it again.",
        "",
        f"On {scores['rendered']['all']['model']['pictures']} rendered scenes it never saw. Scale and shift are fitted "
        "per picture in 1/z, for the baselines too; the plane is fitted to the truth itself, with three free numbers. "
        "AbsRel is the median over the pictures, the others are means.",
        "",
        *score_table(scores["rendered"]),
        "On one real RGB-D photograph (Redwood, from Open3D's test data), in the same way:",
        "",
        *score_table(scores["pair"]),
        *PHOTOS.read_text(encoding="utf-8").strip().split("\n\n"),
    ]
    return "\n".join(
        textwrap.fill(p, 120, subsequent_indent="  " * p.startswith("- ")) if p else "" for p in paragraphs
    )


def install(model: Path, scores: Path, assets: Path, readme: Path) -> None:
    """Convert `model` (transformers' folder) into the package's assets and write its card there and into the README."""
    print(convert(model, assets, dtype="float16"))
    parameters = DPTForDepthEstimation.from_pretrained(assets).num_parameters
    text = card(json.loads(scores.read_text()), json.loads((model / "runs.json").read_text()), parameters)
    (assets / "README.md").write_text(f"# dpt-mini\n\n{text}\n", encoding="utf-8")
    whole = readme.read_text(encoding="utf-8")
    if not (START in whole and END in whole):
        raise ValueError(f"{readme} has no {START} ... {END} to put the card between")
    readme.write_text(
        re.sub(f"{START}.*?{END}", lambda _: f"{START}\n{text}\n{END}", whole, flags=re.DOTALL), encoding="utf-8"
    )
