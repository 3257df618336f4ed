"""Comparisons that say, when they fail, how far off, where, between which two values: of arrays, of ops with loops."""

import naive
import numpy as np


def assert_close(actual, expected, *, atol=0.0, rtol=0.0, name=""):
    """Fail unless shapes are equal and |actual - expected| <= atol + rtol |expected| everywhere; NaN equals NaN."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    if actual.size == 0:
        return
    wide_actual, wide_expected = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf
        error = np.abs(wide_actual - wide_expected)
        allowed = atol + rtol * np.abs(wide_expected)
    same = (wide_actual == wide_expected) | (np.isnan(wide_actual) & np.isnan(wide_expected))
    error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
    allowed = np.where(np.isfinite(allowed), allowed, 0.0)
    excess = error - allowed
    if np.all(excess <= 0):
        return
    where = tuple(int(i) for i in np.unravel_index(np.argmax(excess), excess.shape))
    raise AssertionError(
        f"{name}: max error {error.max():.3e}; worst at {where}: {actual[where]!r}, expected {expected[where]!r}, "
        f"allowed {allowed[where]:.3e}; {np.count_nonzero(excess > 0)} of {error.size} values off"
    )


def assert_passed(rows):
    """Every row of a comparison within its bound; the message names the first ones that are not."""
    bad = [row for row in rows if not row.passed]
    lines = [
        f"{row.stage}: {row.problem or f'error {row.error:.3g} at {row.where}'}, bound {row.bound:.3g}, "
        f"largest {row.largest:.3g}"
        for row in bad[:10]
    ]
    assert not bad, f"{len(bad)} of {len(rows)} stages beyond the bound:\n" + "\n".join(lines)


# ---------------------------------------------------------------- an op and its loops

# Sums here have at most 200 terms of size about 1: float32 rounding stays below 200 * 6e-8.
ROUNDING = {"atol": 1.5e-5, "rtol": 1e-5}


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def positive(x):
    return np.abs(x) + np.float32(0.1)


def check(op, *args, **options):
    """The op does what the loops of the same name in naive.py do, in float32, and leaves its arguments alone."""
    given = [a for a in (*args, *options.values()) if isinstance(a, np.ndarray)]
    before = [np.array(a) for a in given]
    actual = op(*args, **options)
    assert actual.dtype == np.float32
    for array, copy in zip(given, before, strict=True):
        assert np.array_equal(array, copy), "an op changed its argument"
    assert_close(actual, getattr(naive, op.__name__)(*args, **options), **ROUNDING, name=op.__name__)
