"""DPT on an encoder that yields a pyramid of maps, in torch: the reference where transformers' DPT does not run it.

The encoder is handed in; fusion is transformers' own (Depth Anything's, whose steps take the next map's size); the few
layers around it stand here, with the shapes that MiDaS gives them. Parameters have the names of minidpt's files.
"""

import types

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import DepthAnythingConfig
from transformers.models.depth_anything.modeling_depth_anything import DepthAnythingFeatureFusionStage
from transformers_stages import lively, unclipped


class Head(nn.Module):
    """MiDaS's depth head, with the two transposed convolutions that it has on LeViT."""

    projection = None  # where transformers' head has one; read by the watcher

    def __init__(self, width, hidden, stem_transpose):
        super().__init__()
        self.stem_transpose = nn.ModuleList()
        for _ in range(2 if stem_transpose else 0):
            # MiDaS hands its dilation of 1 to ConvTranspose2d as the output_padding
            convolution = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=False)
            self.stem_transpose.append(nn.ModuleDict({"convolution": convolution, "batch_norm": norm(width // 2)}))
            width //= 2
        self.head = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
            nn.Conv2d(width // 2, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, 1, 1),
            nn.ReLU(),
        )

    def forward(self, x):
        for step in self.stem_transpose:
            x = nn.functional.hardswish(step["batch_norm"](step["convolution"](x)))
        return self.head(x).squeeze(1)


def norm(width):
    return nn.BatchNorm2d(width)


class PyramidDPT(nn.Module):
    """taps(backbone, pixel_values) -> the maps, finest first"""

    def __init__(self, backbone, taps, *, widths, fusion, hidden=32, stem_transpose=False):
        super().__init__()
        config = DepthAnythingConfig(neck_hidden_sizes=widths, fusion_hidden_size=fusion)
        self.backbone, self.taps, self.config = backbone, taps, types.SimpleNamespace(model_type="dpt")
        self.neck = nn.Module()
        self.neck.reassemble_stage = None
        self.neck.convs = nn.ModuleList(nn.Conv2d(width, fusion, 3, padding=1, bias=False) for width in widths)
        self.neck.fusion_stage = DepthAnythingFeatureFusionStage(config)
        self.head = Head(fusion, hidden, stem_transpose)

    def forward(self, pixel_values):
        maps = self.taps(self.backbone, pixel_values)
        fused = self.neck.fusion_stage([conv(x) for conv, x in zip(self.neck.convs, maps, strict=True)])
        return self.head(fused[-1])


def reference(backbone, taps, pixels, *, branches=(), **options):
    """A PyramidDPT with lively weights whose last ReLU clips nothing on these pixels.

    branches: ends of the names of weights that end a residual branch; they are made small, else the values grow from
    block to block until how float32 rounds them is a matter of luck, for both sides
    """
    model = lively(PyramidDPT(backbone, taps, **options))
    with torch.no_grad():
        for name, weight in model.backbone.named_parameters():
            if name.endswith(tuple(branches)):
                weight *= 0.3
    return unclipped(model, pixels)


def write(model, config, folder):
    """The folder that minidpt reads: the torch model's tensors under its own names, and minidpt's config."""
    save_file({name: t.contiguous() for name, t in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def run(model, pixels):
    with torch.no_grad():
        return model(torch.from_numpy(pixels)).numpy()
