"""dpt-mini's depth model with a random head for classes beside it, as training writes them."""

import shutil
from pathlib import Path

import numpy as np

import minidpt
from minidpt import DPTConfig, DPTForSemanticSegmentation
from minidpt.benchmarking.workload import lively
from minidpt.checkpoints import CONFIG, HEAD, PROCESSOR, WEIGHTS
from minidpt.checkpoints.safetensors_files import write
from minidpt.heads import segmentation_tensors

MINI = Path(minidpt.__file__).parent / "assets" / "dpt-mini"
CLASSES = {0: "sky", 1: "ground", 2: "upright", 3: "object"}


def write_two_headed(folder, seed=0):
    """The depth model copied to `folder`, a lively head of that seed in its subfolder. -> folder"""
    folder.mkdir(exist_ok=True)
    for name in (CONFIG, PROCESSOR, WEIGHTS):
        shutil.copy(MINI / name, folder)
    write_head(folder, seed)
    return folder


def write_head(folder, seed=0):
    """Config, preprocessing and random weights of a head for the depth model in `folder`."""
    config = DPTConfig.from_pretrained(folder, id2label=CLASSES)
    rng = np.random.default_rng(seed)
    named = {t.name: lively(t, rng) for t in segmentation_tensors(config)}
    head = folder / "segmentation"
    write(head / HEAD, named, "float16", DPTForSemanticSegmentation.disk_name(config))
    (head / CONFIG).write_text(config.to_json(architectures=["DPTForSemanticSegmentation"], dtype="float16"))
    shutil.copy(folder / PROCESSOR, head)
