"""The rendered pictures as tensors, for batches to be drawn from. (torch)"""

import numpy as np
import torch

from .dataset import Maps

TOGETHER = 256  # pictures copied at a time


class Pool:
    """The rendered pictures of a split, where the training runs; those that are rendered meanwhile join at refresh().

    On the CPU these are the memory maps themselves. A graphics card keeps copies, 221 kB for a picture of 192 x 192:
    cut from the maps, a batch would take longer than its step.
    """

    def __init__(self, maps: Maps, device: torch.device):
        self.maps, self.device = maps, device
        self.shared = [torch.from_numpy(pictures) for pictures in (maps.rgb, maps.inverse, maps.label)]
        self.rgb, self.inverse, self.label = (
            self.shared if device.type == "cpu" else [torch.empty_like(t, device=device) for t in self.shared]
        )
        self.ready = np.empty(0, int)  # indices of the pictures that can be drawn
        self.refresh()

    def refresh(self) -> None:
        """Take up what has been rendered since."""
        ready = self.maps.written()
        if self.device.type != "cpu":
            new = torch.from_numpy(np.setdiff1d(ready, self.ready, assume_unique=True))
            for part in new.split(TOGETHER):
                for own, shared in zip((self.rgb, self.inverse, self.label), self.shared, strict=True):
                    own[part.to(self.device)] = shared[part].to(self.device)
        self.ready = ready
