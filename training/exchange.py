"""Several processes share a batch: gradients are averaged through shared memory.

Two processes of one thread each instead of one process of two threads: they meet once per step, not once per operation,
so other work on the machine delays them by its share only. (Threads waiting for each other fell from 78 to 14-40
samples/s when tests ran beside them.)
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.multiprocessing

PATIENCE = 600  # seconds to wait for the others before giving up


class Exchange:
    """One process's place among `count`, and the table (count, P) where all lay down their gradients."""

    def __init__(self, rank: int, count: int, table: torch.Tensor | None = None, barrier: Any = None):
        self.rank, self.count, self.table, self.barrier = rank, count, table, barrier

    def average(self, gradients: list[torch.Tensor]) -> None:
        """Replace every gradient by its mean over the processes: the same sums in the same order in each of them."""
        if self.count == 1:
            return
        self.table[self.rank] = torch.cat([g.reshape(-1) for g in gradients])
        self.barrier.wait(PATIENCE)  # all have written
        mean = self.table.mean(0)
        self.barrier.wait(PATIENCE)  # all have read
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))


def _start(rank: int, work: Callable, count: int, table: torch.Tensor, barrier: Any, threads: int, args: tuple) -> None:
    torch.set_num_threads(threads)
    work(Exchange(rank, count, table, barrier), *args)


def run_together(work: Callable, count: int, parameters: int, *args: Any) -> None:
    """Run work(exchange, *args) in `count` processes with an equal share of the threads; an error in one stops all."""
    if count == 1:
        work(Exchange(0, 1), *args)
        return
    table = torch.zeros(count, parameters).share_memory_()
    barrier = torch.multiprocessing.get_context("spawn").Barrier(count)
    threads = max(1, torch.get_num_threads() // count)
    torch.multiprocessing.spawn(_start, (work, count, table, barrier, threads, args), count)
