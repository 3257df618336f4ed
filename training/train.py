"""The training loop. The schedule counts samples, so one seed and one command give one model.

Speed on a CPU comes from five things: a narrow decoder (model.py), bfloat16 autocast, small pictures first, an
allocator that keeps its memory (plan.py), and one process per core: threads wait for each other after every operation,
processes once a step. On a graphics card it comes from recording the step (recorded.py), and from pictures that lie
there (pool.py).
"""

import json
import math
import os
import shutil
import socket
import time
import warnings
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import update_bn

from .augment import Batch, draw_batch
from .curve import TOGETHER, Curve, held_out_scores
from .dataset import Maps, open_maps
from .losses import class_loss, depth_loss
from .model import Mini, build_mini, load_mini, save_mini
from .plan import RUNS, Plan
from .pool import Pool
from .recorded import Recorded
from .tokens import restart_transformer

LOG_STEPS = 50  # a line every so many steps
MOMENTS, DECAY, CLIP = (0.9, 0.98), 0.05, 1.0  # AdamW's betas and weight decay; the gradient's largest norm
SMOOTH = 0.98  # of the point loss in the log, per step
AVERAGE = 0.998  # of the averaged weights, per step; less in the beginning
STATISTICS = 128  # pictures that tell what tokens look like, or what comes to a batch norm
STATE_FILE = "state.pt"


class Trainer:
    """Everything a run has to remember: weights, averaged weights, optimiser, position.

    One of plan.processes that draw batches of their own and take the same step along the mean of their gradients.
    """

    def __init__(self, plan: Plan, maps: Maps, device: torch.device, init: Path | None = None):
        torch.manual_seed(plan.seed)
        self.plan, self.pool, self.device = plan, Pool(maps, device), device
        recorded = device.type == "cuda"
        if recorded and len(self.pool.ready) < plan.batch:
            raise ValueError(f"{len(self.pool.ready)} pictures are rendered so far; every step takes {plan.batch}")
        self.rank = distributed.get_rank() if distributed.is_initialized() else 0
        self.step, self.point = 0, torch.zeros((), device=device)
        self.model = (load_mini(init) if init else build_mini(self.draw().pixels.cpu())).to(device).train()
        self.model.read_size(plan.size)
        if plan.restart:
            restart_transformer(self.model.depth, self.draw(STATISTICS).pixels)
        self.network: nn.Module = self.model
        if distributed.is_initialized():  # starts with rank 0's weights; static: DPT's deepest fusion has unused ones
            self.network = DistributedDataParallel(self.model, static_graph=True, gradient_as_bucket_view=True)
        matrices = [p for p in self.model.parameters() if p.ndim > 1]
        vectors = [p for p in self.model.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
        self.rate = torch.tensor(plan.rate, device=device)  # a tensor: a recorded step reads it where it lies
        self.optimiser = torch.optim.AdamW(groups, self.rate, betas=MOMENTS, fused=True, capturable=recorded)
        self.average = {name: value.detach().clone() for name, value in self.model.named_parameters()}
        self.take = Recorded(self.descend) if recorded else self.descend

    def draw(self, count: int | None = None) -> Batch:
        """This process's part of the next batch, or `count` pictures: none twice, each augmented anew."""
        rng = np.random.default_rng((self.plan.seed, self.step, self.rank))
        count = min(count or self.plan.batch // self.plan.processes, len(self.pool.ready))
        index = rng.choice(self.pool.ready, count, replace=False, shuffle=False)
        return draw_batch(self.pool, index, self.plan.size, rng)

    def descend(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step of the optimiser. Returns the loss and its point term."""
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted, logits = self.network(batch.pixels)
        loss, point = depth_loss(predicted.float(), batch.inverse)
        loss = loss + class_loss(logits.float(), batch.classes)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimiser.step()
        return loss.detach(), point.detach()

    def one_step(self) -> Tensor:
        """Draw a batch, descend, average. Returns the loss, which a graphics card may still be at."""
        self.rate.fill_(self.plan.rate_at(self.step))
        loss, point = self.take(self.draw())
        self.step += 1
        self.point.lerp_(point, 1 - SMOOTH)
        self.update_average(min(AVERAGE, (1 + self.step) / (10 + self.step)))
        return loss

    def recent_point(self) -> float:
        """The loss's point term, averaged over the last fifty steps or so."""
        return self.point.item() / (1 - SMOOTH**self.step)

    @torch.no_grad()
    def update_average(self, keep: float) -> None:
        """average = keep average + (1 - keep) weights."""
        torch._foreach_lerp_(list(self.average.values()), list(self.model.parameters()), 1 - keep)

    def averaged_model(self) -> Mini:
        """A model of the averaged weights, whose batch norm has seen what these weights make of pictures.

        An average of the statistics would not be theirs, and one batch that explodes would spoil it for long.
        """
        model = deepcopy(self.model)
        model.load_state_dict(self.average, strict=False)  # all but batch norm's statistics
        update_bn(self.draw(STATISTICS).pixels.split(TOGETHER), model)
        return model

    def save_state(self, folder: Path) -> None:
        """Write what resume() needs; a stop in the middle of writing leaves the older file whole."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {"plan": asdict(self.plan), "step": self.step, "point": self.point}
        state |= {"model": self.model.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict()}
        torch.save(state, folder / (STATE_FILE + ".new"))
        os.replace(folder / (STATE_FILE + ".new"), folder / STATE_FILE)

    def resume(self, folder: Path) -> None:
        """Go on exactly where save_state stopped. The plan must be the same."""
        state = torch.load(folder / STATE_FILE, map_location=self.device, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise ValueError(f"{folder} was started with {state['plan']}, not {asdict(self.plan)}")
        self.step = state["step"]
        self.point.copy_(state["point"])
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate


def write_runs(
    folder: Path, init: Path | None, plan: Plan, samples: int, pictures: int, minutes: float, device: str
) -> None:
    """runs.json: what the weights do not tell, for the card; the pieces before it first, if it started from weights.

    samples: seen in this piece, fewer than planned in a snapshot. minutes: since the last start of the command.
    """
    before = init / RUNS if init else None
    runs = json.loads(before.read_text()) if before and before.exists() else []
    machine = f"{os.cpu_count()} CPU cores" if device == "cpu" else torch.cuda.get_device_name()
    run = {"plan": asdict(plan), "samples": samples, "pictures": pictures, "minutes": minutes, "machine": machine}
    (folder / RUNS).write_text(json.dumps([*runs, run], indent=1) + "\n")


def train(
    data: Path, out: Path, plan: Plan, *, device: str = "cpu", init: Path | None = None, resume: bool = False
) -> None:
    """Train on data/train; write plan.snapshots of them, the last to out/at100, the result and its curve to out.

    init: a saved folder to start from; its learning curve is gone on with. resume: continue the run that was killed in
    `out`.
    """
    if device != "cpu" and plan.processes > 1:
        raise ValueError(f"{plan.processes} processes are for the cores of a CPU; on {device} there is one")
    job = (data, out, plan, device, init, resume)
    if plan.processes == 1:
        run_piece(*job)
    else:
        with socket.create_server(("localhost", 0)) as server:
            port = server.getsockname()[1]  # free a moment ago
        torch.multiprocessing.spawn(run_share, (port, *job), plan.processes)


def run_share(rank: int, port: int, data: Path, out: Path, plan: Plan, *rest: Any) -> None:
    """One of the processes of a piece, with its share of the cores."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // plan.processes))
    warnings.filterwarnings("ignore", "Grad strides do not match")  # 1 x 1 kernels: two ways to say the same
    meeting = f"tcp://localhost:{port}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=plan.processes)
    run_piece(data, out, plan, *rest)
    distributed.destroy_process_group()


def run_piece(data: Path, out: Path, plan: Plan, device: str, init: Path | None, resume: bool) -> None:
    """train(), in one process. Those of a higher rank take the steps, and leave printing and writing to the first."""
    trainer = Trainer(plan, open_maps(data / "train"), torch.device(device), init)
    held_out = open_maps(data / "held_out")
    if resume:
        trainer.resume(out)
    curve = Curve(out if resume else init)
    count = sum(p.numel() for p in trainer.model.parameters())
    if trainer.rank == 0:
        print(f"{count / 1e6:.2f} M parameters, {len(trainer.pool.ready)} pictures, {plan}", flush=True)
    start = since = time.perf_counter()
    since_step = first_step = trainer.step
    while trainer.step < plan.steps:
        loss = trainer.one_step()
        logs, saves = trainer.step % LOG_STEPS == 0, plan.saves_at(trainer.step)
        if (logs or saves) and not math.isfinite(loss):  # what is not finite stays so; asking makes a card wait
            raise FloatingPointError(f"the loss is {loss} at step {trainer.step}; start again with a lower --rate")
        if logs:
            trainer.pool.refresh()
        if trainer.rank:
            continue
        if logs:
            now = time.perf_counter()
            speed = (trainer.step - since_step) * plan.batch / (now - since)
            since, since_step = now, trainer.step
            place = f"step {trainer.step}/{plan.steps} samples {trainer.step * plan.batch} size {plan.size}"
            print(f"{place} loss {loss:.3f} point {trainer.recent_point():.3f} {speed:.1f} samples/s", flush=True)
        if saves:
            trainer.save_state(out)
            minutes = (time.perf_counter() - start) / 60
            folder = out / f"at{100 * trainer.step // plan.steps}"
            save_mini(trainer.averaged_model().state_dict(), folder)
            scores = held_out_scores(load_mini(folder).to(device), held_out)
            curve.add((trainer.step - first_step) * plan.batch, minutes / 60, plan.size, trainer.recent_point(), scores)
            for where in (folder, out):  # a snapshot is as good a start for the next piece as the end
                curve.write(where)
                write_runs(where, init, plan, trainer.step * plan.batch, len(trainer.pool.ready), minutes, device)
    if trainer.rank == 0:
        shutil.copytree(out / "at100", out, dirs_exist_ok=True)
