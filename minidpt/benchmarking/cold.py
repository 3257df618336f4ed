"""One photo from start to files, as the smallest program on another engine would do it.

    python -m minidpt.benchmarking.cold ENGINE PRECISION FOLDER THREADS PHOTO STEM [CACHE]

Reads the photo, makes it the network's input as the folder's processor says, loads the model, runs it, brings the
depth back to the photo's size and writes STEM.npy and STEM.png of 16 bits. What it imports is what its engine needs.
CACHE: a folder where OpenVINO keeps what it compiled
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import engines

RECIPE = "preprocessor_config.json"
WHITE = 65535


def network_input(photo: Image.Image, recipe: dict) -> np.ndarray:
    """A photo -> pixel_values (1, 3, H, W) float32, squeezed to the recipe's size."""
    size = (recipe["size"]["width"], recipe["size"]["height"])
    pixels = np.asarray(photo.convert("RGB").resize(size, Image.Resampling(recipe["resample"])), np.float32)
    mean, std = (np.float32(recipe[key]) for key in ("image_mean", "image_std"))
    if recipe["do_rescale"]:
        pixels = pixels * np.float32(recipe["rescale_factor"])
    if recipe["do_normalize"]:
        pixels = (pixels - mean) / std
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def write(depth: np.ndarray, size: tuple[int, int], stem: str) -> None:
    """depth: (H, W) -> STEM.npy at the photo's size (width, height), and STEM.png with its range over 16 bits"""
    whole = np.asarray(Image.fromarray(depth).resize(size, Image.Resampling.BICUBIC))
    np.save(f"{stem}.npy", whole)
    spread = float(np.ptp(whole)) or 1.0
    Image.fromarray(((whole - whole.min()) * (WHITE / spread)).astype(np.uint16)).save(f"{stem}.png")


def main(words: list[str]) -> int:
    """-> exit code"""
    engine, precision, folder, threads, path, stem, *cache = words
    with Image.open(path) as photo:
        recipe = json.loads((Path(folder) / RECIPE).read_text(encoding="utf-8"))
        pixels = network_input(photo, recipe)
        loaded = engines.load(engine, precision, Path(folder), int(threads), Path(cache[0]) if cache else None)
        write(loaded.run(pixels)[0], photo.size, stem)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
