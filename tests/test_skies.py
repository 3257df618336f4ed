"""Skies: the sun's glow, clouds before and beside it, and pictures taken towards it. (Numba; no torch)"""

import itertools
import math
from random import Random

import numpy as np
import pytest
from test_training import AIR, LIGHT

from training.camera import daylight, meter
from training.light import cloud_depth, describe, sky
from training.standpoint import Standpoint

SUN = np.array([0.0, math.sin(0.3), math.cos(0.3)])
SUNNY = AIR._replace(sun=SUN, glow=np.array([0.6, 0.4, 0.2]))


def seen(air, x, y, z):
    return np.array(sky(describe(LIGHT, air, 0.01), float(x), float(y), float(z)))


def test_sky_brightens_and_warms_towards_the_sun_whose_disc_is_overexposed():
    angles = (1.2, 0.5, 0.2, 0.05, 0.0)
    more = [seen(SUNNY, math.sin(a), SUN[1], SUN[2] * math.cos(a)) for a in angles]
    more = [a - seen(AIR, math.sin(b), SUN[1], SUN[2] * math.cos(b)) for a, b in zip(more, angles, strict=True)]
    assert all((near > far).all() for far, near in itertools.pairwise(more))
    assert all(r > g > b > 0 for r, g, b in more)
    assert more[-1].min() > 2 > 1 > more[-3].max()


def test_without_glow_the_suns_place_does_not_matter():
    elsewhere = AIR._replace(sun=np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(seen(AIR, 0.9, 0.1, 0.2), seen(elsewhere, 0.9, 0.1, 0.2))


def test_clouds_are_darker_than_the_sky_where_their_colour_is_and_darkest_where_thick():
    clouds = AIR.clouds._replace(cover=0.7, colour=(0.1, 0.1, 0.1), dark=0.8)
    covered, air = describe(LIGHT, AIR._replace(clouds=clouds), 0.01), AIR._replace(clouds=clouds)
    thick, red = [], []
    for a in np.linspace(-0.7, 0.7, 60):
        for b in np.linspace(0.15, 0.8, 40):
            direction = np.array([math.sin(a), b, math.cos(a)]) / math.sqrt(1 + b * b)
            thick.append(cloud_depth(covered, *direction))
            red.append(seen(air, *direction)[0] / seen(AIR, *direction)[0])
    thick, red = np.array(thick), np.array(red)
    assert (red[thick == 0] == 1).all()
    assert (red[thick > 0] < 1).all()
    assert 0.1 < (thick == 0).mean() < 0.9
    assert red[thick > 1.3].max() < red[(thick > 0.1) & (thick < 0.4)].min()


def test_low_clouds_reach_the_horizon():
    world = [describe(LIGHT, AIR._replace(clouds=AIR.clouds._replace(cover=1.0, low=low)), 0.01) for low in (0.0, 1.0)]
    assert cloud_depth(world[0], 0.0, 0.0, 1.0) == 0 < cloud_depth(world[1], 0.0, 0.0, 1.0)


def test_a_tenth_of_the_pictures_out_of_doors_look_towards_a_low_sun():
    yaw, towards = 1.3, []
    for seed in range(2000):
        light, air = daylight(Random(seed), yaw)
        assert light.at[1] > 0
        assert math.isclose(np.linalg.norm(air.sun), 1)
        x, y, z = air.sun
        angle = (math.atan2(x, z) - yaw + math.pi) % (2 * math.pi) - math.pi
        towards.append(air.glow[0] > 0.2 and abs(angle) < 0.5 and y < 0.4)
    assert 0.08 < np.mean(towards) < 0.16


def test_before_a_bright_sky_the_camera_meters_between_ground_and_sky():
    linear, depth = np.full((8, 8, 3), 0.05, np.float32), np.full((8, 8), 5.0, np.float32)
    linear[:4], depth[:4] = 1.0, np.inf
    stand = Standpoint((0, 0, 0), 0.0, 0.0, None)
    metered = [meter(Random(seed), linear, depth, stand) for seed in range(100)]
    assert 0.05 < min(metered) < 0.12
    assert 0.6 < max(metered) < 1.4
    assert meter(Random(1), linear, depth, stand._replace(lamp=(0, 2, 0))) == pytest.approx(linear.mean())
