"""Where each of minidpt's named stages is found in transformers' modules.

Nothing here imports torch: modules and tensors are handed in, and only walked.
"""

from collections.abc import Callable, Iterator
from typing import Any

Watched = tuple[str, Any, Callable[[Any], Any]]  # minidpt's name, the module, what to take from its output


def itself(out: Any) -> Any:
    """The output as it is, or its first part."""
    return out[0] if isinstance(out, tuple) else out


def last_channels(x: Any) -> Any:
    """(N, C, H, W) -> (N, H, W, C); anything else as it is."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def watched(model: Any) -> Iterator[Watched]:
    """Every stage of a transformers DPT or Depth Anything model, or of one of their encoders, as the data flow."""
    encoder = getattr(model, "backbone", None)
    if encoder is not None:
        yield from ENCODERS[encoder.config.model_type](encoder)
    else:
        whole = getattr(model, "dpt", model)
        yield from ENCODERS[whole.config.model_type](whole)
    if hasattr(model, "neck"):
        yield from neck(model)
        yield from head(model)


# ---------------------------------------------------------------- decoder


def neck(model: Any) -> Iterator[Watched]:
    stage = model.neck.reassemble_stage
    for i, layer in enumerate(stage.layers if stage is not None else ()):
        if i not in getattr(stage, "neck_ignore_stages", ()):
            if getattr(model.config, "readout_type", None) == "project":
                yield f"readout.{i}", stage.readout_projects[i], itself
            yield f"reassembled.{i}", layer, last_channels
    for i, layer in enumerate(model.neck.convs):
        yield f"neck.{i}", layer, last_channels
    for i, layer in enumerate(model.neck.fusion_stage.layers):
        yield f"fused.{i}", layer, last_channels


def head(model: Any) -> Iterator[Watched]:
    if hasattr(model.head, "conv1"):  # Depth Anything; its enlarging is a function, not a module
        yield "head.0", model.head.conv1, last_channels
        yield "head.2", model.head.activation1, last_channels
        yield "head.3", model.head.activation2, last_channels
        yield "predicted_depth", model.head, itself
        return
    layers = model.head.head
    if hasattr(layers[1], "running_mean"):  # segmentation: convolution, norm, relu, dropout, classifier, enlarging
        for name, module in (("head.0", layers[2]), ("head.1", layers[4]), ("logits", layers[5])):
            yield name, module, last_channels
        return
    if model.head.projection is not None:
        yield "head.projection", model.head.projection, lambda out: last_channels(out).relu()
    for name, module in (("head.0", layers[0]), ("head.1", layers[1]), ("head.2", layers[3]), ("head.3", layers[5])):
        yield name, module, last_channels
    yield "predicted_depth", model.head, itself


# ---------------------------------------------------------------- encoders


def dpt_encoder(encoder: Any) -> Iterator[Watched]:
    """The plain ViT and the hybrid."""
    yield "embeddings", encoder.embeddings, lambda out: out.last_hidden_states
    if encoder.config.is_hybrid:
        yield from bit_encoder(encoder.embeddings.backbone)
    for i, layer in enumerate(encoder.encoder.layer):
        yield f"blocks.{i}", layer, itself
        yield f"blocks.{i}.norm1", layer.layernorm_before, itself
        yield f"blocks.{i}.attention", layer.attention, itself
        yield f"blocks.{i}.attention.weights", layer.attention.attention, lambda out: out[1]
        for part in ("query", "key", "value"):
            yield f"blocks.{i}.attention.{part}", getattr(layer.attention.attention, part), itself
        yield f"blocks.{i}.mlp", layer.output.dense, itself


def bit_encoder(encoder: Any) -> Iterator[Watched]:
    yield "bit.stem", encoder.bit.embedder, last_channels
    for i, stage in enumerate(encoder.bit.encoder.stages):
        yield f"bit.stages.{i}", stage, last_channels


def dinov2_encoder(encoder: Any) -> Iterator[Watched]:
    """With and without registers."""
    yield "embeddings", encoder.embeddings, itself
    yield from row_of_blocks(encoder.encoder.layer, "norm1")


def beit_encoder(encoder: Any) -> Iterator[Watched]:
    """BEiT, whose backbone holds a BeitModel, and DeiT."""
    encoder = getattr(encoder, "beit", encoder)
    yield "embeddings", encoder.embeddings, itself
    yield from row_of_blocks(encoder.layers, "layernorm_before")


def row_of_blocks(layers: Any, norm: str) -> Iterator[Watched]:
    """The blocks as transformers 5 writes them.   norm: what it calls their first norm"""
    for i, layer in enumerate(layers):
        yield f"blocks.{i}", layer, itself
        yield f"blocks.{i}.norm1", getattr(layer, norm), itself
        yield f"blocks.{i}.attention", layer.attention, itself
        yield f"blocks.{i}.attention.weights", layer.attention, lambda out: out[1]
        for part, name in (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj")):
            yield f"blocks.{i}.attention.{part}", getattr(layer.attention, name), itself
        yield f"blocks.{i}.mlp", layer.mlp, itself


def levit_encoder(encoder: Any) -> Iterator[Watched]:
    yield "embeddings", encoder.patch_embeddings, itself
    for s, stage in enumerate(encoder.encoder.stages):
        yield f"stages.{s}", stage, itself
        for b, layer in enumerate(stage.layers):
            name, module = f"stages.{s}.blocks.{b}", getattr(layer, "module", layer)
            yield name, layer, itself
            if hasattr(module, "linear_up"):
                yield f"{name}.mlp", module, itself
                continue
            yield f"{name}.attention", module, itself
            a, k = module.num_attention_heads, module.key_dim
            if hasattr(module, "queries"):
                yield f"{name}.attention.query", module.queries, itself
                yield f"{name}.attention.key", module.keys_values, of_each_head(a, 0, k)
                yield f"{name}.attention.value", module.keys_values, of_each_head(a, k, None)
            else:
                for part, bounds in (("query", (0, k)), ("key", (k, 2 * k)), ("value", (2 * k, None))):
                    yield f"{name}.attention.{part}", module.queries_keys_values, of_each_head(a, *bounds)


def of_each_head(num_heads: int, start: int, stop: int | None) -> Callable[[Any], Any]:
    """Takes some channels of each head.   (N, T, A K) -> (N, T, A (stop - start))"""
    return lambda out: out.unflatten(-1, (num_heads, -1))[..., start:stop].flatten(-2)


def swin_encoder(encoder: Any) -> Iterator[Watched]:
    """Swin and Swin V2. Their tokens become maps again; the embeddings tell the first map's size."""
    swin = getattr(encoder, "swin", encoder)
    grid: list[int] = []

    def on_map(stage: int) -> Callable[[Any], Any]:
        return lambda out: itself(out).unflatten(1, [-(-side // 2**stage) for side in grid])

    def embedded(out: Any) -> Any:
        grid[:] = out[1]
        return on_map(0)(out)

    yield "embeddings", swin.embeddings, embedded
    for s, stage in enumerate(swin.encoder.layers):
        for b, layer in enumerate(stage.blocks):
            yield from swin_block(f"stages.{s}.blocks.{b}", layer, on_map(s))
        yield f"stages.{s}", stage.blocks[-1], on_map(s)
        if stage.downsample is not None:
            yield f"stages.{s}.merged", stage.downsample, on_map(s + 1)
    for level, name in enumerate(getattr(encoder, "hidden_states_norms", ())):
        yield f"taps.{level}", encoder.hidden_states_norms[name], on_map(max(encoder.stage_names.index(name) - 1, 0))


def swin_block(name: str, layer: Any, on_map: Callable[[Any], Any]) -> Iterator[Watched]:
    yield name, layer, on_map
    yield f"{name}.norm1", layer.layernorm_before, on_map
    yield f"{name}.attention", layer.attention, itself
    if hasattr(layer, "mlp"):  # Swin
        inner, weights, parts = layer.attention, (layer.attention, lambda out: out[1]), ("q_proj", "k_proj", "v_proj")
    else:  # Swin V2 hands its weights out only when asked; they pass its dropout
        inner, parts = layer.attention.self, ("query", "key", "value")
        weights = inner.dropout, itself
    yield f"{name}.attention.weights", *weights
    for part, theirs in zip(("query", "key", "value"), parts, strict=True):
        yield f"{name}.attention.{part}", getattr(inner, theirs), itself
    yield f"{name}.mlp", layer.mlp if hasattr(layer, "mlp") else layer.output, on_map


ENCODERS: dict[str, Callable[[Any], Iterator[Watched]]] = {
    "dpt": dpt_encoder,
    "bit": bit_encoder,
    "beit": beit_encoder,
    "deit": beit_encoder,
    "dinov2": dinov2_encoder,
    "dinov2_with_registers": dinov2_encoder,
    "levit": levit_encoder,
    "swin": swin_encoder,
    "swinv2": swin_encoder,
}
