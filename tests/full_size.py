"""One full-size model of each family with lively random weights: the reference, and the folder that minidpt reads."""

import subprocess
import sys
from dataclasses import dataclass

import nextvit_torch
import pyramid_torch
import torch
import transformers
from test_levit import taps_of
from test_swin import as_in_the_paper
from tiny import pixels
from transformers_maps import lively_reference_on_maps
from transformers_stages import config_of, lively, lively_reference, unclipped

from minidpt import DPTConfig
from minidpt.presets import preset

VITDET = {  # no published DPT has it: the size of the base model of ViTDet, whole attention in every third block
    "model_type": "vitdet",
    "image_size": 512,
    "pretrain_image_size": 224,
    "window_size": 14,
    "window_block_indices": [0, 1, 3, 4, 6, 7, 9, 10],
    "use_relative_position_embeddings": True,
    "out_indices": [3, 6, 9, 12],
}
ON_VITDET = {"backbone_config": VITDET}
ON_BIT = {
    "backbone_config": {"model_type": "bit", "out_features": ["stage1", "stage2", "stage3", "stage4"]},
    "neck_hidden_sizes": [256, 512, 1024, 2048],
}


@dataclass(frozen=True)
class Case:
    """family: README's word for it   name: the model, a preset's where there is one   size: (H, W) of the picture

    parameters: as published, or as counted in the reference where nothing was
    """

    family: str
    name: str
    size: tuple[int, int]
    parameters: int | None = None

    def pixels(self):
        return pixels(1, 3, *self.size)

    def write(self, folder):
        """Make the reference, write what minidpt reads.   -> the reference"""
        row = preset(self.name)
        if self.family == "Next-ViT":
            return pyramid(self, next_vit(), row, folder)
        if self.family == "LeViT":
            return pyramid(self, levit(row), row, folder)
        if self.family == "Swin":
            return swin(self, row, folder)
        if self.family in ("VitDet", "BiT"):
            settings = ON_VITDET if self.family == "VitDet" else ON_BIT
            theirs = lively_reference_on_maps(settings, self.pixels(), pyramid=self.family == "BiT")
        elif row["architecture"].endswith("Backbone"):
            theirs = lively(transformers.AutoBackbone.from_config(config_of(row["config"])))
        else:
            theirs = lively_reference(row["architecture"], row["config"], self.pixels())
        theirs.save_pretrained(folder)
        return theirs


def swin(case, row, folder):
    """MiDaS's, whose taps are raw and whose windows shrink to small maps."""
    theirs = transformers.DPTForDepthEstimation(config_of(row["config"]))
    theirs.neck.reassemble_stage = None
    for stage in theirs.backbone.out_features:
        theirs.backbone.hidden_states_norms[stage] = torch.nn.Identity()
    as_in_the_paper(theirs.backbone, (96, 48, 24, 12), 12)
    theirs = unclipped(lively(theirs), case.pixels())
    theirs.save_pretrained(folder)
    (folder / "config.json").write_text(DPTConfig(**row["config"]).to_json(), encoding="utf-8")
    return theirs


def next_vit():
    widths = [["96"] * 3, ["192"] * 3 + ["256*"], (["384"] * 4 + ["512*"]) * 6, ["768"] * 2 + ["1024*"]]
    return (
        nextvit_torch.NextViT([64, 32, 64], widths),
        lambda encoder, x: encoder(x),
        {"branches": nextvit_torch.BRANCHES},
    )


def levit(row):
    fields = {k: v for k, v in row["config"]["backbone_config"].items() if k not in ("out_features", "model_type")}
    encoder = transformers.LevitModel(transformers.LevitConfig(**fields))
    return encoder, taps_of((4, 12, 22)), {"hidden": 8, "stem_transpose": True}


def pyramid(case, parts, row, folder):
    encoder, taps, options = parts
    config = DPTConfig(**row["config"])
    theirs = pyramid_torch.reference(
        encoder, taps, case.pixels(), widths=config.neck_hidden_sizes, fusion=config.fusion_hidden_size, **options
    )
    pyramid_torch.write(theirs, config, folder)
    return theirs


MEASURE = """
import re, sys, time
import numpy as np
start = time.perf_counter()
from minidpt.model import open_checkpoint
opened = open_checkpoint(sys.argv[1])
model = opened.model.from_opened(opened)
loaded = time.perf_counter() - start
model(np.zeros((1, 3, int(sys.argv[2]), int(sys.argv[3])), np.float32))
status = open("/proc/self/status").read()  # the peak that getrusage tells is inherited from the parent process
print(loaded, int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024)
"""


def measured(folder, size):
    """A fresh process that loads the model and runs a picture.   -> (seconds to load, imports included; peak bytes)"""
    command = [sys.executable, "-c", MEASURE, str(folder), *map(str, size)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = run.stdout.split()
    return float(seconds), float(peak)
