"""The data flow as a drawing to scale, after figure 1 of the paper: a box's face is a map, its depth the channels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from .dry_run import Stage
from .folding import braces, runs
from .markup import Markup, element
from .subject import Subject

FACE = 150.0  # of the longer side of the network's input, in units of the drawing
DEPTH = 56.0  # of the most channels of any box
SLANT = (0.8, 0.45)  # where depth goes: to the right, and up
LABEL_WIDTH, LINE = 112.0, 14.0  # room that the two lines of text under a box need
ACROSS, DOWN, ENCODER = 30.0, 50.0, 106.0  # between columns, between rows, and beside the picture for the first stages
MARGIN = 12.0
LEAST_WIDTH = 1000.0  # in pixels of the page, below which the text could not be read: a narrow window scrolls
OUTPUTS = ("predicted_depth", "logits")


@dataclass(frozen=True)
class Solid:
    """What is drawn of a stage.   label: its shape in words"""

    name: str
    height: int
    width: int
    channels: int
    label: str


Column = dict[int, Solid]  # by row; row 0 is the finest level's


def columns(this: Subject) -> list[Column]:
    """From left to right: picture, taps, reassembled, neck, fused, then the head's maps and the answer on row 0."""
    stages = {stage.name: stage for stage in this.passage.stages}
    taps = this.passage.taps
    rows = list(range(len(taps)))
    named = [dict(enumerate(taps))]
    named += [{row: f"{part}.{row}" for row in rows} for part in ("reassembled", "neck")]
    named += [{row: f"fused.{step}" for step, row in enumerate(reversed(rows))}]
    head = [s.name for s in stages.values() if s.name.startswith("head.") and s.held and s.shape[-1] > 1]
    named += [{0: name} for name in (*head, *OUTPUTS)]
    height, width = this.size
    channels = this.encoder.num_channels
    picture = Solid("pixel_values", height, width, channels, f"{height} × {width} × {channels}")
    found = [{row: solid(this, stages[name]) for row, name in column.items() if name in stages} for column in named]
    return [{0: picture}, *(column for column in found if column)]


def solid(this: Subject, stage: Stage) -> Solid:
    """A stage's extent. Tokens lie as they do on the picture."""
    shape = stage.shape[1:]
    if stage.name == "predicted_depth":
        return Solid(stage.name, shape[0], shape[1], 1, f"{shape[0]} × {shape[1]}")
    if len(shape) == 3:
        return Solid(stage.name, *shape, " × ".join(map(str, shape)))
    rows, row = this.grid(shape[0]) or (1, 1)
    return Solid(stage.name, rows, row, shape[1], f"{shape[0]} tokens × {shape[1]}")


@dataclass(frozen=True)
class Box:
    """A solid in its place.   x, y: top left of the face   width, height: of the face   depth: along the slant"""

    solid: Solid
    x: float
    y: float
    width: float
    height: float
    depth: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def axis(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width + self.depth * SLANT[0]

    @property
    def top(self) -> float:
        return self.y - self.depth * SLANT[1]

    @property
    def below(self) -> float:
        """Where the text under the face ends."""
        return self.y + self.height + 2 * LINE + 5


def place(found: list[Column], side: int) -> tuple[list[dict[int, Box]], float, float]:
    """Boxes to one scale: each row on its own axis, each column as wide as its widest box or text.

    side: the longer one of the picture   -> boxes by column and row, units per pixel, units per channel
    """
    everything = [(row, solid) for column in found for row, solid in column.items()]
    pixel, channel = FACE / side, DEPTH / max(solid.channels for _, solid in everything)
    middles, y = {}, MARGIN
    for row in sorted({row for row, _ in everything}):
        here = [solid for r, solid in everything if r == row]
        half = max(solid.height for solid in here) * pixel / 2
        middles[row] = y + max(s.height * pixel / 2 + s.channels * channel * SLANT[1] for s in here)
        y = middles[row] + half + 2 * LINE + DOWN
    placed, x = [], MARGIN
    for column in found:
        boxes = {}
        for row, s in column.items():
            width, height = s.width * pixel, s.height * pixel
            boxes[row] = Box(s, x, middles[row] - height / 2, width, height, s.channels * channel)
        placed.append(boxes)
        x += max(LABEL_WIDTH, *(box.right - box.x for box in boxes.values())) + (ACROSS if placed[1:] else ENCODER)
    return placed, pixel, channel


def draw(this: Subject, pictures: Mapping[str, str], links: Mapping[str, str]) -> Markup:
    """The SVG.   pictures: by stage, addresses of what its face shows   links: by stage, where its box leads"""
    placed, pixel, channel = place(columns(this), max(this.size))
    boxes = [box for column in placed for box in column.values()]
    width = max(max(box.right, box.x + LABEL_WIDTH) for box in boxes) + MARGIN
    foot = max(box.below for box in boxes)
    arrow = element("path", d="M0 0 L7 3.5 L0 7 z")
    marker = element(
        "marker", arrow, id="arrow", markerWidth=7, markerHeight=7, refX=6, refY=3.5, orient="auto", class_="tip"
    )
    parts = [element("defs", marker), *_arrows(placed, [stage.name for stage in this.passage.stages])]
    parts += [_drawn(box, pictures.get(box.solid.name), links.get(box.solid.name)) for box in boxes]
    parts.append(_scale_bars(pixel, channel, max(box.solid.channels for box in boxes), max(this.size), foot + 24))
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width:.0f} {foot + 36:.0f}",
        style=f"min-width:{min(width, LEAST_WIDTH):.0f}px;max-width:{1.3 * width:.0f}px",
        role="group",
        aria_label="Data flow, from the picture on the left to the answer on the right. Every box leads to its stage.",
        class_="flow",
    )


def _drawn(box: Box, picture: str | None, link: str | None) -> Markup:
    dx, dy = box.depth * SLANT[0], -box.depth * SLANT[1]
    x, y, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    top = _points((x, y), (x + dx, y + dy), (right + dx, y + dy), (right, y))
    side = _points((right, y), (right + dx, y + dy), (right + dx, bottom + dy), (right, bottom))
    face = {"x": x, "y": y, "width": box.width, "height": box.height}
    shown = () if picture is None else (element("image", href=picture, preserveAspectRatio="none", **face),)
    return element(
        "a",
        element("title", f"{box.solid.name}: {box.solid.label}"),
        element("polygon", points=top, class_="top"),
        element("polygon", points=side, class_="side"),
        element("rect", **face, class_="face"),
        *shown,
        element("text", box.solid.name, x=x, y=bottom + LINE, class_="name"),
        element("text", box.solid.label, x=x, y=bottom + 2 * LINE),
        href=link,
        id=f"box-{box.solid.name}",
        class_="box",
    )


def _arrows(placed: list[dict[int, Box]], order: list[str]) -> Iterable[Markup]:
    """Along every row; down the encoder from tap to tap, with the stages between; up through fusion."""
    for row in placed[1]:
        along = [column[row] for column in placed if row in column]
        for box, after in pairwise(along):
            yield _arrow(box.right + 5, box.middle, after.x - 5, box.middle)
    (picture,), taps = placed[0].values(), list(placed[1].values())
    names = [tap.solid.name for tap in taps]
    ends = [0, *(order.index(name) + 1 for name in names)]
    yield from _told(order[: ends[1]], (picture.right + taps[0].x) / 2, picture.middle - 8, upwards=True)
    for (tap, after), (start, end) in zip(pairwise(taps), pairwise(ends[1:]), strict=True):
        yield _arrow(after.axis, tap.below, after.axis, after.top - 5)
        yield from _told(order[start:end], after.axis + 8, (tap.below + after.top) / 2 + 2)
    for column in placed:
        fused = [box for _, box in sorted(column.items(), reverse=True) if box.solid.name.startswith("fused.")]
        for box, after in pairwise(fused):
            yield _arrow(box.axis, box.top - 5, box.axis, after.below)


def _arrow(x: float, y: float, x_end: float, y_end: float) -> Markup:
    return element("line", x1=x, y1=y, x2=x_end, y2=y_end, class_="arrow", marker_end="url(#arrow)")


def _told(names: list[str], x: float, y: float, *, upwards: bool = False) -> Iterable[Markup]:
    """The stages on an arrow's way, one line each: above it, or beside its middle."""
    lines = [braces(run) for run in runs(names, str, lambda _: None)]
    first = y - (len(lines) - 1) * (LINE if upwards else LINE / 2)
    for i, line in enumerate(lines):
        yield element("text", line, x=x, y=first + i * LINE, class_="way middle" if upwards else "way")


def _scale_bars(pixel: float, channel: float, channels: int, side: int, y: float) -> Markup:
    """A length of faces and one of depths, with what they stand for."""
    pixels = side // 4
    x = MARGIN + pixels * pixel + 8
    start = x + 130
    dx, dy = channels * channel * SLANT[0], -channels * channel * SLANT[1]
    return element(
        "g",
        element("line", x1=MARGIN, y1=y, x2=MARGIN + pixels * pixel, y2=y),
        element("text", f"{pixels} pixels", x=x, y=y + 4),
        element("line", x1=start, y1=y, x2=start + dx, y2=y + dy),
        element("text", f"{channels} channels", x=start + dx + 8, y=y + 4),
        class_="scale",
    )


def _points(*corners: tuple[float, float]) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in corners)
