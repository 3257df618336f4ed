"""The engines that can run a model, each behind one call. The only file here that imports those of others.

numba, numpy    minidpt's own backends
pytorch         transformers' class, eager
onnxruntime     the graph that `export` wrote
openvino        the same graph

None is imported before it is asked for: a process that runs one engine pays for no other.
"""

import contextlib
import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, HubError, one_line

Array = np.ndarray
OURS = ("numba", "numpy")
ENGINES: dict[str, tuple[str, ...]] = {  # engine -> the precisions that it is asked for
    "numba": ("highest", "high", "medium"),
    "numpy": ("highest",),
    "pytorch": ("float32", "bfloat16"),
    "onnxruntime": ("float32",),
    "openvino": ("float32", "bfloat16"),
}
FLOAT32 = ("highest", "float32")  # the names that engines have for it
FULL_NAMES = {
    "numba": "minidpt (numba)",
    "numpy": "minidpt (numpy)",
    "pytorch": "PyTorch",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
}
NEEDS = {  # engine -> what must be installed; a graph is exported by torch
    "numba": ("numba",),
    "numpy": (),
    "pytorch": ("torch", "transformers"),
    "onnxruntime": ("onnxruntime", "torch", "transformers", "onnx", "onnxscript"),
    "openvino": ("openvino", "torch", "transformers", "onnx", "onnxscript"),
}
RUN_A_GRAPH = ("onnxruntime", "openvino")
GRAPH, INPUT = "model.onnx", "pixel_values"
OPSET = 18
EXACT = "float64"  # PyTorch in it is what errors are measured against
ANSWERS = ("predicted_depth", "logits")  # the outputs of transformers' models that are compared


@dataclass(frozen=True)
class Loaded:
    """A model on an engine.   run: pixel_values (N, C, H, W) float32 -> depth or scores, float32

    precision: the one that really runs   model: the engine's own object
    """

    run: Callable[[Array], Array]
    precision: str
    model: Any


def missing(engine: str) -> list[str]:
    """The packages that the engine needs and that are not installed."""
    return [name for name in NEEDS[engine] if importlib.util.find_spec(name) is None]


def load(engine: str, precision: str, folder: Path, threads: int, cache: Path | None = None) -> Loaded:
    """The folder's model, ready to run.   cache: a folder where OpenVINO may keep what it compiled

    HubError, in one line, where a package is missing; ConfigError where a precision is not known.
    """
    if engine in OURS:
        return minidpt(engine, precision, folder)
    if precision not in (*ENGINES.get(engine, ()), EXACT):
        raise ConfigError(
            f"{engine} {precision}: known are {', '.join(f'{e} {p}' for e in ENGINES for p in ENGINES[e])}"
        )
    if engine == "pytorch":
        return pytorch(precision, folder, threads)
    return onnxruntime(folder, threads) if engine == "onnxruntime" else openvino(precision, folder, threads, cache)


def minidpt(backend: str, precision: str, folder: Path) -> Loaded:
    from ..model import open_checkpoint

    opened = open_checkpoint(folder)
    model = opened.model.from_opened(opened, backend, precision)
    return Loaded(lambda pixels: answer(model(pixels)), model.precision, model)


def pytorch(precision: str, folder: Path, threads: int) -> Loaded:
    """Weights are read in the precision that runs, so that no float32 copy is ever held for bfloat16."""
    torch, transformers = library("torch"), library("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    dtype = getattr(torch, precision)
    kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    model = getattr(transformers, kind).from_pretrained(folder, dtype=dtype).eval()

    def run(pixels: Array) -> Array:
        with torch.inference_mode(), told_size(model, pixels):
            found = answer(model(pixel_values=torch.from_numpy(pixels).to(dtype)))
            return (found if precision == EXACT else found.float()).numpy()

    return Loaded(run, precision, model)


def onnxruntime(folder: Path, threads: int) -> Loaded:
    """Its threads may spin, which makes it fastest; they stop within milliseconds of a pass."""
    ort = library("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
    return Loaded(lambda pixels: session.run(None, {INPUT: pixels})[0], "float32", session)


def openvino(precision: str, folder: Path, threads: int, cache: Path | None) -> Loaded:
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    options |= {"PERFORMANCE_HINT": "LATENCY"} | ({"CACHE_DIR": str(cache)} if cache else {})
    core = library("openvino").Core()
    if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError("openvino: this CPU has no bfloat16 instructions that it would use")
    compiled = core.compile_model(str(folder / GRAPH), "CPU", options)
    request = compiled.create_infer_request()
    return Loaded(lambda pixels: np.array(request.infer({0: pixels})[0]), precision, compiled)


def export(model: Any, pixels: Array, file: Path) -> None:
    """Write a transformers model as an ONNX graph for inputs of just this shape.   ConfigError if torch cannot"""
    torch = library("torch")

    class OneOutput(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixel_values: Any) -> Any:
            return answer(self.model(pixel_values=pixel_values))

    names = {"input_names": [INPUT], "output_names": ["answer"]}
    try:
        with torch.no_grad(), told_size(model, pixels):
            torch.onnx.export(
                OneOutput().eval(),
                (torch.from_numpy(pixels),),
                str(file),
                opset_version=OPSET,
                dynamo=True,
                external_data=True,
                verbose=False,
                **names,
            )
    except Exception as error:  # the exporter raises whatever its many passes raise
        raise ConfigError(f"torch cannot export this model to ONNX: {one_line(error)}") from None


@contextlib.contextmanager
def told_size(model: Any, pixels: Array) -> Iterator[None]:
    """transformers' own ViT takes the config's size for the picture's: where they differ, tell it the real one."""
    side, handle = getattr(model.config, "image_size", None), None
    if model.config.model_type == "dpt" and pixels.shape[-2:] != (side, side):
        from ..verification.reference import allow_any_grid

        handle = allow_any_grid(model, pixels)
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def answer(output: Any) -> Any:
    """The array of a model's output that engines are compared by."""
    return next(getattr(output, name) for name in ANSWERS if getattr(output, name, None) is not None)


def library(name: str) -> Any:
    """Another engine's package; HubError says what to install."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is in a folder: transformers need not ask
    try:
        return importlib.import_module(name)
    except ImportError:
        raise HubError(f'{name} is not installed: pip install "minidpt[bench]"') from None


def versions() -> str:
    """What is installed of the engines, in a line."""
    found = []
    for package in ("numpy", "numba", "torch", "transformers", "onnxruntime", "openvino"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package).partition('+')[0]}")
    return ", ".join(found) + "."
