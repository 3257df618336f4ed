"""Write minidpt/assets/colormaps.npz, the colour tables of minidpt.render: at run time matplotlib is then not needed.

Run from the repository root, with the extra `plot` installed:  python tools/colormaps.py
Each table is (256, 3) uint8, row 0 = far, row 255 = near. The file is the same on every run.
"""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import colormaps

NAMES = ("inferno", "turbo", "magma", "viridis", "Spectral_r", "gray")
TARGET = Path(__file__).parents[1] / "minidpt" / "assets" / "colormaps.npz"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: no clock in the file


def table(name: str) -> np.ndarray:
    """matplotlib's colour map sampled at its 256 steps -> (256, 3) uint8."""
    return colormaps[name](np.arange(256), bytes=True)[:, :3].copy()


def main() -> None:
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(TARGET, "w") as archive:
        for name in NAMES:
            entry = BytesIO()
            np.lib.format.write_array(entry, table(name), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            archive.writestr(member, entry.getvalue(), zipfile.ZIP_DEFLATED)
    print(f"{TARGET}: {len(NAMES)} tables, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
