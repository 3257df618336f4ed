"""The training loop. The schedule counts samples, so one seed and one command give one model.

Speed on a CPU comes from three things: bfloat16 autocast, 128 pixels first and 192 last, and an allocator that keeps
its memory (see plan.keep_memory).
"""

import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from .augment import draw_batch
from .dataset import Maps, open_maps
from .losses import depth_loss
from .model import build_mini, load_mini, read_size, save_mini
from .plan import Plan

LOG_STEPS, SAVES = 50, 10
MOMENTS, DECAY, CLIP = (0.9, 0.98), 0.05, 1.0
AVERAGE = 0.998  # of the averaged weights, per step; less in the beginning
STATE_FILE = "state.pt"


class Trainer:
    """Everything a run has to remember: weights, averaged weights, optimiser, random numbers, position."""

    def __init__(self, plan: Plan, maps: Maps, device: torch.device, init: Path | None = None):
        torch.manual_seed(plan.seed)
        self.plan, self.maps, self.device = plan, maps, device
        self.rng, self.pool, self.step, self.point = np.random.default_rng(plan.seed), maps.written(), 0, 0.0
        self.model = (load_mini(init) if init else build_mini()).to(device).train()
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, plan.rate, betas=MOMENTS, fused=True)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}

    def one_step(self) -> float:
        """Draw a batch, descend, average. Returns the loss."""
        size = self.plan.size_at(self.step)
        read_size(self.model, size)
        index = self.rng.choice(self.pool, self.plan.batch, replace=False, shuffle=False)
        pixels, inverse = (t.to(self.device) for t in draw_batch(self.maps, index, size, self.rng))
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self.model(pixel_values=pixels).predicted_depth
        loss, point = depth_loss(predicted.float(), inverse)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        self.step += 1
        self.point = 0.98 * self.point + 0.02 * point.item()
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.model.state_dict().values()), 1 - keep)
        return loss.item()

    def save_state(self, folder: Path) -> None:
        """Write what resume() needs; a stop in the middle of writing leaves the older file whole."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {"plan": asdict(self.plan), "step": self.step, "point": self.point, "rng": self.rng.bit_generator.state}
        state |= {"model": self.model.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict()}
        torch.save(state | {"torch_rng": torch.get_rng_state()}, folder / (STATE_FILE + ".new"))
        os.replace(folder / (STATE_FILE + ".new"), folder / STATE_FILE)

    def resume(self, folder: Path) -> None:
        """Go on exactly where save_state stopped. The plan must be the same."""
        state = torch.load(folder / STATE_FILE, map_location=self.device, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise ValueError(f"{folder} was started with {state['plan']}, not {asdict(self.plan)}")
        self.step, self.point, self.rng.bit_generator.state = state["step"], state["point"], state["rng"]
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"].cpu())


def write_runs(folder: Path, init: Path | None, plan: Plan, pictures: int, minutes: float, device: str) -> None:
    """runs.json: what the weights do not tell, for the card; the runs before it first, if it started from weights.

    minutes: since the last start of the command.
    """
    before = init / "runs.json" if init else None
    runs = json.loads(before.read_text()) if before and before.exists() else []
    machine = f"{os.cpu_count()} CPU cores" if device == "cpu" else torch.cuda.get_device_name()
    runs.append({"plan": asdict(plan), "pictures": pictures, "minutes": minutes, "machine": machine})
    (folder / "runs.json").write_text(json.dumps(runs, indent=1) + "\n")


def train(
    data: Path, out: Path, plan: Plan, *, device: str = "cpu", init: Path | None = None, resume: bool = False
) -> None:
    """Train on data/train; write snapshots to out/at10 ... out/at100 and the result to out.

    init: a saved folder to start from. resume: continue the run that was killed in `out`.
    """
    trainer = Trainer(plan, open_maps(data / "train"), torch.device(device), init)
    if resume:
        trainer.resume(out)
    count = sum(p.numel() for p in trainer.model.parameters())
    print(f"{count / 1e6:.2f} M parameters, {len(trainer.pool)} pictures, {plan}", flush=True)
    start = since = time.perf_counter()
    since_step = trainer.step
    save_every = max(1, plan.steps // SAVES)
    while trainer.step < plan.steps:
        loss = trainer.one_step()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {trainer.step}; start again with a lower --rate")
        if trainer.step % LOG_STEPS == 0:
            now = time.perf_counter()
            speed = (trainer.step - since_step) * plan.batch / (now - since)
            since, since_step = now, trainer.step
            point, size = trainer.point / (1 - 0.98**trainer.step), plan.size_at(trainer.step - 1)
            place = f"step {trainer.step}/{plan.steps} samples {trainer.step * plan.batch} size {size}"
            print(f"{place} loss {loss:.3f} point {point:.3f} {speed:.1f} samples/s", flush=True)
        if trainer.step % save_every == 0 or trainer.step == plan.steps:
            trainer.save_state(out)
            save_mini(trainer.average, out / f"at{100 * trainer.step // plan.steps}")
    save_mini(trainer.average, out)
    write_runs(out, init, plan, len(trainer.pool), (time.perf_counter() - start) / 60, device)
