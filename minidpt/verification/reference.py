"""transformers as the reference: every stage in float64, and the error of its own float32 pass."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import ConfigError, one_line
from ..pretrained import Opened, PreTrainedModel
from .comparison import Expected, Reference
from .counterpart import counterpart, library
from .watch import watched

Array = np.ndarray


def reference(opened: Opened, model: PreTrainedModel, pixels: Array, tape: Mapping[str, Array]) -> Reference:
    """What transformers says of minidpt's `model`, which came from `opened`, on `pixels`.

    tape: minidpt's own stages on them; its taps feed the decoder where transformers does not have the encoder.
    ConfigError where transformers has nothing to compare with or cannot run these pixels.
    """
    transformers, name = library("transformers"), opened.source.name
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    notes: list[str] = []
    theirs = counterpart(opened, model, tape, notes)
    try:
        found = expected(theirs.eval(), pixels)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ConfigError(
            f"{name}: transformers cannot run this input ({one_line(error)}); try another --size"
        ) from None
    if getattr(model.config, "depth_scale", None) is not None:
        notes.append(
            "predicted_depth is not compared: transformers stops before depth_scale and depth_shift, at head.3"
        )
        found.pop("predicted_depth", None)
    about = f"transformers {transformers.__version__} in float64 (torch {library('torch').__version__})"
    return Reference(found, pixels, about, notes)


def allow_any_grid(model: Any, pixels: Array) -> Any:
    """transformers takes the token grid for square and the hybrid's picture for image_size; tell it the real ones."""
    own = getattr(model, "dpt", None if hasattr(model, "neck") else model)
    if own is None or own.config.model_type != "dpt":
        return None
    height, width = pixels.shape[-2:]
    patch = model.config.patch_size
    if model.config.is_hybrid:
        own.embeddings.image_size = (height, width)
    if hasattr(model, "neck"):
        grid = height // patch, width // patch
        return model.neck.reassemble_stage.register_forward_pre_hook(lambda _, args: (args[0], *grid))
    return None


def stages(model: Any, pixels: Array) -> dict[str, Array]:
    """Run a transformers model; every stage by minidpt's name, channels last, in the model's precision.

    pixels: (N, C, H, W)
    """
    torch, found, handles = library("torch"), {}, []

    def keep(name: str, take: Callable) -> Callable:
        def hook(_module: Any, _inputs: Any, out: Any) -> None:
            found[name] = take(out).detach().numpy().copy()

        return hook

    for name, module, take in watched(model):
        handles.append(module.register_forward_hook(keep(name, take)))
    handles.append(allow_any_grid(model, pixels))
    try:
        with torch.no_grad():
            model(pixel_values=torch.from_numpy(pixels).to(next(model.parameters()).dtype))
    finally:
        for handle in handles:
            if handle is not None:
                handle.remove()
    return found


def expected(model: Any, pixels: Array, step: int = 1) -> dict[str, Expected]:
    """Every stage in float64, with the error of the model's own float32 pass.   step: keep every step-th value"""
    single = stages(model, pixels)
    exact = stages(model.double(), pixels)  # in place: a full-size copy would cost gigabytes
    model.float()  # loses nothing: every number was a float32
    result = {}
    for name in list(exact):
        value = exact.pop(name)
        own, largest = np.abs(single.pop(name) - value).max(), np.abs(value).max()
        result[name] = Expected(value.reshape(-1)[::step].copy(), value.shape, float(own), float(largest), step)
    return result
