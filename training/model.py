"""dpt-mini: DPT-hybrid in small with two heads, depth and four coarse classes, under 10 MB in float16.

Convolutions first, attention after: at the same number of samples a plain ViT of this size learnt half as fast. The
width of the fusion is 32, not the paper's 256: against 64 it learnt a little better per sample (held-out point error
0.759 against 0.763 after 8,000) and a quarter faster per second.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import BitConfig, DPTConfig, DPTForDepthEstimation, DPTImageProcessor
from transformers.models.dpt.modeling_dpt import DPTSemanticSegmentationHead
from transformers.utils.logging import disable_progress_bar

from .augment import MEAN, STD
from .things import COARSE
from .tokens import start_tokens

SIZE = 192  # pixels a side of what users run
PATCH, HIDDEN = 16, 192
MAX_BYTES = 10_000_000  # what the wheel can carry
START = 0.5  # the depth head's last bias: above its ReLU, in the middle of the anchor
HEAD_FILE = Path("segmentation") / "head.safetensors"


disable_progress_bar()  # one per saved file would fill the log


def mini_config() -> DPTConfig:
    backbone = BitConfig(
        embedding_size=32,
        hidden_sizes=[64, 128, 256],
        depths=[2, 2, 2],
        layer_type="bottleneck",
        num_groups=8,
        global_padding="same",
        embedding_dynamic_padding=True,
        out_features=["stage1", "stage2", "stage3"],
    )
    return DPTConfig(
        is_hybrid=True,
        backbone_config=backbone,
        backbone_featmap_shape=[1, 256, SIZE // PATCH, SIZE // PATCH],
        image_size=SIZE,
        patch_size=PATCH,
        hidden_size=HIDDEN,
        num_hidden_layers=6,
        num_attention_heads=3,
        intermediate_size=704,
        backbone_out_indices=[0, 1, 2, 5],
        neck_ignore_stages=[0, 1],
        neck_hidden_sizes=[64, 128, 192, 192],
        reassemble_factors=[1, 1, 1, 0.5],
        fusion_hidden_size=32,
        readout_type="project",
        use_auxiliary_head=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        semantic_classifier_dropout=0.0,  # pictures are drawn anew each time; nothing to learn by heart
        attn_implementation="eager",  # faster than the fused kernel on a CPU at 145 tokens
        id2label=dict(enumerate(COARSE)),
        label2id={name: i for i, name in enumerate(COARSE)},
    )


class Mini(nn.Module):
    """transformers' depth model and, on the same neck, transformers' segmentation head."""

    def __init__(self, depth: DPTForDepthEstimation):
        super().__init__()
        self.depth, self.segmentation = depth, DPTSemanticSegmentationHead(depth.config)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels (N, 3, S, S) -> relative inverse depth (N, S, S), logits (N, 4, S/2, S/2) not yet stretched"""
        fused: list[Tensor] = []
        hook = self.depth.neck.register_forward_hook(lambda _module, _inputs, outputs: fused.extend(outputs))
        inverse = self.depth(pixel_values=pixels).predicted_depth
        hook.remove()
        return inverse, self.segmentation.head[:-1](fused[self.depth.config.head_in_index])

    def read_size(self, size: int) -> None:
        """Let the model read size x size pictures.

        transformers' hybrid resizes its position embedding to any square, yet refuses all but the configured size.
        """
        self.depth.dpt.embeddings.image_size = (size, size)


def build_mini(pixels: Tensor) -> Mini:
    """A fresh model in float32 from torch's global seed, its tokens scaled on pixels (N, 3, S, S)."""
    depth = DPTForDepthEstimation(mini_config())
    nn.init.constant_(depth.head.head[4].bias, START)
    start_tokens(depth, pixels)
    return Mini(depth).to(memory_format=torch.channels_last)


def mini_processor() -> DPTImageProcessor:
    """Photographs are squeezed to a square: the model saw nothing else."""
    return DPTImageProcessor(
        do_resize=True,
        size={"height": SIZE, "width": SIZE},
        keep_aspect_ratio=False,
        ensure_multiple_of=1,
        resample=2,
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def save_mini(state: dict[str, Tensor], folder: Path) -> None:
    """Write a Mini's state in float16: a transformers folder for depth, and beside it the second head alone.

    folder/                 what DPTForDepthEstimation.from_pretrained reads
    folder/segmentation/    config.json and head.safetensors; minidpt takes the other weights from above
    """
    depth = DPTForDepthEstimation(mini_config())
    depth.load_state_dict({name.removeprefix("depth."): t for name, t in state.items() if name.startswith("depth.")})
    depth.half().save_pretrained(folder)
    mini_processor().save_pretrained(folder)
    beside = (folder / HEAD_FILE).parent
    beside.mkdir(exist_ok=True)
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["DPTForSemanticSegmentation"]}
    (beside / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    second = {name.removeprefix("segmentation."): t for name, t in state.items() if name.startswith("segmentation.")}
    kept = {f"head.{name}": t.half() if t.is_floating_point() else t for name, t in second.items()}
    save_file({name: t.contiguous() for name, t in kept.items()}, folder / HEAD_FILE, metadata={"format": "pt"})
    size = (folder / "model.safetensors").stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{folder}/model.safetensors has {size} bytes, at most {MAX_BYTES} fit into the wheel")


def load_mini(folder: Path) -> Mini:
    """A saved folder as a float32 model."""
    depth = DPTForDepthEstimation.from_pretrained(folder, config=mini_config(), dtype=torch.float32)
    model = Mini(depth)
    head = load_file(folder / HEAD_FILE)
    model.segmentation.load_state_dict({name.removeprefix("head."): t for name, t in head.items()})
    return model.to(memory_format=torch.channels_last)
