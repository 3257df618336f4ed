"""A column of the op table beside NumPy's."""

import numpy as np

from minidpt.ops.backends import NUMPY
from minidpt.ops.examples import random_arguments, run


def beside_numpy(column, op, args, options, seed=0):
    """The op's results by the column and by NumPy, of the same random arrays. A tuple stands for one of that shape."""
    args, options = random_arguments((op, args, options), seed)
    given = [a for a in (*args, *options.values()) if isinstance(a, np.ndarray)]
    copies = [a.copy() for a in given]
    plain, other = run(NUMPY, op, args, options), run(column, op, args, options)
    for array, copy in zip(given, copies, strict=True):
        assert np.array_equal(array, copy), "an op changed its argument"
    return other, plain
