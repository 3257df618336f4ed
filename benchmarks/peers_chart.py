"""The peers table as one figure: a panel for each model, a bar for each engine and precision.

python benchmarks/peers_chart.py FILE.json docs/peers.png       from what `peers.py --json FILE.json` wrote
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

from minidpt.benchmarking.engines import FULL_NAMES, OURS

INK, QUIET = "#222222", "#888888"
COLOURS = {"float32": {True: "#1f6fb4", False: "#b9cbdc"}, "bfloat16": {True: "#d9741a", False: "#ecd2b8"}}
NARROW = ("medium", "bfloat16")


def draw(record, path):
    """record: as peers.py makes it   path: of the picture"""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    models = {name: [r for r in rows if r["median"]] for name, rows in record["models"].items()}
    models = {name: rows for name, rows in models.items() if rows}
    if not models:
        return
    heights = [max(len(rows), 3) for rows in models.values()]
    figure, axes = plt.subplots(
        len(models), 1, figsize=(8, 0.34 * sum(heights) + 0.75 * len(models)), squeeze=False, height_ratios=heights
    )
    for axis, (name, rows) in zip(axes[:, 0], models.items(), strict=True):
        panel(axis, name, rows)
    note = "seconds per picture, shorter is better; blue: float32 grade, orange: bfloat16; dark: minidpt"
    figure.supxlabel(f"{note}\n{record['about']}", fontsize=7, color=QUIET)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def panel(axis, name, rows):
    """One model: the engines from the slowest to the fastest, downwards."""
    rows = sorted(rows, key=lambda row: -row["median"])
    for place, row in enumerate(reversed(rows)):
        engine, precision = row["contender"]["engine"], row["contender"]["precision"]
        grade = "bfloat16" if precision in NARROW else "float32"
        axis.barh(place, row["median"], color=COLOURS[grade][engine in OURS], height=0.78)
        axis.text(row["median"], place, f" {row['median']:.2f} s", va="center", fontsize=8, color=INK)
    labels = [f"{FULL_NAMES[row['contender']['engine']]} {row['contender']['precision']}" for row in reversed(rows)]
    axis.set_yticks(range(len(rows)), labels, fontsize=8)
    axis.set_title(name.rpartition("/")[2], loc="left", fontsize=10, color=INK)
    axis.set_xlim(0, 1.12 * rows[0]["median"])
    axis.set_xticks([])
    axis.tick_params(length=0)
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)


if __name__ == "__main__":
    source, target = sys.argv[1:]
    draw(json.loads(Path(source).read_text(encoding="utf-8")), Path(target))
