"""transformers as the reference: lively random models, and every stage of their forward pass under minidpt's names."""

import torch
import transformers
from checks import assert_passed

from minidpt.verification import comparison
from minidpt.verification.reference import allow_any_grid, expected


def config_of(settings):
    """transformers' config, eager: DPTConfig, or that of settings["model_type"]; backbone_config may be a dict."""
    settings = dict(settings)
    kind = settings.pop("model_type", "dpt")
    if isinstance(settings.get("backbone_config"), dict):
        inner = dict(settings["backbone_config"])
        settings["backbone_config"] = transformers.AutoConfig.for_model(inner.pop("model_type", "bit"), **inner)
    config = transformers.AutoConfig.for_model(kind, **settings)
    for part in (config, getattr(config, "backbone_config", None)):
        if part is not None:
            part._attn_implementation = "eager"
    return config


def lively_reference(architecture, settings, pixels, seed=0):
    """transformers' class of that name with lively weights, its last ReLU clipping nothing on these pixels."""
    model = lively(getattr(transformers, architecture)(config_of(settings)), seed)
    return unclipped(model, pixels) if architecture.endswith("ForDepthEstimation") else model


def lively(model, seed=0):
    """Random weights under which a dropped, swapped or untransposed tensor shows: no zero biases, no unit norms."""
    generator = torch.Generator().manual_seed(seed)

    def normal(t, spread):
        return torch.randn(t.shape, generator=generator, dtype=torch.float32) * spread

    with torch.no_grad():
        statistics = [(name, t) for name, t in model.named_buffers() if "running_" in name]  # others follow from shapes
        for name, t in [*model.named_parameters(), *statistics]:
            if name.endswith("running_var"):
                t.copy_(0.5 + torch.rand(t.shape, generator=generator))
            elif t.ndim >= 2 and not name.endswith(("token", "tokens", "position_embeddings")):
                t.copy_(normal(t, (t[0].numel() if "resize" not in name else t.shape[0]) ** -0.5))
            elif t.ndim == 1 and name.endswith("weight"):
                t.copy_(1 + normal(t, 0.2))
            elif t.ndim > 0:
                t.copy_(normal(t, 0.2))
    return model.eval()


def unclipped(model, pixels):
    """Raise the depth head's last bias until its final ReLU clips nothing, which would hide errors."""
    last, values = model.head.conv3 if hasattr(model.head, "conv3") else model.head.head[4], []
    handles = [allow_any_grid(model, pixels), last.register_forward_hook(lambda _, __, out: values.append(out))]
    with torch.no_grad():
        model(pixel_values=torch.from_numpy(pixels))
        last.bias += -values[0].min() + values[0].std()
    for handle in filter(None, handles):
        handle.remove()
    return model


def compare(model, pixels, tape):
    """Our stages against transformers' in float64: minidpt.verification's rows."""
    return comparison.compare(tape, expected(model, pixels))


def assert_stages_agree(model, pixels, tape):
    """Every stage within the bound; the message names the first that is not, as the data flow.

    -> (stage, our error, transformers' own, bound, largest) for each
    """
    rows = compare(model, pixels, tape)
    assert_passed(rows)
    return [(row.stage, row.error, row.own_error, row.bound, row.largest) for row in rows]
