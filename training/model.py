"""dpt-mini: DPT-hybrid in small, 4.33 million parameters, under 10 MB in float16.

Convolutions first, attention after: at the same number of samples a plain ViT of this size learnt half as fast.
"""

from pathlib import Path

import torch
from transformers import BitConfig, DPTConfig, DPTForDepthEstimation, DPTImageProcessor
from transformers.utils.logging import disable_progress_bar

from .augment import MEAN, STD
from .dataset import SIZE

MAX_BYTES = 10_000_000  # what the wheel can carry
START = 0.5  # the head's last bias: above its ReLU, in the middle of the anchor


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
        backbone_featmap_shape=[1, 256, SIZE // 16, SIZE // 16],
        image_size=SIZE,
        patch_size=16,
        hidden_size=192,
        num_hidden_layers=6,
        num_attention_heads=3,
        intermediate_size=704,
        backbone_out_indices=[0, 1, 2, 5],
        neck_ignore_stages=[0, 1],
        neck_hidden_sizes=[64, 128, 192, 192],
        reassemble_factors=[1, 1, 1, 0.5],
        fusion_hidden_size=64,
        readout_type="project",
        use_auxiliary_head=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",  # faster than the fused kernel on a CPU at 145 tokens
    )


def build_mini() -> DPTForDepthEstimation:
    """A fresh model in float32, initialised from torch's global seed."""
    model = DPTForDepthEstimation(mini_config())
    torch.nn.init.constant_(model.head.head[4].bias, START)
    return model.to(memory_format=torch.channels_last)


def read_size(model: DPTForDepthEstimation, size: int) -> None:
    """Let the model read size x size pictures.

    transformers' hybrid resizes its position embedding to any square, yet refuses all but the configured size.
    """
    model.dpt.embeddings.image_size = (size, size)


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


def save_mini(state: dict[str, torch.Tensor], folder: Path) -> None:
    """Write weights as a float16 folder that DPTForDepthEstimation.from_pretrained reads."""
    model = build_mini()
    model.load_state_dict(state)
    model.half().save_pretrained(folder)
    mini_processor().save_pretrained(folder)
    size = (folder / "model.safetensors").stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{folder}/model.safetensors has {size} bytes, at most {MAX_BYTES} fit into the wheel")


def load_mini(folder: Path) -> DPTForDepthEstimation:
    """A saved folder as a float32 model."""
    model = DPTForDepthEstimation.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.to(memory_format=torch.channels_last)
