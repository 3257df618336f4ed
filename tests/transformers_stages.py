"""transformers as the reference: lively random models, and every stage of their forward pass under minidpt's names."""

import numpy as np
import torch
import transformers

from minidpt.verification.watch import watched

ROUNDING = 2e-6  # transformers' own float32 error is counted as at least this share of the largest value
ALLOWED = 3  # times transformers' own float32 error (design: bound for every stage)


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


def allow_any_grid(model, pixels):
    """transformers takes the token grid for square and the hybrid's picture for image_size; tell it the real ones."""
    if getattr(model, "backbone", None) is not None or model.config.model_type != "dpt":
        return None
    size = tuple(pixels.shape[-2:])
    grid = [n // model.config.patch_size for n in size]
    if model.config.is_hybrid:
        model.dpt.embeddings.image_size = size
    if hasattr(model, "neck"):
        return model.neck.reassemble_stage.register_forward_pre_hook(lambda _, args: (args[0], *grid))
    return None


def stages(model, pixels):
    """Run the model; every stage by minidpt's name, channels last, as NumPy arrays of the model's precision."""
    found, handles = {}, []
    for name, module, take in watched(model):

        def hook(_, __, out, name=name, take=take):
            found[name] = take(out).detach().numpy().copy()

        handles.append(module.register_forward_hook(hook))
    handles.append(allow_any_grid(model, pixels))
    with torch.no_grad():
        model(pixel_values=torch.from_numpy(pixels).to(next(model.parameters()).dtype))
    for handle in handles:
        if handle is not None:
            handle.remove()
    return found


def compare(model, pixels, tape):
    """Our stages against transformers' in float64.   -> rows (name, our error, its own error, bound, largest)"""
    single = stages(model, pixels)
    exact = stages(model.double(), pixels)  # in place: a full-size copy would cost gigabytes
    model.float()  # exact: every number was a float32
    rows = []
    for name, reference in exact.items():
        largest = np.abs(reference).max()
        own = np.abs(single[name] - reference).max()
        assert tape[name].shape == reference.shape, f"{name}: shape {tape[name].shape}, expected {reference.shape}"
        ours = np.abs(tape[name] - reference).max()
        rows.append((name, ours, own, ALLOWED * max(own, ROUNDING * largest), largest))
    return rows


def assert_stages_agree(model, pixels, tape):
    """Every stage within the bound; the message names the first that is not, as the data flow. Returns the rows."""
    rows = compare(model, pixels, tape)
    bad = [row for row in rows if not row[1] <= row[3]]
    lines = [f"{name}: error {ours:.3g}, bound {bound:.3g}, largest {top:.3g}" for name, ours, _, bound, top in bad]
    assert not bad, "stages beyond the bound:\n" + "\n".join(lines[:10])
    return rows
