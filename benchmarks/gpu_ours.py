"""What minidpt's side is asked by gpu.py: the card, its peaks, whether results are right, times.

python benchmarks/gpu_ours.py FOLDER [tiny]      with tiny, in Numba's simulator, everything is small
"""

import importlib
import sys
import time
from collections import defaultdict
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from gpu_worker import serve, timed

from minidpt import DepthAnythingConfig, DepthAnythingForDepthEstimation, diagnosis, record
from minidpt.benchmarking.contest import relative_error
from minidpt.benchmarking.profile import products
from minidpt.benchmarking.workload import random_pixels, shaped_as, with_random_weights
from minidpt.errors import ConfigError
from minidpt.ops import cublas_cuda, device_cuda
from minidpt.ops.backends import cuda_backend
from minidpt.presets import full_name
from minidpt.verification.comparison import ALLOWED, Expected, compare

TINY = {
    "backbone_config": {
        "model_type": "dinov2", "hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 1,
        "image_size": 8, "patch_size": 4, "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "reshape_hidden_states": False,
    },
    "patch_size": 4, "reassemble_hidden_size": 8, "neck_hidden_sizes": [4, 4, 4, 4], "fusion_hidden_size": 4,
    "head_hidden_size": 4,
}  # fmt: skip
BETWEEN_TWO = 2 * ALLOWED["highest"]  # two float32 passes may each be so far from the truth
PEAK_ROUNDS, KERNELS_SHOWN = 10, 25
MILLI = 1e-3


class Ours:
    """folder: where models and NumPy's results are written, for PyTorch to read"""

    def __init__(self, folder, tiny):
        self.folder, self.tiny = Path(folder), tiny
        self.side, self.copied = (16, 1 << 10) if tiny else (8192, 1 << 30)

        if tiny:
            rehearse()

    # ---------------------------------------------------------------- models

    @cache  # noqa: B019 (one Ours to a process)
    def plain(self, name):
        """The model on NumPy, with random weights, and the pixels of one picture."""
        if self.tiny:
            model = with_random_weights(DepthAnythingForDepthEstimation, DepthAnythingConfig(**TINY), backend="numpy")
        else:
            model = shaped_as(full_name(name), backend="numpy")
        return model, random_pixels(model, None, 1)

    @cache  # noqa: B019
    def tape(self, name):
        """Every stage as NumPy computes it."""
        model, x = self.plain(name)
        with record() as tape:
            model(x)
        return tape

    @cache  # noqa: B019
    def on_card(self, name, own, precision):
        return self.plain(name)[0].to(table(own), precision)

    def ask_write(self, name):
        """The model for PyTorch, its depth for both.   -> products of one picture, in flops"""
        model, x = self.plain(name)
        model.save_pretrained(self.folder / name)
        np.save(self.folder / f"{name}.npy", self.tape(name)["predicted_depth"])
        return {"flops": sum(products(model, x.shape)[0].values()), "size": list(x.shape[2:])}

    # ---------------------------------------------------------------- is it right

    def ask_card(self):
        return {**diagnosis.card(cuda_backend()), **diagnosis.versions()}

    def ask_ops(self, own):
        """Every example of the op table against NumPy's."""
        return diagnosis.self_test(table(own))

    def ask_stages(self, name, own, precision):
        """Every stage against NumPy's; at `highest` each within its bound."""
        model, (_, x) = self.on_card(name, own, precision), self.plain(name)
        with record() as tape:
            model(x)
        stages = {
            stage: Expected(value.reshape(-1), value.shape, 0.0, float(np.abs(value).max()))
            for stage, value in self.tape(name).items()
        }
        rows = compare(tape, stages, BETWEEN_TWO)
        worst = max(rows, key=lambda row: (bool(row.problem), row.share))
        return {
            "precision": model.precision,
            "stages": len(rows),
            "failed": [row.stage for row in rows if not row.passed],
            "worst": worst.problem or f"{worst.stage}: {worst.error:.1e} / {worst.bound:.1e} = {worst.share:.2f}",
            "rows": [[row.stage, row.error, row.bound] for row in rows],
        }

    # ---------------------------------------------------------------- how fast

    def ask_peaks(self):
        """Bytes a second that a copy moves, products a second of the library at each precision and of our kernel."""
        source, target = (device_cuda.empty((self.copied,), np.uint8) for _ in range(2))
        copy = partial(target.array.copy_to_device, source.array, stream=device_cuda.stream())
        found = {"copy": 2 * self.copied / (MILLI * min(timed(copy, stopwatch, PEAK_ROUNDS, 1)[0]["all_ms"]))}
        del source, target, copy
        square = np.random.default_rng(0).standard_normal((self.side, self.side), np.float32)
        x = device_cuda.upload(square)
        for whose, backend in (("own", table(True)), ("library", cuda_backend())):
            if whose == "library" and cublas_cuda.refusal():
                continue
            for precision in backend.precisions:
                weight = backend.at(precision).prepare("linear", square)
                milliseconds = min(timed(partial(weight.multiply, x), stopwatch, PEAK_ROUNDS, 2)[0]["all_ms"])
                found[f"{whose} {precision}"] = 2 * self.side**3 / (MILLI * milliseconds)
        return found

    def ask_time(self, name, own, precision, batch, rounds, seconds):
        """From pixels in the host's memory to depth there; for one picture the error of the depth, too."""
        model, (_, x) = self.on_card(name, own, precision), self.plain(name)
        if model.precision != precision:
            return {"error": f"runs {model.precision} instead, which has its own row"}
        x = np.repeat(x, batch, axis=0)
        spent, out = timed(lambda: model(x), stopwatch, rounds, seconds)
        expected = np.load(self.folder / f"{name}.npy")
        return {**spent, "error_of_depth": max(relative_error(one[None], expected) for one in out.predicted_depth)}

    def ask_by_op(self, name, own, precision, rounds):
        """Milliseconds of each op, between events; one picture. -> [op, calls, ms, flops], the slowest first"""
        model, x = self.plain(name)
        spent = defaultdict(list)
        backend = table(own).at(precision)

        def wrap(op, function):
            def run(*args, **options):
                watch = Stopwatch()
                result = function(*args, **options)
                spent[op].append(watch.stop())
                return result

            return run

        watched = model.to(replace(backend, ops={op: wrap(op, f) for op, f in backend.ops.items()}, at=None))
        watched(x)
        spent.clear()
        for _ in range(rounds):
            watched(x)
        flops = products(model, x.shape)[1]
        rows = [
            [op, len(all_of_it) // rounds, sum(one() for one in all_of_it) / rounds, flops[op].seconds]
            for op, all_of_it in spent.items()
        ]
        return {"rows": sorted(rows, key=lambda row: -row[2])}

    def ask_kernels(self, name, own, precision):
        """What the card itself was busy with for one picture, by kernel, as PyTorch's profiler sees it."""
        profiler = importlib.import_module("torch.profiler")
        model, (_, x) = self.on_card(name, own, precision), self.plain(name)
        model(x)
        with profiler.profile(activities=[profiler.ProfilerActivity.CUDA]) as profile:
            model(x)
        rows = [[e.key[:80], e.count, e.device_time_total * MILLI] for e in profile.key_averages()]
        rows = sorted((row for row in rows if row[2]), key=lambda row: -row[2])
        return {"busy_ms": sum(row[2] for row in rows), "rows": rows[:KERNELS_SHOWN]}


def table(own):
    """The cuda column.   ConfigError where the library's products are asked for and there is no library"""
    backend = cuda_backend(own=own)
    if not own and (why := cublas_cuda.refusal()):
        raise ConfigError(f"no library: {why}")
    return backend


def rehearse():
    """In the simulator: the tests' stand-in for the library, and threads that take turns often, as they wait for each
    other without rest."""
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
    only = cublas_cuda.Library(importlib.import_module("cublas_stand_in").StandIn())
    cublas_cuda.refusal, cublas_cuda.library = lambda: None, lambda: only
    sys.setswitchinterval(1e-5)


class Stopwatch:
    """Two events in the card's line of work. In the simulator, which has no such time, the host's."""

    def __init__(self):
        self.begin = self._now()

    def _now(self):
        if device_cuda.SIMULATED:
            return time.perf_counter()
        event = device_cuda.cuda.event(timing=True)
        event.record(device_cuda.stream())
        return event

    def stop(self):
        """-> a function that waits, and tells the milliseconds between the two"""
        end = self._now()
        return partial(self._between, self.begin, end)

    def _between(self, begin, end):
        if device_cuda.SIMULATED:
            return 1e3 * (end - begin)
        end.synchronize()
        return device_cuda.cuda.event_elapsed_time(begin, end)


def stopwatch(work):
    """-> (milliseconds, what the work answered)"""
    watch = Stopwatch()
    found = work()
    return watch.stop()(), found


if __name__ == "__main__":
    np.seterr(all="ignore")
    serve(Ours(sys.argv[1], tiny=sys.argv[2:] == ["tiny"]))
