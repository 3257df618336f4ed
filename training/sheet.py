"""Photographs beside what models make of them, on one sheet: for eyes, which see what no number here tells."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from minidpt.render import colorize, overlay, palette

from .evaluate import predictor, segmenter
from .things import COARSE

TILE, LINE, GAP = 200, 18, 4  # pixels: longer side of a picture, height of a line of text, space between pictures
DARKEST, BRIGHTEST = 2, 98  # percentiles of the depth that take the ends of the colour map
TYPE_SIZE, INK, PAPER = 13, "black", "white"
Column = tuple[str, Callable[[np.ndarray], np.ndarray]]  # title, (H, W, 3) uint8 -> (H, W, 3) uint8


def depth_picture(depth: np.ndarray) -> np.ndarray:
    """Relative inverse depth (H, W) in minidpt's colours (H, W, 3), near is bright."""
    low, high = np.percentile(depth, (DARKEST, BRIGHTEST))
    return colorize(depth, kind="relative_inverse", value_range=(low, high) if low < high else None)


def columns(models: list[Path]) -> list[Column]:
    """The photograph, the depth of each model, the classes of those that have them."""
    shown: list[Column] = [("photograph", lambda rgb: rgb)]
    for model in models:
        predict = predictor(model)
        shown.append((f"{model.name}: depth", lambda rgb, predict=predict: depth_picture(predict(rgb))))
    for model in models:
        if segment := segmenter(model):
            shown.append((f"{model.name}: classes", lambda rgb, segment=segment: overlay(rgb, segment(rgb))))
    return shown


def strip(texts: list[str], columns: int, above: int = 0) -> Image.Image:
    """A row of the sheet: blank, `above` pixels high, with one text at the foot of each column."""
    row = Image.new("RGB", (GAP + columns * (TILE + GAP), above + LINE + GAP), PAPER)
    for k, text in enumerate(texts):
        ImageDraw.Draw(row).text((GAP + k * (TILE + GAP), above + 1), text, INK, ImageFont.load_default(TYPE_SIZE))
    return row


def photo_row(photo: Path, shown: list[Column]) -> Image.Image:
    """One photograph, what the columns make of it, and its name below."""
    rgb = np.asarray(Image.open(photo).convert("RGB"))
    tiles = [ImageOps.contain(Image.fromarray(picture(rgb)), (TILE, TILE)) for _, picture in shown]
    row = strip([photo.stem], len(shown), above=tiles[0].height)
    for k, tile in enumerate(tiles):
        row.paste(tile, (GAP + k * (TILE + GAP), 0))
    return row


def key_row(columns: int) -> Image.Image:
    """Which colour is which class."""
    row = strip([], columns)
    for k, (name, colour) in enumerate(zip(COARSE, palette(len(COARSE)).tolist(), strict=True)):
        left = GAP + k * (TILE + GAP) // 2
        ImageDraw.Draw(row).rectangle((left, 3, left + LINE - 6, LINE - 3), tuple(colour))
        ImageDraw.Draw(row).text((left + LINE, 1), name, INK, ImageFont.load_default(TYPE_SIZE))
    return row


def draw_sheet(models: list[Path], photos: list[Path]) -> Image.Image:
    """Titles, a row per photograph, the key to the classes."""
    shown = columns(models)
    titles = [title for title, _ in shown]
    rows = [strip(titles, len(shown)), *(photo_row(photo, shown) for photo in photos), key_row(len(shown))]
    return Image.fromarray(np.concatenate([np.asarray(row) for row in rows]))
