"""Memory that is used again: never while anybody still looks at it, and not for ever."""

import numpy as np

from minidpt.ops.buffers import SMALLEST, Pool


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


def test_small_arrays_are_numpys_own():
    assert Pool().empty((3, 4)).base is None


def test_what_a_turn_did_not_ask_for_is_given_back_but_stays_its_owners():
    pool = Pool()
    with pool:
        kept = pool.empty((SMALLEST,))
        pool.empty((SMALLEST + 8,))
    kept[:] = 7
    assert set(pool._blocks) == {SMALLEST, SMALLEST + 8}
    with pool:
        pool.empty((SMALLEST + 8,))
    assert set(pool._blocks) == {SMALLEST + 8}
    with pool:
        other = pool.empty((SMALLEST,))
    assert np.all(kept == 7)
    assert not np.shares_memory(kept, other)
