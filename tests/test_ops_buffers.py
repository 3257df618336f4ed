"""Memory that is used again: never while anybody still looks at it, and not for ever."""

import numpy as np

from minidpt.ops.buffers import LINE, SMALLEST, SPARE, Pool


def test_a_block_serves_again_once_nobody_looks_at_it():
    pool = Pool()
    first = pool.empty((2, SMALLEST))
    address = first.ctypes.data
    assert pool.empty((2, SMALLEST)).ctypes.data != address
    view = first[1:].T
    del first
    assert pool.empty((SMALLEST, 2)).ctypes.data != address  # a view of it lives
    del view
    assert pool.empty((SMALLEST, 2)).ctypes.data == address
    assert pool.empty((2, SMALLEST + 1)).size == 2 * (SMALLEST + 1)


def test_the_smallest_free_block_that_is_large_enough_is_taken():
    pool = Pool()
    held = [pool.empty((n * SMALLEST,)) for n in (1, 3, 2)]
    places = [x.ctypes.data for x in held]
    assert all(place % LINE == 0 for place in places)
    del held
    first = pool.empty((SMALLEST + 5,))
    second = pool.empty((SMALLEST + 5,))
    third = pool.empty((SMALLEST,))
    assert [x.ctypes.data for x in (first, second, third)] == [places[2], places[1], places[0]]
    assert len(pool._blocks) == 3


def test_small_arrays_are_no_blocks():
    pool = Pool()
    assert pool.empty((3, 4)).ctypes.data % LINE == 0
    assert not pool._blocks


def test_what_a_turn_did_not_ask_for_is_given_back_but_stays_its_owners():
    pool = Pool()
    with pool:
        kept = pool.empty((SMALLEST,))
        pool.empty((SMALLEST + 8,))
    kept[:] = 7
    assert len(pool._blocks) == 2
    with pool:
        pool.empty((SMALLEST + 8,))
    assert [block.size for block in pool._blocks] == [SMALLEST + 8 + SPARE]
    with pool:
        other = pool.empty((SMALLEST,))
    assert np.all(kept == 7)
    assert not np.shares_memory(kept, other)
