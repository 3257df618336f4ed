"""Products by NVIDIA's library: what it is told, on a stand-in that computes with NumPy where it is told to, in Numba's
simulator (test_cuda_simulated.py); on a card, the library itself against NumPy's products of rounded numbers."""

from functools import cache

import numpy as np
import pytest
from checks import assert_close
from cublas_stand_in import BFLOAT16, FLOAT32, FLOAT32_SUMS, TF32_PRODUCTS, StandIn, cut
from cuda_column import OWN
from tiny import PLAIN, lively, pixels

from minidpt import DPTConfig, DPTModel, ops
from minidpt.errors import ResourceError
from minidpt.ops import backends, cublas_cuda, device_cuda
from minidpt.ops.backends import CUDA_MEANS, NUMPY, cuda_backend
from minidpt.ops.device_cuda import download, upload
from minidpt.ops.examples import random_arguments, run

BITS = {"highest": 23, "high": 10, "medium": 7}  # after the leading one, that a factor keeps
simulated = pytest.mark.skipif(not device_cuda.SIMULATED, reason="a card has the library itself")


@pytest.fixture
def library(monkeypatch):
    """The stand-in's calls and handles, in the simulator."""
    monkeypatch.setattr(backends, "cuda_backend", cache(cuda_backend.__wrapped__))
    if not device_cuda.SIMULATED:
        if why := cublas_cuda.refusal():
            pytest.skip(why)
        yield None
    else:
        stand_in = StandIn()
        only = cublas_cuda.Library(stand_in)
        monkeypatch.setattr(cublas_cuda, "refusal", lambda: None)
        monkeypatch.setattr(cublas_cuda, "library", lambda: only)
        yield stand_in


def table(precision="highest"):
    return backends.cuda_backend(precision)


def number(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def rounded(args, precision):
    """x and the weight with as many digits as that precision multiplies; the other arguments are as they were."""
    return [cut(a, BITS[precision]) if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in args]


PRODUCTS = [
    ("linear", [(3, 7), (5, 7)], {}),
    ("linear", [(2, 3, 9), (6, 9), (6,)], {}),
    ("linear", [(2, 3, 9), (6, 9), (6,)], {"residual": (2, 3, 6)}),
    ("linear", [(1, 5, 8), (3, 8)], {"residual": (1, 5, 3)}),
    ("linear", [(2, 3, 9), (6, 9), (6,)], {"activation": "gelu"}),
    ("linear", [(2, 3, 9), (6, 9)], {"activation": "relu", "residual": (2, 3, 6)}),
    ("linear", [(2, 3, 9), (6, 9), (6,)], {"scale": (6,), "residual": (2, 3, 6)}),
    ("linear", [(2, 2, 3, 1), (1, 1), (1,)], {"activation": "sigmoid"}),
    ("linear_with_token", [(2, 5, 6), (2, 1, 3), (4, 9), (4,)], {"activation": "gelu"}),
    ("linear_with_token", [(1, 5, 6), (1, 1, 6), (4, 12)], {}),
    ("conv2d", [(2, 3, 4, 6), (5, 6, 1, 1), (5,)], {"residual": (2, 3, 4, 5)}),
    ("conv2d", [(2, 3, 5, 6), (5, 6, 1, 1)], {"stride": 2, "pre_activation": "relu", "activation": "gelu"}),
    ("conv2d", [(2, 3, 4, 6), (4, 3, 1, 1)], {"groups": 2}),
    ("conv2d", [(1, 3, 4, 6), (4, 6, 1, 1), (4,)], {"padding": 1}),
    ("conv2d", [(1, 3, 4, 5), (4, 5, 3, 3), (4,)], {"padding": 1}),
    ("conv_transpose2d", [(2, 3, 4, 6), (6, 5, 2, 2), (5,)], {}),
    ("resized_linear", [(2, 3, 4, 6), (5, 6), (5,)], {"scale": 2, "align_corners": True}),
    ("resized_conv2d", [(1, 3, 4, 6), (5, 6, 1, 1)], {"scale": 2, "align_corners": True}),
]


@pytest.mark.parametrize("precision", BITS)
@pytest.mark.parametrize(("op", "args", "options"), PRODUCTS, ids=str)
def test_products_are_those_of_rounded_numbers(op, args, options, precision, library):
    if precision not in table().precisions:
        pytest.skip("this card multiplies float32 alone")
    args, options = random_arguments((op, args, options))
    kept = [a.copy() for a in args if isinstance(a, np.ndarray)]
    on_card = run(table(precision), op, args, options)
    for array, copy in zip((a for a in args if isinstance(a, np.ndarray)), kept, strict=True):
        assert np.array_equal(array, copy), "an op changed its argument"
    own = op == "conv2d" and (args[1].shape[2:] == (3, 3) or "groups" in options or "padding" in options)
    # The resized ones are multiplied and then resized here, or the other way round: rounding then is not the same.
    resized = "resized" in op or options.get("pre_activation")
    expected = run(NUMPY, op, args if own or resized else rounded(args, precision), options)
    loose = resized and not own and precision != "highest"
    # float32 sums of at most 54 terms of size about 0.2; or, of numbers rounded elsewhere, 2 ** -8 of each term
    atol = 3e-2 if loose else 1e-5
    if precision == "high" and not device_cuda.SIMULATED:  # may be rounded, needn't: an H100 leaves single rows alone
        exact = run(NUMPY, op, args, options)
        atol, expected = max(atol, float(np.abs(expected - exact).max())), exact
    assert_close(on_card, expected, atol=atol, rtol=1e-5, name=op)
    if library is not None:
        assert bool(library.calls) != own


@simulated
def test_the_library_is_told_where_rows_lie_and_of_what_type(library):
    x, weight, bias = upload(number(5, 7)), number(3, 7), upload(number(3))
    table("highest").prepare("linear", weight).multiply(x, bias=bias)
    table("high").prepare("linear", weight).multiply(x)
    table("medium").prepare("linear", weight).multiply(x, residual=upload(number(5, 3)))
    highest, high, medium = library.calls
    assert all(call["shape"] == (5, 3, 7) and call["stream"] == 0 for call in library.calls)
    assert [call["compute"] for call in library.calls] == [FLOAT32_SUMS, TF32_PRODUCTS, FLOAT32_SUMS]
    assert ("EPILOGUE" in highest, highest["beta"]) == (True, 0)
    assert ("EPILOGUE" in high, high["beta"]) == (False, 0)
    assert ("EPILOGUE" in medium, medium["beta"]) == (False, 1)
    layouts = [made for made in library._made.values() if made and "ld" in made]
    assert [(layout["type"], layout["ld"]) for layout in layouts] == [
        *[(FLOAT32, 7), (FLOAT32, 7), (FLOAT32, 3)] * 2,
        *[(BFLOAT16, 8), (BFLOAT16, 8), (FLOAT32, 3)],
    ]


@simulated
def test_a_part_of_a_weight_says_how_it_is_aligned(library):
    weight = number(3, 72)
    for precision, first in (("highest", 3), ("highest", 64), ("medium", 64)):
        table(precision).prepare("linear", weight).multiply(upload(number(2, 8)), first_row=first)
    assert [call["wishes"]["MIN_ALIGNMENT_A_BYTES"] for call in library.calls] == [4, 256, 128]


@simulated
def test_an_algorithm_is_asked_for_once_for_each_shape(library):
    weight, other = (table().prepare("linear", number(3, 7, seed=seed)) for seed in (1, 2))
    for rows in (5, 5, 6):
        x = upload(number(rows, 7))
        for factor in (weight, other):
            assert_close(download(factor.multiply(x)), download(x) @ download(factor.values).T, atol=1e-6)
    assert len(library.calls) == 6
    assert library.asked == 2


@simulated
def test_each_call_has_its_own_bias(library):
    x, weight = upload(number(5, 7)), table().prepare("linear", number(3, 7))
    for seed in (1, 2):
        bias = number(3, seed=seed)
        assert_close(download(weight.multiply(x, bias=upload(bias))), download(weight.multiply(x)) + bias, atol=1e-6)
    assert library.asked == 2


@simulated
def test_a_product_without_an_algorithm_is_one_line(monkeypatch):
    x, weight = upload(number(5, 7)), cublas_cuda.weight_of(number(3, 7), "medium")
    none = cublas_cuda.Library(StandIn(algorithms=0))
    monkeypatch.setattr(cublas_cuda, "library", lambda: none)
    with pytest.raises(ResourceError, match=r"no way to multiply 5 x 7 x 3 .*MINIDPT_CUBLAS=0"):
        weight.multiply(x)
    broken = StandIn()
    broken.matmul_algo_get_heuristic = lambda *args: 1 // 0
    monkeypatch.setattr(cublas_cuda, "library", lambda: cublas_cuda.Library(broken))
    with pytest.raises(ResourceError, match=r"\(integer division"):
        weight.multiply(x)


def test_a_residual_of_another_size_is_refused(library):
    with pytest.raises(ValueError, match=r"5 x 3 .* \(4, 3\)"):
        table().prepare("linear", number(3, 7)).multiply(upload(number(5, 7)), residual=upload(number(4, 3)))


def nearest_bfloat16(x):
    """The nearer of the two bfloat16 numbers that x lies between, compared in float64; of two as near, the even one."""
    low = x.view(np.uint32) & np.uint32(0xFFFF0000)
    ends = np.stack([low, low + np.uint32(0x10000)]).view(np.float32).astype(np.float64)
    ends = np.where(
        np.isinf(ends) & np.isfinite(x), np.copysign(2.0**128, x.astype(np.float64)), ends
    )  # what overflows rounds as if not
    off = np.abs(ends - x.astype(np.float64))
    upper = (off[1] < off[0]) | ((off[1] == off[0]) & ((low >> 16) & 1 == 1))
    return ((low >> 16) + upper).astype(np.uint16)


def test_rounding_to_bfloat16_is_to_nearest_ties_to_even():
    upper = np.uint32([0, 1, 0x007F, 0x0080, 0x3F80, 0x3F81, 0x4049, 0x7F7E, 0x7F7F]) << 16
    lower = np.uint32([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])
    bits = (upper[:, None] | lower).reshape(-1)
    random = np.random.default_rng(0).integers(0, 0x7F800000, 400, np.uint32)
    x = np.concatenate([bits, bits | 0x80000000, random, [0x7F800000, 0xFF800000]]).astype(np.uint32).view(np.float32)
    found = download(cublas_cuda.rounded(upload(x.reshape(-1, 2))))
    expected = np.where(np.isinf(x), x.view(np.uint32) >> 16, nearest_bfloat16(np.where(np.isinf(x), 0, x)))
    assert found.shape == (len(x) // 2, 8)
    assert np.array_equal(found[:, :2].reshape(-1), expected)
    assert not found[:, 2:].any()


def test_rounding_keeps_nan():
    """Those too whose bits are all in the half that goes, and those that a carry would make a zero."""
    bits = np.uint32([[0x7F800001, 0x7FC00000, 0x7FFFFFFF], [0xFF800001, 0xFFC00000, 0xFFFFFFFF]])
    found = download(cublas_cuda.rounded(upload(bits.view(np.float32))))[:, :3]
    assert np.isnan((found.astype(np.uint32) << 16).view(np.float32)).all()
    assert np.array_equal(found >> 15, bits >> 31)


@pytest.mark.filterwarnings("ignore:.* encountered")
def test_what_is_no_number_comes_through_as_in_numpy(library):
    for bad in (np.nan, np.inf):
        x, weight = number(4, 8), number(3, 8)
        x[1, 2] = bad
        for options in ({}, {"activation": "relu"}):
            plain = run(NUMPY, "linear", [x, weight], options)
            for precision in table().precisions:
                on_card = run(table(precision), "linear", [x, weight], options)
                assert np.array_equal(np.isfinite(on_card), np.isfinite(plain))


def test_a_whole_model_runs_at_each_precision_and_says_which(library):
    model, x = lively(DPTModel(DPTConfig(**PLAIN))), pixels(1, 3, 16, 24)
    plain = model(x).last_hidden_state
    off = {}
    for precision in table().precisions:
        on_card = model.to(backend="cuda", precision=precision)
        assert on_card.precision == precision
        assert table(precision).means == cublas_cuda.MEANS[precision]
        off[precision] = np.linalg.norm(on_card(x).last_hidden_state - plain) / np.linalg.norm(plain)
    assert off["highest"] < 1e-5  # two orders of the same float32 sums
    if "medium" in off:
        assert 1e-5 < off["high"] < 5e-3  # factors have 2 ** -11 of rounding, once in each of some 20 products
        assert off["high"] < off["medium"] < 5e-2  # 2 ** -8


def test_our_own_kernels_can_be_asked_for(library):
    own = backends.cuda_backend(own=True)
    assert (own.precisions, own.means) == (tuple(CUDA_MEANS), CUDA_MEANS["highest"])
    assert ops.choose(own, "medium") == (own, "highest")
    assert set(table().precisions) == set(cublas_cuda.precisions())
    assert isinstance(own.prepare("linear", number(3, 7)), type(OWN.prepare("linear", number(3, 7))))
    assert isinstance(table().prepare("linear", number(3, 7)), cublas_cuda.Matrix)


def test_a_card_too_old_multiplies_float32_alone(library, monkeypatch):
    class Card:
        compute_capability = (7, 5)

    monkeypatch.setattr(cublas_cuda, "SIMULATED", False)
    monkeypatch.setattr(cublas_cuda.cuda, "get_current_device", Card, raising=False)
    backends.cuda_backend.cache_clear()
    assert ops.choose("cuda", "medium")[1] == "highest"
    Card.compute_capability = (8, 0)
    backends.cuda_backend.cache_clear()
    assert ops.choose("cuda", "medium")[1] == "medium"


def test_why_there_is_no_library_is_one_line(monkeypatch):
    def binding(problem):
        cublas_cuda.library.cache_clear()

        def load(name):
            assert name == cublas_cuda.BINDING
            if isinstance(problem, Exception):
                raise problem
            return problem

        return load

    monkeypatch.setattr(cublas_cuda, "SIMULATED", False)
    monkeypatch.delenv(cublas_cuda.SWITCH, raising=False)
    monkeypatch.setattr(cublas_cuda.importlib, "import_module", binding(ModuleNotFoundError("no nvmath")))
    assert "nvmath-python is not installed" in cublas_cuda.refusal()
    monkeypatch.setattr(cublas_cuda.importlib, "import_module", binding(RuntimeError("libcublasLt.so\nnot found")))
    assert cublas_cuda.refusal().startswith("cuBLASLt cannot be used (")
    assert "\n" not in cublas_cuda.refusal()
    monkeypatch.setattr(cublas_cuda.importlib, "import_module", binding(StandIn()))
    assert cublas_cuda.refusal() is None
    monkeypatch.setenv(cublas_cuda.SWITCH, "0")
    assert cublas_cuda.refusal() == "MINIDPT_CUBLAS=0"
    cublas_cuda.library.cache_clear()


@simulated
def test_the_librarys_version_is_told(library):
    assert cublas_cuda.version() == "13.2.3"
