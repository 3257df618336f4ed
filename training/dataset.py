"""Many rendered pictures on disk as memory maps.

FOLDER/{train,held_out}/rgb.npy      (N, S, S, 3) uint8
                        inverse.npy  (N, S, S) float16, 1/z in 1/m, sky 0
                        label.npy    (N, S, S) uint8, index into things.CLASSES
                        family.npy   (N,) uint8, index into families.NAMES; UNWRITTEN where not yet rendered
"""

from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import families
from .scenes import render

CLOSEST = 0.05  # metres; 1/z never exceeds its inverse
UNWRITTEN = 255
SEEDS_PER_RUN = 1 << 24  # training seeds of run s: s * SEEDS_PER_RUN + 0, 1, 2, ...
HELD_OUT_SEED = 1 << 36  # held-out scenes start here, whatever the run's seed: beyond every training seed


class Maps(NamedTuple):
    """Memory maps of one split, see above."""

    rgb: np.ndarray
    inverse: np.ndarray
    label: np.ndarray
    family: np.ndarray

    def written(self) -> np.ndarray:
        """Indices of the rendered pictures."""
        return np.flatnonzero(self.family != UNWRITTEN)


def layout(size: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of one picture's part of each map."""
    square = (size, size)
    return {
        "rgb": ((*square, 3), np.uint8),
        "inverse": (square, np.float16),
        "label": (square, np.uint8),
        "family": ((), np.uint8),
    }


def create_maps(folder: Path, count: int, size: int) -> None:
    """Empty maps for `count` pictures of size x size."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (shape, dtype) in layout(size).items():
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *shape))
        if name == "family":
            array[:] = UNWRITTEN
        array.flush()


def open_maps(folder: Path, mode: str = "c") -> Maps:
    """The maps of one split, by default such that nothing is written to the disk.

    A missing folder says which command makes it.
    """
    try:
        return Maps(*(np.load(folder / f"{name}.npy", mmap_mode=mode) for name in Maps._fields))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no rendered pictures in {folder}; run `python -m training render` first") from error


def render_share(folder: Path, first_seed: int, worker: int, workers: int) -> None:
    """Render every workers-th picture that is not there yet."""
    maps = open_maps(folder, "r+")
    for i in range(worker, len(maps.rgb), workers):
        if maps.family[i] != UNWRITTEN:
            continue
        picture = render(first_seed + i, *maps.rgb.shape[1:3])
        maps.rgb[i], maps.label[i] = picture.rgb, picture.label
        maps.inverse[i] = 1 / np.maximum(picture.depth, CLOSEST)
        maps.family[i] = families.NAMES.index(picture.family)  # last: it says that the rest is there
        if worker == 0 and i % 500 < workers:
            print(f"{folder.name}: {i} of {len(maps.rgb)}", flush=True)


def render_split(folder: Path, count: int, size: int, first_seed: int, workers: int) -> None:
    """Render one split with worker processes; called again after a stop, it goes on where it was."""
    if not (folder / "family.npy").exists() or open_maps(folder).rgb.shape[:2] != (count, size):
        create_maps(folder, count, size)
    context = get_context("spawn")  # forked threads of numba and torch are trouble
    jobs = [context.Process(target=render_share, args=(folder, first_seed, w, workers)) for w in range(workers)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if any(job.exitcode for job in jobs):
        raise RuntimeError(f"a worker rendering {folder} stopped with exit codes {[job.exitcode for job in jobs]}")


def render_all(folder: Path, count: int, held_out: int, size: int, workers: int, seed: int) -> None:
    """Both splits: held-out first, it is small."""
    render_split(folder / "held_out", held_out, size, HELD_OUT_SEED, workers)
    render_split(folder / "train", count, size, seed * SEEDS_PER_RUN, workers)
