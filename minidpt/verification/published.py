"""What a published model is known to answer: a few numbers that its converters asserted, for one public picture.

A row of PRESETS holds them under "published":

    picture    the picture's address      input    (h, w) of the network's input      processor   fields that differ
    where      the slice of the answer, such as "predicted_depth[0, :3, :3]"          from the model's own, if any do
    values     the numbers, nested lists  atol     what the converters' own tolerance was
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

RTOL = 1e-4  # of each value, beside the row's atol
MAX_PICTURE_BYTES = 20_000_000
TIMEOUT = 30  # seconds without an answer
SLICE = re.compile(r"(predicted_depth|logits)\[([-\d:., ]+)\]")
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
ABOUT = "the published values"


def published(name: str) -> dict[str, Any] | None:
    """The row's published answer, or None."""
    row = None if os.path.exists(name) else preset(name)
    return None if row is None else row.get("published")


def verify_published(
    name: str,
    *,
    image: str | None = None,
    revision: str | None = None,
    backend: str = "auto",
    precision: str = "highest",
) -> Report:
    """Load the model, answer for the published picture and compare the published slice.

    image: the picture as a file, for a machine without network.   HubError where model or picture cannot be fetched.
    """
    row = published(name)
    if row is None:
        raise ConfigError(f"{name}: no published values are known; name --against transformers or a recorded reference")
    picture = load_image(image if image is not None else download(row["picture"]))
    processor = DPTImageProcessor.from_pretrained(name, revision=revision, **row.get("processor", {}))
    pixels = processor(picture)["pixel_values"]
    if pixels.shape[-2:] != tuple(row["input"]):
        raise ConfigError(
            f"{name}: the picture becomes {pixels.shape[-2]} x {pixels.shape[-1]} pixels, the published one became "
            f"{row['input'][0]} x {row['input'][1]}; give {row['picture']} itself with --image"
        )
    _, model = load(name, revision=revision, backend=backend, precision=precision)
    answer, values = model(pixels), np.asarray(row["values"], np.float64)
    actual = part_of(answer, row["where"])
    if actual.shape != values.shape:
        raise ConfigError(f"{name}: {row['where']} has shape {actual.shape}, the published values {values.shape}")
    height, width = row["input"]
    note = (
        f"allowed: {row['atol']:g} as the converters asserted, and {RTOL:g} of each value for what Pillow's resizing "
        "here and theirs then may differ"
    )
    shown = os.path.basename(image) if image is not None else row["picture"]
    subject = f"1 x 3 x {height} x {width}, {shown}"
    return Report(name, ABOUT, subject, [verdict(row["where"], actual, values, row["atol"])], 1, [note])


def part_of(answer: Any, where: str) -> np.ndarray:
    """The slice of a model's answer that a text such as "logits[0, 0, :3, :3]" names."""
    found = SLICE.fullmatch(where)
    if found is None:
        raise ConfigError(f"published values: {where!r:.80} is no slice of predicted_depth or logits")
    items = tuple(_item(text.strip()) for text in found[2].split(","))
    return np.asarray(getattr(answer, found[1])[items], np.float64)


def _item(text: str) -> Any:
    if text == "...":
        return ...
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
