"""transformers' encoder, DPT neck and DPT head wired by hand, for encoders whose taps are maps.

transformers' own DPTForDepthEstimation cannot take them: it expects tokens with a class token, whatever the backbone.
"""

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.dpt.modeling_dpt import DPTDepthEstimationHead, DPTNeck
from transformers_stages import config_of, lively, unclipped


class DPTOnMaps(torch.nn.Module):
    """Maps of the token grid get a class token that nothing reads; the maps of a pyramid need no reassembling."""

    def __init__(self, settings, *, pyramid):
        super().__init__()
        whole, inner = config_of(settings), settings["backbone_config"]
        decoder = {key: value for key, value in settings.items() if key != "backbone_config"}
        # of a plain DPT, for transformers' reassemble stage asks the config of every backbone for a hidden_size
        self.config = config_of({**decoder, "readout_type": "ignore", "hidden_size": inner.get("hidden_size", 768)})
        self.on_disk, self.pyramid = whole, pyramid
        self.backbone = transformers.AutoBackbone.from_config(whole.backbone_config)
        self.neck, self.head = DPTNeck(self.config), DPTDepthEstimationHead(self.config)
        if pyramid:
            self.neck.reassemble_stage = None

    def forward(self, pixel_values):
        maps = self.backbone(pixel_values).feature_maps
        grid = maps[0].shape[2:]
        if not self.pyramid:
            maps = [torch.nn.functional.pad(x.flatten(2).transpose(1, 2), (0, 0, 1, 0), value=7.0) for x in maps]
        return self.head(self.neck(list(maps), *grid))

    def save_pretrained(self, folder):
        """What transformers would write if its DPTForDepthEstimation had these parts."""
        self.on_disk.architectures = ["DPTForDepthEstimation"]
        self.on_disk.save_pretrained(folder)
        save_file({name: t.contiguous() for name, t in self.state_dict().items()}, folder / "model.safetensors")


def lively_reference_on_maps(settings, pixels, *, pyramid=False, seed=0):
    """DPTOnMaps with lively weights, its last ReLU clipping nothing on these pixels."""
    return unclipped(lively(DPTOnMaps(settings, pyramid=pyramid), seed), pixels)
