"""What a published model is known to answer: a few numbers that its converters saw, for one public picture.

A row of PRESETS lists them under "published":

    picture       its name in PICTURES, or its address
    input         (h, w) of the network's input
    where         the slice of the answer: "predicted_depth[0, :3, :3]", or with the whole's size "..., of 576 x 736"
    values        the numbers, nested lists
    preparation   how the picture was prepared, if not by the row's processor: a name in PREPARATIONS
    atol          how far they may lie apart, if not ATOL
"""

import http.client
import os
import re
import urllib.request
from typing import Any

import numpy as np

from ..errors import ConfigError, HubError, one_line
from ..images import load_image
from ..presets import preset
from ..processing import DPTImageProcessor
from .comparison import Report, Row
from .subject import load

ATOL = 1e-4  # the converters' own tolerance; it covers the four digits that they wrote down
RTOL = 1e-4  # of each value: what their resizing and Pillow's here may differ
MAX_PICTURE_BYTES = 20_000_000
TIMEOUT = 30  # seconds without an answer
SLICE = re.compile(r"(predicted_depth|logits)\[([-\d:, ]+)\](?:, of (\d+) x (\d+))?")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
BILINEAR = 2  # Pillow's code
BOUND = f"{ATOL:g} (the converters' own tolerance) and {RTOL:g} of each value (what resizing may differ)"

PICTURES = {  # their sizes are checked, as `input` follows from them
    "COCO val2017 000000039769": "http://images.cocodataset.org/val2017/000000039769.jpg",
    "Meta's example.jpg of the depth notebook": "https://dl.fbaipublicfiles.com/dinov2/images/example.jpg",
}
PREPARATIONS: dict[str, dict[str, Any]] = {  # name -> fields of the processor
    "": {},
    "torchvision's Resize and ToTensor: values 0..1, not normalised": {"resample": BILINEAR, "do_normalize": False},
}


def published(name: str) -> list[dict[str, Any]]:
    """What a model is known to answer; empty for a local one and for one of which nothing is known."""
    row = None if os.path.exists(name) else preset(name)
    return list(row.get("published", ())) if row is not None else []


def verify_published(
    name: str,
    *,
    image: str | None = None,
    revision: str | None = None,
    backend: str = "auto",
    precision: str = "highest",
) -> Report:
    """Load the model, answer for the published pictures and compare the published slices.

    image: the picture as a file, for a machine without network.   HubError where model or picture cannot be fetched.
    """
    known = published(name)
    if not known:
        raise ConfigError(f"{name}: no published values are known; name --against transformers or a recorded reference")
    inputs = [prepare(name, entry, image, revision) for entry in known]
    _, model = load(name, revision=revision, backend=backend, precision=precision)
    rows = []
    for entry, pixels in zip(known, inputs, strict=True):
        values = np.asarray(entry["values"], np.float64)
        actual = part_of(model(pixels), entry["where"])
        if actual.size != values.size:
            raise ConfigError(f"{name}: {entry['where']} is {actual.size} numbers, the published are {values.size}")
        rows.append(verdict(entry["where"], actual, values.reshape(actual.shape), entry.get("atol", ATOL)))
    origins = dict.fromkeys(f"{entry['input'][0]} x {entry['input'][1]} of {entry['picture']}" for entry in known)
    return Report(name, "the published values", "; ".join(origins), rows, BOUND)


def prepare(name: str, entry: dict[str, Any], image: str | None, revision: str | None) -> np.ndarray:
    """The published picture as pixel_values, prepared as its publishers did."""
    address, preparation = PICTURES.get(entry["picture"], entry["picture"]), entry.get("preparation", "")
    if preparation not in PREPARATIONS:
        raise ConfigError(f"{name}: the published picture was prepared by {preparation!r}, which is not known here")
    picture = load_image(image if image is not None else download(address))
    processor = DPTImageProcessor.from_pretrained(name, revision=revision, **PREPARATIONS[preparation])
    pixels = processor(picture)["pixel_values"]
    if pixels.shape[-2:] != tuple(entry["input"]):
        raise ConfigError(
            f"{name}: the picture becomes {pixels.shape[-2]} x {pixels.shape[-1]} pixels, the published one became "
            f"{entry['input'][0]} x {entry['input'][1]}; give {address} itself with --image"
        )
    return pixels


def part_of(answer: Any, where: str) -> np.ndarray:
    """The slice of a model's answer that a text such as "logits[0, 0, :3, :3]" names."""
    found = SLICE.fullmatch(where)
    if found is None:
        raise ConfigError(f"published values: {where!r:.80} is no slice of predicted_depth or logits")
    whole = np.asarray(getattr(answer, found[1]), np.float64)
    if found[3] and whole.shape[-2:] != (int(found[3]), int(found[4])):
        raise ConfigError(f"published values: {found[1]} is {whole.shape[-2]} x {whole.shape[-1]}, not as in {where!r}")
    return whole[tuple(_item(text.strip()) for text in found[2].split(","))]


def _item(text: str) -> Any:
    if ":" not in text:
        return int(text)
    return slice(*(int(part) if part.strip() else None for part in text.split(":")))


def verdict(where: str, actual: np.ndarray, values: np.ndarray, atol: float) -> Row:
    """The published slice as a row: the value that lies nearest to its own bound, or farthest beyond."""
    error, bound = np.abs(actual - values), atol + RTOL * np.abs(values)
    error = np.where(np.isnan(error), np.inf, error)
    worst = np.unravel_index(int((error / bound).argmax()), values.shape)
    largest = float(np.abs(values).max())
    return Row(where, float(error[worst]), tuple(map(int, worst)), float(bound[worst]), 0.0, largest)


def download(address: str) -> bytes:
    """The bytes of a public picture. HubError, one line, if it cannot be had."""
    advice = "give the picture as a file with --image FILE"
    if not address.startswith(("https://", "http://")):
        raise HubError(f"{address}: not an http address; {advice}")
    if any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in OFFLINE):
        raise HubError(f"{address}: not fetched, as {' or '.join(OFFLINE)} forbids the network; {advice}")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            content = answer.read(MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise HubError(f"{address}: cannot be fetched ({one_line(error)}); {advice}") from None
    if len(content) > MAX_PICTURE_BYTES:
        raise HubError(f"{address}: larger than {MAX_PICTURE_BYTES} bytes; {advice}")
    return content
