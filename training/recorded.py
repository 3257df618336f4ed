"""A training step as one CUDA graph. (torch)"""

from collections.abc import Callable

import torch
from torch import Tensor

from .augment import Batch

WARM = 3  # steps that are taken as usual: libraries choose their algorithms, optimisers make their state


class Recorded:
    """step(batch), whose kernels are recorded once and from then on started together.

    A step of dpt-mini is some two thousand small kernels, and Python takes longer to start them one by one than the
    card to run them. Everything that a step reads has to stay in its place: batches are copied into the first one,
    the answers are overwritten by the next step's. Nothing in `step` may wait for the card.
    """

    def __init__(self, step: Callable[[Batch], tuple[Tensor, ...]]):
        self.step, self.taken = step, 0
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()

    def __call__(self, batch: Batch) -> tuple[Tensor, ...]:
        self.taken += 1
        if self.taken <= WARM:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                answers = self.step(batch)
            torch.cuda.current_stream().wait_stream(self.stream)
            return answers
        if self.taken == WARM + 1:
            self.batch = Batch(*(t.clone() for t in batch))
            with torch.cuda.graph(self.graph):  # records, takes no step
                self.answers = self.step(self.batch)
        for own, new in zip(self.batch, batch, strict=True):
            own.copy_(new)
        self.graph.replay()
        return self.answers
