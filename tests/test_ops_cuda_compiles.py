"""Every kernel of the cuda column, compiled for the types that it is given. The simulator knows no types; this needs
numba-cuda and its compiler, and no card."""

import importlib.util
import re
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("compiling for a card needs numba-cuda (the cuda13 extra)", allow_module_level=True)

from numba.core.sigutils import normalize_signature

from minidpt.ops.backends import MENU
from minidpt.ops.device_cuda import KERNELS, SIMULATED, cuda

if SIMULATED:
    pytest.skip("the simulator compiles nothing", allow_module_level=True)

COMPUTE_CAPABILITY = (8, 0)
DOUBLE = re.compile(r"\.f64\b")

for row in MENU:
    import_module(f"minidpt.ops.{row}_cuda")


@pytest.fixture(autouse=True)
def stand_in_for_a_card(monkeypatch):
    """What Numba asks of the card when a kernel calls another function: whose instructions to use."""
    monkeypatch.setattr(
        sys.modules[type(KERNELS[0].compiled).__module__],
        "get_current_device",
        lambda: SimpleNamespace(compute_capability=COMPUTE_CAPABILITY),
    )


def instructions(function, signature):
    types, _ = normalize_signature(f"({signature},)")
    return cuda.compile_ptx(function, types, cc=COMPUTE_CAPABILITY)[0]


@pytest.mark.parametrize(
    ("kernel", "signature"),
    [(kernel, signature) for kernel in KERNELS for signature in kernel.signatures],
    ids=lambda value: getattr(value, "name", "of"),
)
def test_every_kernel_compiles_and_computes_in_float32_alone(kernel, signature):
    found = [line.strip() for line in instructions(kernel.function, signature).splitlines() if DOUBLE.search(line)]
    assert not found, f"{kernel.name} computes in float64: {found[:3]}"


def test_the_check_sees_a_literal_that_makes_a_float64():
    def shrink(x):
        x[0] = x[0] * 0.1

    assert DOUBLE.search(instructions(shrink, "float32[::1]"))


def test_an_argument_of_another_type_than_said_is_seen():
    def index(x, i):
        x[i] = x[i] + x[i]

    with pytest.raises(Exception, match="float32"):
        instructions(index, "float32[::1], float32")


@pytest.mark.parametrize(("module", "quads"), [("product", (4, 4)), ("attention", (16, 20))])
def test_products_keep_sums_in_registers_and_read_quads_at_once(module, quads):
    """Four quads for 64 products; in attention 8 for 64 of the scores, and 8 or 12 for 64 or 128 of the means."""
    tiled = [kernel for kernel in KERNELS if kernel.name in ("product_cuda.product", "attention_cuda.attend")]
    made = [kernel for kernel in tiled if kernel.name.startswith(module)]
    assert len(made) == len(quads)
    for kernel, count in zip(made, quads, strict=True):
        text = instructions(kernel.function, kernel.signatures[0])
        assert ".local" not in text, "an array lies in memory"
        assert text.count("ld.shared.v4.f32") == count
