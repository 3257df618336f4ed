"""transformers as the reference: lively random models, and every stage of their forward pass under minidpt's names."""

import numpy as np
import torch
import transformers

ROUNDING = 2e-6  # transformers' own float32 error is counted as at least this share of the largest value
ALLOWED = 3  # times transformers' own float32 error (design: bound for every stage)


def config_of(settings):
    """transformers' DPTConfig, eager; backbone_config may be a plain dict."""
    settings = dict(settings)
    if isinstance(settings.get("backbone_config"), dict):
        settings["backbone_config"] = transformers.BitConfig(**settings["backbone_config"])
    return transformers.DPTConfig(attn_implementation="eager", **settings)


def lively_reference(architecture, settings, pixels, seed=0):
    """transformers' class of that name with lively weights, its last ReLU clipping nothing on these pixels."""
    model = lively(getattr(transformers, architecture)(config_of(settings)), seed)
    return unclipped(model, pixels) if architecture == "DPTForDepthEstimation" else model


def lively(model, seed=0):
    """Random weights under which a dropped, swapped or untransposed tensor shows: no zero biases, no unit norms."""
    generator = torch.Generator().manual_seed(seed)

    def normal(t, spread):
        return torch.randn(t.shape, generator=generator, dtype=torch.float32) * spread

    with torch.no_grad():
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("running_var"):
                t.copy_(0.5 + torch.rand(t.shape, generator=generator))
            elif t.ndim >= 2 and not name.endswith(("cls_token", "position_embeddings")):
                t.copy_(normal(t, (t[0].numel() if "resize" not in name else t.shape[0]) ** -0.5))
            elif t.ndim == 1 and name.endswith("weight"):
                t.copy_(1 + normal(t, 0.2))
            elif t.ndim > 0:
                t.copy_(normal(t, 0.2))
    return model.eval()


def unclipped(model, pixels):
    """Raise the depth head's last bias until its final ReLU clips nothing, which would hide errors."""
    last, values = model.head.head[4], []
    handles = [allow_any_grid(model, pixels), last.register_forward_hook(lambda _, __, out: values.append(out))]
    with torch.no_grad():
        model(pixel_values=torch.from_numpy(pixels))
        last.bias += -values[0].min() + values[0].std()
    for handle in handles:
        handle.remove()
    return model


def allow_any_grid(model, pixels):
    """transformers takes the token grid for square and the hybrid's picture for image_size; tell it the real ones."""
    size = tuple(pixels.shape[-2:])
    grid = [n // model.config.patch_size for n in size]
    if model.config.is_hybrid:
        model.dpt.embeddings.image_size = size
    if hasattr(model, "neck"):
        return model.neck.reassemble_stage.register_forward_pre_hook(lambda _, args: (args[0], *grid))
    return None


def last_channels(x):
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def watched(model):
    """(minidpt's name, module, what to take from its output) for every stage."""
    encoder = getattr(model, "dpt", model)
    yield "embeddings", encoder.embeddings, lambda out: out.last_hidden_states
    if model.config.is_hybrid:
        bit = encoder.embeddings.backbone.bit
        yield "bit.stem", bit.embedder, last_channels
        for i, stage in enumerate(bit.encoder.stages):
            yield f"bit.stages.{i}", stage, last_channels
    for i, layer in enumerate(encoder.encoder.layer):
        yield f"blocks.{i}", layer, lambda out: out
        yield f"blocks.{i}.norm1", layer.layernorm_before, lambda out: out
        yield f"blocks.{i}.attention", layer.attention, lambda out: out
        yield f"blocks.{i}.attention.weights", layer.attention.attention, lambda out: out[1]
        for part in ("query", "key", "value"):
            yield f"blocks.{i}.attention.{part}", getattr(layer.attention.attention, part), lambda out: out
        yield f"blocks.{i}.mlp", layer.output.dense, lambda out: out
    if not hasattr(model, "neck"):
        return
    stage = model.neck.reassemble_stage
    for i, layer in enumerate(stage.layers):
        if i not in model.config.neck_ignore_stages:
            if model.config.readout_type == "project":
                yield f"readout.{i}", stage.readout_projects[i], lambda out: out
            yield f"reassembled.{i}", layer, last_channels
    for i, layer in enumerate(model.neck.convs):
        yield f"neck.{i}", layer, last_channels
    for i, layer in enumerate(model.neck.fusion_stage.layers):
        yield f"fused.{i}", layer, last_channels
    head = model.head.head
    if len(head) == 6 and isinstance(head[1], torch.nn.BatchNorm2d):
        yield "head.0", head[2], last_channels
        yield "head.1", head[4], last_channels
        yield "logits", head[5], last_channels
        return
    if model.head.projection is not None:
        yield "head.projection", model.head.projection, lambda out: last_channels(out).relu()
    for name, module in (("head.0", head[0]), ("head.1", head[1]), ("head.2", head[3]), ("head.3", head[5])):
        yield name, module, last_channels
    yield "predicted_depth", model.head, lambda out: out


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
