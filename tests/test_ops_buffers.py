"""Memory that is used again: never while anybody still looks at it, and not for ever."""

import mmap
import sys

import numpy as np
import pytest

from minidpt.ops.buffers import ARENA, LINE, SMALLEST, Pool


def test_memory_serves_again_once_nobody_looks_at_it():
    pool = Pool()
    first = pool.empty((2, SMALLEST))
    address = first.ctypes.data
    assert pool.empty((2, SMALLEST)).ctypes.data != address
    view = first[1:].T
    del first
    assert pool.empty((SMALLEST, 2)).ctypes.data != address  # a view of it lives
    del view
    assert pool.empty((SMALLEST, 2)).ctypes.data == address


def test_the_lowest_gap_that_is_large_enough_is_taken():
    pool = Pool()
    held = [pool.empty((n * SMALLEST + 1,)) for n in (1, 3, 2)]
    places = [x.ctypes.data for x in held]
    assert all(place % LINE == 0 for place in places)
    assert places == sorted(places)
    del held[:2]  # two neighbours make one gap
    assert pool.empty((4 * SMALLEST + 1,)).ctypes.data == places[0]
    low, high = pool.empty((2 * SMALLEST,)), pool.empty((2 * SMALLEST,))
    assert (low.ctypes.data, high.ctypes.data) == (places[0], places[0] + low.nbytes)
    assert pool.empty((SMALLEST,)).ctypes.data > places[2]
    assert len(pool._arenas) == 1


def test_arrays_that_live_together_share_no_byte():
    rng = np.random.default_rng(0)
    pool, held = Pool(), []
    for turn in range(40):
        with pool:
            for number in range(turn * 10, turn * 10 + 10):
                held.append((number, pool.empty((SMALLEST + int(rng.integers(0, SMALLEST)),))))
                held[-1][1][:] = number
                if len(held) > 15:
                    del held[rng.integers(0, len(held))]
            assert all(np.all(x == number) for number, x in held)


def test_small_arrays_are_the_heaps():
    pool = Pool()
    assert pool.empty((3, 4)).ctypes.data % LINE == 0
    assert not pool._arenas


def test_an_array_larger_than_an_arena_gets_one_of_its_size():
    pool = Pool()
    large = pool.empty((ARENA // 4 + 1,))
    large[-1] = 1
    assert large.nbytes == ARENA + 4


def resident(x):
    """Bytes of real memory in the pages of x."""
    with open("/proc/self/pagemap", "rb") as pages:
        pages.seek(x.ctypes.data // mmap.PAGESIZE * 8)
        entries = np.frombuffer(pages.read(x.nbytes // mmap.PAGESIZE * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum()) * mmap.PAGESIZE


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
def test_what_a_turn_did_not_use_is_given_back_but_stays_its_owners():
    pool = Pool()
    with pool:
        kept, other = pool.empty((2 * SMALLEST,)), pool.empty((4 * SMALLEST,))
        kept[:] = 7
        other[:] = 8
        place = other.ctypes.data
        del other
    with pool:
        assert resident(kept) == kept.nbytes
        again = pool.empty((4 * SMALLEST,))
        assert again.ctypes.data == place
        assert resident(again) == again.nbytes  # what the last turn used is still there
        del again
    with pool:
        pass
    with pool:
        assert resident(pool.empty((4 * SMALLEST,))) == 0
    assert np.all(kept == 7)


def test_arenas_that_nobody_uses_go():
    pool = Pool()
    with pool:
        kept = pool.empty((SMALLEST,))
        kept[:] = 7
    with pool:
        pass
    assert len(pool._arenas) == 1  # `kept` lives there
    del kept
    with pool:
        pass
    assert not pool._arenas
