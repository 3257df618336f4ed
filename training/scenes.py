"""render(seed, height, width): a picture nobody took, with its exact depth. The same seed gives the same picture."""

from random import Random
from typing import NamedTuple

import numpy as np

from . import families
from .camera import GAMMA, draw_light, draw_view, photograph
from .drawing import draw
from .primitives import CENTRE, CLASS, HALF, KIND, PLANE, TEXTURE, place
from .raycast import View, cast
from .textures import POSTER
from .things import GROUND, Scene

POSTER_SEED, RETRY_SEED = 1 << 40, 1 << 41  # added to a seed; far from all seeds in use
POSTER_SIZE = 64
DRAWN = {"peaks": 0.4, "country": 0.04, "skyline": 0.05, "home": 0.01, "street": 0.01}  # share painted by hand
ONE_SURFACE = 0.85  # a view with this much of one primitive teaches little


class Rendered(NamedTuple):
    rgb: np.ndarray  # (H, W, 3) uint8
    depth: np.ndarray  # (H, W) float32, metres along the optical axis, sky inf
    label: np.ndarray  # (H, W) uint8, index into things.CLASSES
    family: str


def without_camera_inside(table: np.ndarray, view: View) -> np.ndarray:
    """Drop the primitives that the camera stands in, or nearly; never the ground, which it may lie on."""
    matrices = place(table)
    local = np.einsum("pij,pj->pi", matrices, view.position - table[:, CENTRE : CENTRE + 3])
    margin = np.minimum(0.12 / np.minimum(table[:, HALF : HALF + 3].min(1), 1.0), 3)[:, None]
    ground = (table[:, KIND] == PLANE) | (table[:, CLASS] == GROUND)
    return table[(np.abs(local) > 1 + margin).any(1) | ground]


def is_bare(index: np.ndarray) -> bool:
    """Does nearly the whole view (H, W, rows of the table or -1) show one surface?"""
    return np.bincount(index.ravel() + 1).max() > ONE_SURFACE * index.size


def render(
    seed: int,
    height: int = 192,
    width: int = 192,
    family: str | None = None,
    *,
    aspect: float | None = None,
    supersample: int = 1,
    poster: np.ndarray | None = None,
) -> Rendered:
    """Build a scene at random, cast it and photograph it.

    family: one of families.NAMES, None draws one. aspect: width over height of what the camera sees, None draws one
    (squeezed into height x width). supersample: rays per pixel side. poster: (h, w, 3) linear picture on its walls,
    None renders another scene for it.
    """
    random = Random(seed)
    weights = families.WEIGHTS
    build = families.BY_NAME[family] if family else random.choices(list(weights), list(weights.values()))[0]
    scene = Scene(random)
    stand = build(scene, random)
    view = draw_view(random, stand, aspect)
    table = without_camera_inside(np.array(scene.rows, float), view)
    if poster is None:
        poster = np.ones((1, 1, 3))
        if (table[:, TEXTURE] == POSTER).any():
            poster = (render(seed + POSTER_SEED, POSTER_SIZE, POSTER_SIZE, poster=poster).rgb / 255.0) ** GAMMA
    light, air = draw_light(random, stand)
    n = supersample
    linear, depth, label, index = cast(table, view, light, air, poster, height * n, width * n)
    if is_bare(index):
        return render(seed + RETRY_SEED, height, width, family, aspect=aspect, supersample=n, poster=poster)
    if n > 1:
        linear = linear.reshape(height, n, width, n, 3).mean((1, 3))
        depth, label = (np.ascontiguousarray(a[n // 2 :: n, n // 2 :: n]) for a in (depth, label))
    rgb = photograph(random, linear, depth, stand)
    if random.random() < DRAWN.get(build.__name__, 0.0):
        rgb = draw(random, rgb, depth, label)
    return Rendered(rgb, depth, label, build.__name__)
