"""Rings, cones, melting blobs, holes, mirrors, edges and short lists of the renderer, against brute force. (Numba)"""

import math
from random import Random

import numpy as np
import pytest
from checks import assert_close
from test_training import AIR, HEIGHT, LIGHT, VIEW, WIDTH, primitive, rays

from training import families
from training.camera import draw_light, draw_view
from training.primitives import BLOB, BOX, CONE, CUT, GLOSS, GLOW, GROUP, KIND, LEADER, PLANE, RING, TEXTURE, TURNS
from training.raycast import cast
from training.rays import blocked, first_hit, prepare
from training.scenes import without_camera_inside
from training.textures import CHECKER, GRID, LEAVES, STRIPE
from training.things import Scene
from training.tiles import shadow_lists

STEPS, FARTHEST = 4000, 10.0


def picture_of(*rows, smooth=False):
    return cast(np.array(rows), VIEW, LIGHT, AIR, np.ones((1, 1, 3)), HEIGHT, WIDTH, smooth)


def marched(inside):
    """Depth of every pixel (HEIGHT, WIDTH) by trying 4000 places along its ray; inside(x, y, z) says what is solid."""
    x, y = rays()
    depth = np.full((HEIGHT, WIDTH), np.inf)
    for t in np.linspace(FARTHEST, 0, STEPS, endpoint=False):
        depth[inside(x * t, y * t + 1.5, t)] = t
    return depth


def assert_same_depth(actual, expected, name):
    """A march sees a surface at most one step late, and may miss a grazed border."""
    assert (np.isinf(actual) != np.isinf(expected)).mean() < 0.02, name
    both = np.isfinite(actual) & np.isfinite(expected)
    assert both.sum() > 30
    assert_close(actual[both], expected[both], atol=1.2 * FARTHEST / STEPS, name=name)


def test_a_ring_is_a_torus():
    row = primitive(RING, (0.1, 1.4, 4), (1.5, 0.25, 1.5), 4)
    row[TURNS + 1] = 1.2
    axis_y, axis_z = math.cos(1.2), math.sin(1.2)

    def inside(x, y, z):
        x, y, z = x - 0.1, y - 1.4, z - 4
        along = y * axis_y + z * axis_z
        across = np.sqrt(x * x + y * y + z * z - along * along)
        return (across - 1.25) ** 2 + along**2 < 0.25**2

    assert_same_depth(picture_of(row)[1], marched(inside), "ring")


def test_a_cone_narrows_to_its_apex():
    row = primitive(CONE, (0.2, 1.5, 4), (1, 1.5, 1), 4)

    def inside(x, y, z):
        up = (y - 1.5) / 1.5
        return ((x - 0.2) ** 2 + (z - 4) ** 2 < ((1 - up) / 2) ** 2) & (abs(up) < 1)

    assert_same_depth(picture_of(row)[1], marched(inside), "cone")


def test_blobs_of_one_group_melt_and_others_do_not():
    centres, halves = (
        ((-0.5, 1.5, 4), (0.6, 1.6, 4.2), (0, 2.2, 4)),
        ((0.6, 0.7, 0.5), (0.5, 0.5, 0.5), (0.4, 0.3, 0.4)),
    )
    rows = [primitive(BLOB, centre, half, 6) for centre, half in zip(centres, halves, strict=True)]

    def fields(x, y, z):
        for centre, half in zip(centres, halves, strict=True):
            r2 = sum(((p - c) / h) ** 2 for p, c, h in zip((x, y, z), centre, half, strict=True))
            yield np.maximum(0, 2 - r2) ** 2

    for row in rows:
        row[GROUP] = 3
    assert_same_depth(picture_of(*rows)[1], marched(lambda *at: sum(fields(*at)) > 1), "one group")
    for row in rows:
        row[GROUP] = 0
    assert_same_depth(picture_of(*rows)[1], marched(lambda *at: np.max(list(fields(*at)), 0) > 1), "no group")


@pytest.mark.parametrize("texture", [GRID, STRIPE, CHECKER, LEAVES])
def test_rays_go_through_what_is_cut_away(texture):
    fence, wall = primitive(BOX, (0, 1.5, 2), (5, 5, 0.01), 4), primitive(BOX, (0, 1.5, 9), (100, 100, 1), 2)
    fence[TEXTURE], fence[CUT] = texture, 0.6
    _, depth, label, _ = picture_of(fence, wall)
    assert 0.35 < (label == 2).mean() < 0.75  # two layers of holes
    assert_close(depth, np.where(label == 2, 8, 2), atol=0.011, name="fence or wall")


def test_a_mirror_shows_the_sky_and_keeps_its_own_depth():
    floor = primitive(PLANE, (0, 0, 0), (1, 1, 1), 1)
    dull, depth, _, index = picture_of(floor)
    floor[GLOSS] = 1
    shiny, same, _, _ = picture_of(floor)
    assert np.array_equal(depth, same)
    sky, ground = dull[index < 0].mean(0), index == 0
    assert np.abs(shiny[ground].mean(0) - sky).max() < 0.1 < np.abs(dull[ground].mean(0) - sky).max()


def test_at_an_edge_colours_mix_but_depths_do_not():
    post, wall = primitive(BOX, (0.03, 1.5, 3), (0.2, 1, 0.1), 4), primitive(BOX, (0, 1.5, 9), (100, 100, 1), 2)
    plain, smooth = picture_of(post, wall), picture_of(post, wall, smooth=True)
    assert set(np.unique(smooth[1].round(3))) <= {np.float32(2.9), np.float32(8)} | set(np.unique(plain[1].round(3)))
    changed = np.abs(smooth[0] - plain[0]).max(2) > 1e-6
    assert 0 < changed.mean() < 0.3


@pytest.mark.parametrize("family", families.NAMES)
def test_short_lists_change_nothing(family):
    random = Random(11)
    scene = Scene(random)
    stand = families.BY_NAME[family](scene, random)
    view = draw_view(random, stand, None)
    table = without_camera_inside(np.array(scene.rows, float), view)
    light, air = draw_light(random, stand)
    _, depth, _, index = cast(table, view, light, air, np.ones((1, 1, 3)), HEIGHT, WIDTH, False)
    shapes, everything = prepare(table), np.arange(len(table), dtype=np.int32)
    everything = everything[shapes[:, LEADER] == everything]
    solid = everything[(table[everything, KIND] != PLANE) & (table[everything, GLOW] == 0)]  # what casts shadows
    for i in range(0, HEIGHT, 2):
        for j in range(0, WIDTH, 2):
            a, b = ((j + 0.5) / WIDTH * 2 - 1) * view.tan_x, (1 - (i + 0.5) / HEIGHT * 2) * view.tan_y
            direction = np.array([a, b, 1]) @ view.basis
            t, row = first_hit(
                shapes, everything, False, *view.position, *direction, 1e-3, 3000.0, 2 * view.tan_x / WIDTH
            )
            assert row == index[i, j]
            if row < 0:
                continue
            assert t == pytest.approx(depth[i, j], rel=1e-6)
            point = view.position + 0.999 * t * direction
            to_light, reach = (light.at - point, 0.98) if light.power > 0 else (light.at, 1e30)
            shading, _ = shadow_lists(shapes, everything, point - 0.1, point + 0.1, tuple(light.at), light.power)
            assert len(shading) <= len(solid)
            expected = blocked(shapes, solid.copy(), *point, *to_light, reach)
            assert blocked(shapes, shading, *point, *to_light, reach) == expected
