"""Who may run kernels: one thread at a time, and no process that would be ended for it.

Of Numba's threading layers `workqueue` ends the process when two threads of Python run kernels at once. GNU OpenMP ends
a child of `fork` that runs one after its parent did. Both without a word of Python: here the first waits for its turn,
and the second gets an error that says what to do.
"""

import os
import sys
from types import TracebackType

import numba

from ..errors import ConfigError
from .buffers import POOL

FORKED = (
    "backend numba: this process was forked from one that had run kernels on GNU OpenMP, and would be ended; start it "
    "with multiprocessing's spawn or forkserver, set NUMBA_THREADING_LAYER=workqueue, or use backend numpy"
)


def threading_layer() -> str | None:
    """What runs parallel kernels: tbb, omp or workqueue; None before the first one ran."""
    try:
        return numba.threading_layer()
    except ValueError:
        return None


def threads() -> int:
    """How many threads a parallel kernel runs on."""
    return numba.get_num_threads()


class Turn:
    """POOL's turn, where kernels may run. ConfigError where they may not."""

    forked = False

    def after_fork(self) -> None:
        self.forked = self.forked or (sys.platform == "linux" and threading_layer() == "omp")

    def allowed(self) -> None:
        if self.forked:
            raise ConfigError(FORKED)

    def __enter__(self) -> None:
        self.allowed()
        POOL.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        POOL.__exit__(kind, error, trace)


TURN = Turn()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TURN.after_fork)
