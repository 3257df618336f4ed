"""Record what transformers answers, so that the tests can hold minidpt to it without torch.

    python tests/record_golden.py          (needs the parity extra; writes tests/golden/*.safetensors)

Each file holds the weights and the pixel values of a tiny lively model; for every stage the thinned float64 result,
and two numbers: the error of transformers' own float32 pass and the largest value. mini.safetensors holds the stages of
dpt-mini on the example picture, and no weights. The metadata tell versions, seed, config and command.
"""

import copy
import json
import platform
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.numpy import save_file
from tiny import GOLDEN, pixels
from transformers_stages import lively_reference, stages

FOLDER = Path(__file__).parent / "golden"
ASSETS = Path(__file__).parent.parent / "minidpt" / "assets"
SEED = 3
THIN, THIN_MINI = 13, 97  # every 13th number of a tiny model's stages is kept, every 97th of dpt-mini's


def metadata(**more):
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "numpy": np.__version__}
    return {
        "command": "python tests/record_golden.py",
        "seed": str(SEED),
        "versions": json.dumps({**versions, "python": platform.python_version()}),
        **more,
    }


def references(model, x, thin):
    """For every stage the thinned float64 result, and the float32 pass's error with the largest value."""
    single, exact = stages(model, x), stages(copy.deepcopy(model).double(), x)
    arrays = {}
    for name, value in exact.items():
        arrays[f"stage:{name}"] = value.ravel()[::thin].astype(np.float32)
        arrays[f"error:{name}"] = np.float32([np.abs(single[name] - value).max(), np.abs(value).max()])
    return arrays


def record_tiny(name, task, config, size):
    x = pixels(2, 3, *size, seed=SEED)
    model = lively_reference(task, config, x, SEED)
    arrays = {"pixel_values": x}
    arrays |= {f"weight:{key}": value.numpy() for key, value in model.state_dict().items() if value.ndim}
    write(name, arrays | references(model, x, THIN), task=task, config=json.dumps(config), thin=str(THIN))


def record_mini():
    folder = ASSETS / "dpt-mini"
    model = transformers.DPTForDepthEstimation.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    processor = transformers.DPTImageProcessorPil.from_pretrained(folder)
    x = processor(Image.open(ASSETS / "example.jpg"), return_tensors="np")["pixel_values"]
    arrays = {"pixel_values": x.ravel()[::THIN_MINI]} | references(model, x, THIN_MINI)
    write("mini", arrays, model="dpt-mini", picture="example.jpg", thin=str(THIN_MINI))


def write(name, arrays, **more):
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.safetensors"
    save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path, metadata(**more))
    path.chmod(0o644)
    print(f"{path.name}: {len(arrays)} arrays, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    for case in GOLDEN.items():
        record_tiny(case[0], *case[1])
    record_mini()
