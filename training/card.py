"""dpt-mini into the package: converted by minidpt, with a card that says what it is and what it is not.

The card stands in the assets and, between two markers, in README.md. Its numbers come from `evaluate --json`, from
`gates --json` and from the runs.json that `train` left; what photographs show stands in photos.md, written by somebody
who looked at them.
"""

import json
import re
import shutil
import textwrap
from collections import Counter
from pathlib import Path

from minidpt import DPTConfig, DPTForDepthEstimation
from minidpt.checkpoints import CONFIG, HEAD, PROCESSOR
from minidpt.conversion import convert

from .evaluate import METHODS
from .families import NAMES as FAMILIES
from .gates import Gate, format_gates, read_gates
from .plan import CURVE, RUNS
from .things import COARSE

START, END = "<!-- card -->", "<!-- /card -->"
NAMES = {"model": "dpt-mini", "constant": "a constant", "vertical": "the vertical gradient", "plane": "the best plane"}
HEAD_OF_DEPTHS = ["| | AbsRel | δ1 | rank correlation |", "| --- | --- | --- | --- |"]
HEAD_OF_CLASSES = [f"| | accuracy | mean IoU | {' | '.join(COARSE)} |", "| --- | --- | --- |" + " --- |" * len(COARSE)]
PHOTOS = Path(__file__).parent / "photos.md"


def depth_table(scores: dict) -> list[str]:
    """A Markdown row per method for all pictures of a group."""
    rows = []
    for method in METHODS:
        s = scores["all"][method]
        rows.append(f"| {NAMES[method]} | {s['abs_rel']:.3f} | {s['delta1']:.3f} | {s['rank']:+.2f} |")
    return [*HEAD_OF_DEPTHS, *rows, ""]


def class_table(scores: dict) -> list[str]:
    """A Markdown row for the second head and one for the most frequent class everywhere."""
    rows = []
    for method, name in (("model", "dpt-mini"), ("majority", "the most frequent class")):
        s = scores[method]
        cells = (s["accuracy"], s["mean_iou"], *s["iou"].values())
        rows.append(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    return [*HEAD_OF_CLASSES, *rows, ""]


def verdict(gates: list[Gate]) -> str:
    """The card's first sentences: what may be said follows from the gates."""
    failed = [f"{g.what} on {g.picture} ({g.value:.3f}, not {g.relation} {g.limit:.3g})" for g in gates if not g.passed]
    if not failed:
        return (
            "dpt-mini is a **small model** for depth that comes with the package: nothing to download. It passes all "
            f"{len(gates)} gates below. Published models are larger and see more."
        )
    return (
        "dpt-mini is a **demonstration model**, not a tool: it lets every command run without a network, and it shows "
        f"the whole way from training to picture. It passes {len(gates) - len(failed)} of the {len(gates)} gates below "
        f"and fails {', '.join(failed)}. For real depth name a published model."
    )


def architecture(config: DPTConfig, parameters: int) -> str:
    stages, side = ", ".join(map(str, config.bit.hidden_sizes)), config.image_size
    return (
        f"DPT-hybrid in small, {parameters:,} parameters for depth, float16, relative inverse depth, {side}×{side} "
        f"pixels (photographs are squeezed to a square). BiT stages of {stages} channels, then a ViT of "
        f"{config.num_hidden_layers} blocks, width {config.hidden_size}, {config.num_attention_heads} heads; taps: "
        f"stages 1 and 2, third and last block; fusion width {config.fusion_hidden_size}. A second head on the same "
        f"neck tells {', '.join(COARSE)} apart."
    )


def history(runs: list[dict]) -> str:
    """All runs in words, with their sums; what each of them was stands in runs.json."""
    sizes, machines, minutes = Counter[int](), Counter[str](), Counter[str]()
    for run in runs:
        sizes[run["plan"]["size"]] += run["samples"]
        machines[run["machine"]] += run["samples"]
        minutes[run["machine"]] += run["minutes"]
    shares = [f"{machines[name]:,} in {duration(minutes[name])} on {name}" for name in machines]
    pixels = ", ".join(f"{sizes[size]:,} at {size}" for size in sorted(sizes))
    return f"{machines.total():,} samples in {len(runs)} pieces: {', '.join(shares)}; {pixels} pixels"


def duration(minutes: float) -> str:
    return f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.0f} minutes"


def card(scores: dict, gates: list[Gate], runs: list[dict], config: DPTConfig, parameters: int) -> str:
    """The card as Markdown. scores: of `evaluate --json`, with --pair; runs: the contents of runs.json."""
    families = ", ".join(name.replace("_", " ") for name in FAMILIES)
    pictures = sorted({run["pictures"] for run in runs})
    scenes = f"{pictures[0]:,}" if len(pictures) == 1 else f"{pictures[0]:,} to {pictures[-1]:,}"
    paragraphs = [
        verdict(gates),
        "",
        f"- **Architecture**: {architecture(config, parameters)}",
        f"- **Data**: {scenes} scenes a piece, rendered by `training/` ({families}), each seen several times, cropped "
        "and recoloured; not one photo.",
        f"- **Training**: {history(runs)}. Scale-and-shift-invariant loss with gradient matching, and cross entropy "
        "for the classes. `training/README.md` has the commands that do it again, `training/runs.json` the pieces, "
        "`training/curve.csv` the learning curve.",
        "",
        "The gates, on photographs: AbsRel after scale and shift, with a measured depth, beside the plane that fits it "
        "best; correlation with a large model's answer beside that of the height in the picture; and the order of near "
        "and far, a rank correlation with either before any fit. None of these photographs was trained on, but the "
        "scenes were drawn with them in view (close heads, seats of bent tubes, terraces behind glass, wheels, low "
        "suns, ink drawings): a passed gate is a goal reached, not what other photographs will give.",
        "",
        *format_gates(gates),
        "",
        f"On {scores['rendered']['all']['model']['pictures']} rendered scenes it never saw. Scale and shift are fitted "
        "per picture in 1/z, for the baselines too; the plane is fitted to the truth itself, with three free numbers. "
        "AbsRel is the median over the pictures, the others are means.",
        "",
        *depth_table(scores["rendered"]),
        "On one real RGB-D photograph (Redwood, from Open3D's test data), in the same way:",
        "",
        *depth_table(scores["pair"]),
        "The second head on the same rendered scenes, with walls, ceilings and buildings called upright, and "
        "everything else that stands about an object: the share of pixels that are right, and intersection over union.",
        "",
        *class_table(scores["classes"]),
        *PHOTOS.read_text(encoding="utf-8").strip().split("\n\n"),
    ]
    return "\n".join(p if p.startswith("|") else wrap(p) for p in paragraphs)


def wrap(paragraph: str) -> str:
    return textwrap.fill(paragraph, 120, subsequent_indent="  " * paragraph.startswith("- "))


def install(model: Path, scores: Path, gates: Path, assets: Path, readme: Path, history: Path) -> None:
    """Put `model`, transformers' folder, into the package's assets, with its card there and in the README.

    The second head goes as it is; the learning curve and runs.json go to the folder `history`, for the next piece.
    """
    whole = readme.read_text(encoding="utf-8")
    if not (START in whole and END in whole):
        raise ValueError(f"{readme} has no {START} ... {END} to put the card between")
    print(convert(model, assets, dtype="float16"))
    beside = assets / "segmentation"
    beside.mkdir(exist_ok=True)
    for source in (model / beside.name / CONFIG, model / beside.name / HEAD, assets / PROCESSOR):
        shutil.copyfile(source, beside / source.name)  # contents, not rights: safetensors writes for the owner alone
    for name in (CURVE, RUNS):
        shutil.copyfile(model / name, history / name)
    depth = DPTForDepthEstimation.from_pretrained(assets)
    runs = json.loads((model / RUNS).read_text())
    text = card(json.loads(scores.read_text()), read_gates(gates), runs, depth.config, depth.num_parameters)
    (assets / "README.md").write_text(f"# dpt-mini\n\n{text}\n", encoding="utf-8")
    readme.write_text(
        re.sub(f"{START}.*?{END}", lambda _: f"{START}\n{text}\n{END}", whole, flags=re.DOTALL), encoding="utf-8"
    )
