"""The renderer's depth is exact, its pictures repeat, and the scores mean what they say. (Numba; no torch)"""

import numpy as np
import pytest
from checks import assert_close

from training import families, metrics
from training.dataset import Maps, create_maps, open_maps, render_split
from training.evaluate import evaluate
from training.light import Air, Clouds, Light
from training.plan import Plan
from training.primitives import BALL, BOX, CENTRE, CLASS, COLUMNS, CYLINDER, FIRST, HALF, KIND, PLANE, SCALE
from training.raycast import View, cast
from training.scenes import render
from training.things import CLASSES

HEIGHT, WIDTH, TAN_X, TAN_Y = 24, 32, 0.8, 0.6
VIEW = View(np.array([0.0, 1.5, 0.0]), np.eye(3), TAN_X, TAN_Y)
LIGHT = Light(np.array([0.2, 1.0, -0.3]), 0.0, np.full(3, 0.7), np.full(3, 0.3))
CLEAR = Clouds(0.0, (0.8, 0.8, 0.8), 0.0, 1.0, 0.0, 7)
AIR = Air(np.full(3, 0.8), 1e-4, np.array([0.3, 0.5, 0.9]), 2.2, np.array([0.0, 1.0, 0.0]), np.zeros(3), CLEAR)


def primitive(kind, centre, half, label):
    row = np.zeros(COLUMNS)
    row[KIND], row[CLASS], row[SCALE] = kind, label, 1.0
    row[CENTRE : CENTRE + 3], row[HALF : HALF + 3], row[FIRST : FIRST + 3] = centre, half, 0.5
    return row


def rays():
    """Direction (x, y) of every pixel's ray, whose step ahead is 1."""
    x = ((np.arange(WIDTH) + 0.5) / WIDTH * 2 - 1) * TAN_X
    y = (1 - (np.arange(HEIGHT) + 0.5) / HEIGHT * 2) * TAN_Y
    return np.broadcast_to(x, (HEIGHT, WIDTH)), np.broadcast_to(y[:, None], (HEIGHT, WIDTH))


def depth_of(*rows):
    colour, depth, label, _ = cast(np.array(rows), VIEW, LIGHT, AIR, np.ones((1, 1, 3)), HEIGHT, WIDTH, False)
    assert np.isfinite(colour).all()
    return depth, label


def test_ground_depth_is_height_over_slope():
    depth, label = depth_of(primitive(PLANE, (0, 0, 0), (1, 1, 1), 1))
    _, y = rays()
    expected = np.where(y < 0, 1.5 / -np.where(y < 0, y, -1), np.inf)
    assert_close(depth, expected, rtol=1e-6, name="ground")  # float32 storage
    assert np.array_equal(label, np.where(y < 0, 1, CLASSES.index("sky")))


def test_box_front_is_flat_and_ball_is_round():
    box, _ = depth_of(primitive(BOX, (0, 1.5, 6), (100, 100, 1), 2))
    assert_close(box, np.full((HEIGHT, WIDTH), 5.0), rtol=1e-6, name="wall")
    ball, _ = depth_of(primitive(BALL, (0, 1.5, 5), (2, 2, 2), 4))
    x, y = rays()
    a = x * x + y * y + 1
    inside = 25 - a * 21 > 0  # |t d - c|^2 = 4 with c = (0, 0, 5): a t^2 - 10 t + 21 = 0
    expected = np.where(inside, (5 - np.sqrt(np.where(inside, 25 - a * 21, 0))) / a, np.inf)
    assert 0 < inside.sum() < inside.size
    assert_close(ball, expected, rtol=1e-5, name="ball")


def test_the_nearer_thing_hides_the_farther():
    depth, label = depth_of(
        primitive(BOX, (0, 1.5, 9), (100, 100, 1), 2), primitive(CYLINDER, (0, 1.5, 4), (1, 100, 1), 4)
    )
    x, _ = rays()
    middle = np.abs(x) < 0.1
    assert (label[middle] == 4).all()
    assert (depth[middle] < 4).all()
    assert (label == 2).any()
    assert_close(depth[label == 2], np.full((label == 2).sum(), 8.0), rtol=1e-6, name="wall behind")


@pytest.mark.parametrize("family", families.NAMES)
def test_a_seed_always_gives_the_same_picture(family):
    first, again = (render(5, 24, 32, family) for _ in range(2))
    assert first.family == family
    for name in ("rgb", "depth", "label"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert (first.rgb.shape, first.rgb.dtype) == ((24, 32, 3), np.uint8)
    assert first.depth.dtype == np.float32
    assert (first.depth > 0).all()
    assert np.array_equal(np.isinf(first.depth), first.label == CLASSES.index("sky"))
    assert not np.array_equal(first.rgb, render(6, 24, 32, family).rgb)


def test_most_pictures_have_nothing_much_nearer_than_what_they_show():
    """The nearest hundredth of a picture is mostly beyond an eighth of its median depth: so photographs are taken."""
    shares = []
    for seed in range(40):
        depth = render(seed, 24, 32).depth
        near, median = np.percentile(np.minimum(depth, 100), (1, 50))
        shares.append(near / median)
    assert np.mean(np.array(shares) > 1 / 8) > 0.6


def test_rendering_goes_on_where_it_was_stopped(tmp_path):
    create_maps(tmp_path, 3, 48)
    maps = open_maps(tmp_path, "r+")
    assert maps.written().size == 0
    maps.family[1] = 0  # as if one were there already
    render_split(tmp_path, 3, 48, 40, workers=1)
    maps = open_maps(tmp_path)
    assert isinstance(maps, Maps)
    assert list(maps.written()) == [0, 1, 2]
    assert maps.rgb[1].max() == 0  # untouched
    assert np.array_equal(maps.rgb[2], render(42, 48, 48).rgb)
    with pytest.raises(FileNotFoundError, match="training render"):
        open_maps(tmp_path / "none")


def ramp(height=40, width=50):
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return 0.2 + 0.5 * y + 0.1 * x


def test_a_perfect_prediction_scores_perfectly_whatever_its_scale():
    inverse = ramp()
    seen = np.ones(inverse.shape, bool)
    score = metrics.score(3 * inverse - 7, inverse, seen)
    assert score.abs_rel == pytest.approx(0, abs=1e-9)
    assert score.delta1 == 1
    assert score.rank == pytest.approx(1)
    assert metrics.score(-inverse, inverse, seen).rank == pytest.approx(-1)


def test_the_baselines_are_what_they_are_called():
    inverse = ramp()
    scores = metrics.baselines(inverse, np.ones(inverse.shape, bool))
    assert scores["plane"].abs_rel == pytest.approx(0, abs=1e-9)
    assert scores["plane"].abs_rel < scores["vertical"].abs_rel < scores["constant"].abs_rel
    constant = inverse / inverse.mean()
    assert scores["constant"].abs_rel == pytest.approx(np.abs(constant - 1).mean())
    assert scores["constant"].rank == 0


def test_evaluate_scores_only_what_is_seen():
    inverse = ramp().astype(np.float32)
    seen = np.zeros(inverse.shape, bool)
    seen[:20] = True
    rgb = np.zeros((*inverse.shape, 3), np.uint8)
    predicted = np.where(seen, inverse, 100)
    result = evaluate(lambda _: predicted, [("room", rgb, inverse, seen), ("room", rgb, inverse, seen & False)])
    assert result["all"]["model"]["pictures"] == 1
    assert result["room"]["model"]["delta1"] == 1
    with pytest.raises(ValueError, match="differ"):
        metrics.score(predicted[:5], inverse, seen)


def test_the_rate_rises_stays_and_falls():
    plan = Plan(samples=1600, batch=16, warmup=10, cooldown=0.5)
    assert plan.steps == 100
    rates = [plan.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(plan.rate / 10)
    assert rates[9:51] == [plan.rate] * 42
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[75] == pytest.approx(plan.rate / 2)
    assert rates[100] == 0
    assert Plan(samples=1600, warmup=10, cooldown=0).rate_at(99) == plan.rate


@pytest.mark.parametrize(("steps", "snapshots"), [(100, 10), (11719, 5), (7, 5), (3, 10), (1, 1)])
def test_a_piece_takes_its_snapshots_at_equal_distances_and_at_its_end(steps, snapshots):
    plan = Plan(samples=16 * steps, batch=16, snapshots=snapshots)
    saved = [step for step in range(1, steps + 1) if plan.saves_at(step)]
    assert len(saved) == min(steps, snapshots)
    assert saved[-1] == steps
    assert np.ptp(np.diff([0, *saved])) <= 1


def test_a_piece_without_a_snapshot_is_refused():
    with pytest.raises(ValueError, match="0 snapshots"):
        Plan(snapshots=0)
