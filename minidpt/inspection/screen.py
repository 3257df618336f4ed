"""The text of `minidpt inspect`: the whole architecture on one screen."""

import textwrap
from pathlib import Path

from .. import params
from .dry_run import Stage, recorded_names
from .folding import braces, runs, starred
from .subject import subject

COLUMNS = 100
UNHELD = "not held"  # the op that would read it works without it


def describe(name: str | Path, size: tuple[int, int] | None = None, revision: str | None = None) -> str:
    """Parameters by part, work and memory, then every stage with its shape, weights, GFLOP and functions.

    size: (H, W) of the network's input, multiples of the patch size; the config's image_size if None.
    """
    this = subject(name, size, revision)
    passage, peak = this.passage, this.passage.peak
    parts = ", ".join(f"{part} {n:,}" for part, n in this.parts.items())
    lines = [
        f"{this.name}: {this.kind}",
        f"weights     {this.weights}",
        *_wrapped("parameters", f"{params.count(this.table):,}  ({parts})"),
        f"input       1 x {this.encoder.num_channels} x {this.size[0]} x {this.size[1]}",
        f"work        {passage.flops / 1e9:.1f} GFLOP per picture (products only)",
        f"memory      {this.weight_bytes / 1e6:,.1f} MB of weights, at most {peak.alive / 1e6:,.1f} MB of activations, "
        f"on the way to {peak.name}",
        "            (float32; alive: what ops returned and something still uses, not what they need inside)",
        "",
        f"{'stage':<19}{'shape (channels last)':<22}{'parameters':>12}{'GFLOP':>8}{'MB alive':>9}  functions",
    ]
    lines += [_row(run) for run in stage_runs(passage.stages)]
    lines += ["", *_wrapped("taps", " ".join(passage.taps)), *_wrapped("never read", _layers(passage.unread))]
    names = " ".join(dict.fromkeys(starred(n) for n in recorded_names(this.model, this.config, this.size)))
    return "\n".join([*lines, *_wrapped("record()", names)])


def stage_runs(stages: list[Stage]) -> list[list[Stage]]:
    """Stages that repeat, put together."""
    return runs(stages, lambda s: s.name, lambda s: (s.shape, s.flops, s.parameters))


def alive(run: list[Stage]) -> str:
    """MB of activations, at most on the way to any of these stages."""
    return f"{max(s.alive for s in run) / 1e6:.1f}" if run[0].held else UNHELD


def _row(run: list[Stage]) -> str:
    shape = " x ".join(map(str, run[0].shape))
    parameters, flops = sum(s.parameters for s in run), sum(s.flops for s in run)
    row = f"{braces(s.name for s in run):<19}{shape:<22}{parameters:>12,}{flops / 1e9:>8.2f}{alive(run):>9}  "
    room, names = COLUMNS - len(row), [code.co_name for code in run[0].functions]
    while len(text := ", ".join(names)) > room:
        names = [*names[: len(names) - 1 - (names[-1] == "...")], "..."]
    return row + text


def _layers(unread: tuple) -> str:
    layers = [t.name.rpartition(".")[0] for t in unread]
    return f"{params.count(unread):,} parameters of {' '.join(dict.fromkeys(layers))}" if layers else ""


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent=f"{label:<12}", subsequent_indent=" " * 12, break_on_hyphens=False
    )
