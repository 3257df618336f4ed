"""`minidpt inspect --html`: the architecture as one page that needs nothing else, with what a photo becomes inside."""

from collections.abc import Iterable, Mapping
from importlib import resources
from os import PathLike
from pathlib import Path
from types import CodeType

from .. import params
from ..errors import ConfigError
from .activations import Activations, activations, can_take_photos
from .drawing import draw
from .dry_run import Stage
from .folding import braces
from .markup import Markup, element, joined, png
from .screen import alive, stage_runs
from .sources import file_and_line, first_sentence, full_name, source
from .subject import Subject, subject, why_absent
from .thumbnails import COLORS, DEPTH_COLORS, LABEL_COLORS

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # the browser's word that nothing is loaded
WORK = "GFLOP: billions of multiplications and additions in products; all else is not counted, as is the custom."
MEMORY = (
    "MB alive: what the ops returned and something still uses, as float32, at most on the way to a stage; not what an "
    "op needs inside."
)


def html_page(
    name: str | Path,
    image: str | PathLike[str] | None = None,
    size: tuple[int, int] | None = None,
    revision: str | None = None,
) -> str:
    """The page's HTML.   image: the photo, the embedded one if None   size: (H, W) of the network's input

    A preset whose weights are not here has the drawing and no activations; ConfigError if a photo was given for it.
    """
    this, seen = subject(name, size, revision), None
    reason = why_absent(this, revision)
    if reason is None and not can_take_photos(this):
        reason = f"{_title(this)}: an encoder alone says nothing of how its pictures are made"
    if reason is None:
        this, seen = activations(this, image, size, revision)
    elif image is not None:
        raise ConfigError(f"{reason}; or leave --image out")
    addresses = {stage: png(picture) for stage, picture in seen.pictures.items()} if seen else {}
    groups = _groups(this.passage.stages)
    links = {"pixel_values": "#flow"}
    links |= {stage.name: f"#{word}" for word, stages in groups.items() for stage in stages}
    main = element(
        "main",
        element("h2", "From picture to answer", id="flow"),
        element(
            "div", draw(this, addresses, links), class_="wide", tabindex=0, role="region", aria_label="The drawing"
        ),
        *(element("p", text, class_="note") for text in _notes(this, seen, reason)),
        *(_section(this, word, stages, addresses, seen) for word, stages in groups.items()),
        _unread(this),
    )
    nav = element("nav", *(element("a", word, href=f"#{word}") for word in groups), aria_label="Stages")
    style = (resources.files("minidpt") / "assets" / "inspect.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{_title(this)}, looked into"),
        element("style", Markup(style)),
    )
    body = element("body", element("header", element("h1", _title(this)), _facts(this, seen)), nav, main)
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _title(this: Subject) -> str:
    """The model's name, of a path its last part: a page tells of no home folder."""
    path = Path(this.name)
    return path.resolve().name if path.exists() else this.name


def _groups(stages: Iterable[Stage]) -> dict[str, list[Stage]]:
    """Stages by the first word of their names, in the order in which the words come."""
    groups: dict[str, list[Stage]] = {}
    for stage in stages:
        groups.setdefault(stage.name.split(".")[0], []).append(stage)
    return groups


def _facts(this: Subject, seen: Activations | None) -> Markup:
    peak = this.passage.peak
    parts = ", ".join(f"{part} {n:,}" for part, n in this.parts.items())
    told = {
        "model": this.kind,
        "parameters": f"{params.count(this.table):,} ({parts})",
        "input": f"{this.size[0]} × {this.size[1]} pixels, {this.encoder.num_channels} channels",
        "work": f"{this.passage.flops / 1e9:.1f} GFLOP per picture",
        "memory": f"{this.weight_bytes / 1e6:,.1f} MB of weights, at most {peak.alive / 1e6:,.1f} MB of activations "
        f"alive, on the way to {peak.name}",
    }
    if seen:
        told["time"] = f"{sum(seen.seconds.values()) * 1e3:,.0f} ms, one pass on {seen.backend}; take it as a hint"
    return element("dl", *(joined(element("dt", term), element("dd", text)) for term, text in told.items()))


def _notes(this: Subject, seen: Activations | None, reason: str | None) -> Iterable[str]:
    yield (
        "To scale: the face of a box is a map's height and width, its depth the channels. The encoder runs from the "
        "picture down; its taps go to the right, read out on the way; fusion climbs from the coarsest map to the "
        "finest."
    )
    if seen is None:
        yield f"No activations are shown. {reason}."
    else:
        answer = this.passage.stages[-1].name
        yield f"The photo is {seen.photo}. {COLORS} {LABEL_COLORS if answer == 'logits' else DEPTH_COLORS}"
    yield f"{WORK} {MEMORY}"


def _section(
    this: Subject, word: str, stages: list[Stage], addresses: Mapping[str, str], seen: Activations | None
) -> Markup:
    functions = list(dict.fromkeys(code for stage in stages for code in stage.functions))
    flops, parameters = sum(s.flops for s in stages), sum(s.parameters for s in stages)
    shares = [_share("work", f"{flops / 1e9:.2f} GFLOP", flops / (this.passage.flops or 1))]
    shares.append(_share("parameters", f"{parameters:,}", parameters / params.count(this.table)))
    if seen:
        seconds = sum(seen.seconds[s.name] for s in stages)
        shares.append(_share("time", f"{seconds * 1e3:.1f} ms", seconds / sum(seen.seconds.values())))
    figures = [
        _figure(stage, addresses.get(stage.name)) for stage in stages if addresses.get(stage.name) or not addresses
    ]
    return element(
        "section",
        element("h2", word, id=word),
        element("div", *shares, class_="shares"),
        element("div", *figures, class_="stages") if addresses else "",
        _table(stages),
        element("p", "Computed by", class_="by"),
        *(_function(code) for code in functions),
        aria_labelledby=word,
    )


def _share(what: str, amount: str, share: float) -> Markup:
    bar = element("span", "", class_="bar", style=f"--share:{share:.4f}", aria_hidden="true")
    return element("span", f"{what} {amount}, {share:.1%}", bar, class_="share")


def _figure(stage: Stage, address: str | None) -> Markup:
    shape = " × ".join(map(str, stage.shape[1:]))
    picture = element("img", src=address, alt=f"Activations of {stage.name}, {shape}", loading="lazy")
    return element("figure", picture, element("figcaption", element("b", stage.name), f" {shape}"))


def _table(stages: list[Stage]) -> Markup:
    """The stages in numbers, those that repeat on one row, which then gives their sums."""
    heads = ("stage", "shape (channels last)", "parameters", "GFLOP", "MB alive")
    rows = [element("tr", *(element("th", head, scope="col") for head in heads))]
    for run in stage_runs(stages):
        cells = (
            " × ".join(map(str, run[0].shape)),
            f"{sum(s.parameters for s in run):,}",
            f"{sum(s.flops for s in run) / 1e9:.2f}",
            alive(run),
        )
        name = element("th", braces(s.name for s in run), scope="row")
        rows.append(element("tr", name, *(element("td", cell) for cell in cells)))
    table = element("table", element("thead", rows[0]), element("tbody", *rows[1:]))
    return element("div", table, class_="wide", tabindex=0, role="region", aria_label="Stages in numbers")


def _function(code: CodeType) -> Markup:
    where = element("span", file_and_line(code), class_="where")
    return element(
        "details",
        element("summary", element("code", full_name(code)), f" {first_sentence(code)} ", where),
        element("pre", element("code", source(code)), tabindex=0),
    )


def _unread(this: Subject) -> Markup:
    layers = dict.fromkeys(t.name.rpartition(".")[0] for t in this.passage.unread)
    if not layers:
        return Markup()
    text = f"{params.count(this.passage.unread):,} parameters are loaded and never read: {', '.join(layers)}."
    return element("p", text, class_="note")
