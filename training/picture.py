"""An example picture: one rendered scene, chosen by eye, as a small JPEG.

The package's own, minidpt/assets/example.jpg, is this seed as the first dpt-mini's renderer drew it; today's draws
another street from it. Notebooks point at places in the old one (11 draws its own), so it stays until they are moved.
"""

from pathlib import Path

from PIL import Image

from .scenes import render

FAMILY, SEED = "street", 310  # chosen from contact sheets
HEIGHT, WIDTH, QUALITY, MAX_BYTES = 480, 640, 90, 120_000
SUPERSAMPLE = 2


def save_example(path: Path) -> None:
    """Render the example, 640 x 480 through a 4:3 camera, and write it as JPEG."""
    rgb = render(SEED, HEIGHT, WIDTH, FAMILY, aspect=WIDTH / HEIGHT, supersample=SUPERSAMPLE).rgb
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path, "JPEG", quality=QUALITY, optimize=True)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes, at most {MAX_BYTES} are wanted: lower QUALITY")
