"""Record what transformers answers, so that the tests can hold minidpt to it without torch.

    python tests/record_golden.py          (needs the parity extra; writes tests/golden/*.safetensors)

Each file is a reference as `minidpt verify --save` writes it (minidpt/verification/recorded.py), thinned. Those of the
tiny lively models hold their weights too, config and seed; that of dpt-mini holds no pixel values, as its input is the
embedded picture through its own processor.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from PIL import Image
from tiny import GOLDEN, golden_model, pixels
from transformers_stages import lively_reference

from minidpt import DPTForDepthEstimation
from minidpt.verification.comparison import Expected, Reference
from minidpt.verification.recorded import save, thinned, weights_digest
from minidpt.verification.reference import expected

FOLDER = Path(__file__).parent / "golden"
ASSETS = Path(__file__).parent.parent / "minidpt" / "assets"
SEED = 3
THIN, THIN_MINI = 13, 97  # every 13th number of a tiny model's stages is kept, every 97th of dpt-mini's
SOURCE = f"transformers {transformers.__version__} in float64"


def record_tiny(name, task, config, size):
    x = pixels(2, 3, *size, seed=SEED)
    model = lively_reference(task, config, x, SEED)
    weights = {key: value.numpy() for key, value in model.state_dict().items() if value.ndim}
    reference = thinned(Reference(expected(model, x), x, SOURCE), THIN)
    digest = weights_digest(golden_model(task, config, weights))
    write(name, reference, digest, weights=weights, task=task, config=json.dumps(config))


def record_mini():
    folder = ASSETS / "dpt-mini"
    model = transformers.DPTForDepthEstimation.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    processor = transformers.DPTImageProcessorPil.from_pretrained(folder)
    x = processor(Image.open(ASSETS / "example.jpg"), return_tensors="np")["pixel_values"]
    stages = expected(model, x)
    picture = x.transpose(0, 2, 3, 1)
    stages = {"pixel_values": Expected(picture.ravel(), picture.shape, 0.0, float(np.abs(x).max()))} | stages
    digest = weights_digest(DPTForDepthEstimation.from_pretrained("dpt-mini"))
    write("mini", thinned(Reference(stages, None, SOURCE), THIN_MINI), digest, model="dpt-mini")


def write(name, reference, digest, *, model="", weights=None, **more):
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.safetensors"
    libraries = json.dumps({"torch": torch.__version__, "transformers": transformers.__version__})
    size = save(
        path,
        reference,
        model=model or name,
        digest=digest,
        command="python tests/record_golden.py",
        weights=weights,
        more={**more, "seed": str(SEED), "libraries": libraries},
    )
    print(f"{path.name}: {len(reference.stages)} stages, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    for case in GOLDEN.items():
        record_tiny(case[0], *case[1])
    record_mini()
