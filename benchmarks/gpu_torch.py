"""What PyTorch's side is asked by gpu.py: its versions, peaks, and times of transformers' model, eager and compiled.

python benchmarks/gpu_torch.py FOLDER [tiny]      with tiny, on the CPU, everything is small
"""

import json
import sys
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
import transformers
from gpu_worker import serve, timed

from minidpt.benchmarking.contest import relative_error

PRECISIONS = ("float32", "tf32", "bfloat16")
PEAK_ROUNDS = 10
SEED = 0
MILLI = 1e-3


class Torch:
    """folder: where gpu_ours.py wrote the models"""

    def __init__(self, folder, tiny):
        self.folder, self.device = Path(folder), "cpu" if tiny else "cuda"
        self.side, self.copied = (64, 1 << 10) if tiny else (8192, 1 << 28)

    def stopwatch(self, work):
        """-> (milliseconds, what the work answered)"""
        if self.device == "cpu":
            start = time.perf_counter()
            found = work()
            return 1e3 * (time.perf_counter() - start), found
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        found = work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end), found

    def ask_card(self):
        name = torch.cuda.get_device_name() if self.device == "cuda" else "the CPU, in a rehearsal"
        return {"torch": torch.__version__, "transformers": transformers.__version__, "name": name}

    def ask_peaks(self):
        """Bytes a second that a copy moves, products a second at each precision."""
        source = torch.ones(self.copied, device=self.device)
        target = torch.empty_like(source)
        found = {"copy": self.rate(2 * 4 * self.copied, partial(target.copy_, source))}
        for precision in PRECISIONS:
            use(precision)
            x = torch.randn(self.side, self.side, device=self.device)
            x = x.bfloat16() if precision == "bfloat16" else x
            found[precision] = self.rate(2 * self.side**3, partial(torch.matmul, x, x))
        return found

    def rate(self, amount, work):
        return amount / (MILLI * min(timed(work, self.stopwatch, PEAK_ROUNDS, 2)[0]["all_ms"]))

    @cache  # noqa: B019 (one Torch to a process)
    def model(self, name, precision, compiled):
        kind = json.loads((self.folder / name / "config.json").read_text(encoding="utf-8"))["architectures"][0]
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        model = getattr(transformers, kind).from_pretrained(self.folder / name, dtype=dtype).eval().to(self.device)
        return torch.compile(model, dynamic=False) if compiled else model

    def ask_time(self, name, precision, compiled, batch, size, rounds, seconds):
        """From pixels in the host's memory to depth there; the error of the depth, too.   size: [H, W]"""
        use(precision)
        model = self.model(name, precision, compiled)
        one = np.random.default_rng(SEED).standard_normal((1, 3, *size), np.float32)  # as workload.random_pixels
        x = np.repeat(one, batch, axis=0)
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

        @torch.inference_mode()
        def run():
            return (
                model(pixel_values=torch.from_numpy(x).to(self.device).to(dtype)).predicted_depth.float().cpu().numpy()
            )

        spent, found = timed(run, self.stopwatch, rounds, seconds)
        expected = np.load(self.folder / f"{name}.npy")
        return {**spent, "error_of_depth": max(relative_error(depth[None], expected) for depth in found)}


def use(precision):
    """float32 exactly, or as tf32 in products and convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = precision != "float32"
    torch.backends.cudnn.allow_tf32 = precision != "float32"


if __name__ == "__main__":
    tiny = sys.argv[2:] == ["tiny"]
    if not tiny and not torch.cuda.is_available():
        sys.exit("PyTorch finds no card")
    transformers.utils.logging.disable_progress_bar()
    serve(Torch(sys.argv[1], tiny))
