"""The cuda column of the op table against NumPy's: on a card where there is one, else in Numba's simulator, for which
test_cuda_simulated.py starts a process of its own."""

import threading

import numpy as np
import pytest
from checks import assert_close
from columns import beside_numpy
from cuda_column import CUDA, ROUNDING, in_use

from minidpt import ConfigError, ops
from minidpt.errors import ResourceError
from minidpt.ops import device_cuda, layout_cuda, pointwise, resize
from minidpt.ops.backends import CUDA_MEANS, MENU, NUMPY, cuda_backend
from minidpt.ops.device_cuda import DeviceArray, Pool, absent, cuda, download, empty, kernel, launch, upload
from minidpt.ops.examples import EXAMPLES, random_arguments, run

pytestmark = pytest.mark.usefixtures(in_use.__name__)


def number(x):
    return np.random.default_rng(1).standard_normal(x).astype(np.float32)


@pytest.mark.parametrize(("op", "args", "options"), EXAMPLES, ids=str)
def test_every_op_equals_its_twin(op, args, options):
    on_card, plain = beside_numpy(CUDA, op, args, options)
    if isinstance(plain, np.ndarray):
        assert on_card.dtype == np.float32
    assert_close(on_card, plain, **ROUNDING, name=op)


MORE = [
    ("take_tokens", [(2, 7, 3), -2], {}),
    ("take_tokens", [(1, 7, 3), 2, 2], {}),
    ("token", [(2, 7, 3), -1], {}),
    ("mean_token", [(3, 1, 5)], {}),
    ("patches", [(1, 2, 2, 3), 2], {}),
    ("pad_map", [(2, 3, 2, 3), 0, 2], {}),
    ("pad_map", [(2, 3, 2, 3), 3, 0], {}),
    ("crop_map", [(2, 3, 2, 3)], {"size": (5, 1)}),
    ("roll_map", [(2, 3, 5, 2), 0, 7], {}),
    ("roll_map", [(2, 3, 5, 2), -4, 0], {}),
    ("roll_map", [(1, 1, 1, 2), 1, 1], {}),
    ("every_other", [(1, 1, 4, 2), 5], {}),
    ("windows", [(1, 3, 5, 2)], {"size": (3, 5)}),
    ("merge_pixels", [(1, 1, 1, 3)], {}),
    ("split_heads", [(1, 1, 6), 6], {}),
    ("add", [(1, 5, 3), (1, 1, 3)], {}),
    ("add", [(2, 1, 3), (2, 1, 3)], {}),
    ("gated", [(2, 3, 2, 8), "gelu"], {}),
    ("unit_length", [(3, 1)], {}),
    ("layer_norm", [(2, 3, 2, 37), (37,), (37,)], {"eps": 1e-6}),
    ("layer_norm", [(1, 1), (1,), (1,)], {"eps": 1e-5}),
    ("group_norm", [(2, 1, 1, 4), (4,), (4,)], {"groups": 2, "eps": 1e-5}),
    ("group_norm", [(1, 3, 11, 2), (2,), (2,)], {"groups": 1, "eps": 1e-5, "activation": "gelu"}),
    ("batch_norm", [(2, 3, 5), (5,), (5,), (5,), (5,)], {"eps": 1e-3, "activation": "silu"}),
]


@pytest.mark.parametrize(("op", "args", "options"), MORE, ids=str)
def test_borders_and_sizes_of_one_equal_their_twins(op, args, options):
    on_card, plain = beside_numpy(CUDA, op, args, options)
    assert_close(on_card, plain, **ROUNDING, name=op)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("sizes", [((5, 7), (11, 3)), ((1, 6), (4, 6)), ((8, 3), (1, 1))], ids=str)
def test_resizing_equals_its_twin(sizes, align_corners):
    options = {"size": sizes[1], "align_corners": align_corners}
    assert_close(*beside_numpy(CUDA, "resize_bilinear", [(3, *sizes[0], 2)], options), **ROUNDING, name="resize")


@pytest.mark.parametrize("align_corners", [True, False])
def test_positions_of_a_large_map_are_exact(align_corners):
    """In float32, output position 16000 lies a thousandth of a pixel off. Shares are rounded once, to 6e-8."""
    from minidpt.ops.resize_cuda import neighbours

    @kernel("int64, int64, float32[::1]")
    def positions(n_in, align_corners, y):
        for i in range(cuda.grid(1), len(y), cuda.gridsize(1)):
            low, high, share = neighbours(7 * i, 7 * len(y), n_in, align_corners)
            y[i] = share if low < high else np.float32(0)

    y = empty((2341,))
    launch(positions, len(y), 9001, align_corners, y)
    low, high, share = resize.neighbours(7 * len(y), 9001, align_corners)
    assert_close(download(y), np.where(low < high, share, 0)[::7], atol=1e-7, name="shares")


@pytest.mark.parametrize("activation", [None, *pointwise.ACTIVATIONS])
def test_activations_equal_their_twins_far_out_too(activation):
    x = np.concatenate([np.linspace(-30, 30, 201), [-1e4, 1e4, 0, -0.0]]).astype(np.float32)
    # erf and tanh to 2e-7, times x where the result is large
    assert_close(run(CUDA, "activate", [x, activation], {}), pointwise.activate(x, activation), atol=3e-6, rtol=1e-6)


@pytest.mark.parametrize("activation", pointwise.ACTIVATIONS)
@pytest.mark.filterwarnings("ignore:.* encountered")
def test_activations_of_what_is_no_number_are_as_in_numpy(activation):
    x = np.float32([np.nan, np.inf, -np.inf])
    on_card, plain = run(CUDA, "activate", [x, activation], {}), pointwise.activate(x, activation)
    assert np.isnan(on_card[0])
    assert np.array_equal(np.isfinite(on_card), np.isfinite(plain))
    assert_close(on_card[np.isfinite(plain)], plain[np.isfinite(plain)], atol=1e-7)


OWN = ("layout", "pointwise", "resize")  # the rows whose other tests are in this file


@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize(
    ("op", "args", "options"),
    [e for e in EXAMPLES if any(e[0] in MENU[row] for row in OWN) and e[1][0] != (65, 4096)],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.* encountered")
def test_what_is_no_number_is_not_hidden(op, args, options, bad):
    """Where NumPy's result is not finite, so is the card's, and nowhere else; but NumPy's resize spreads it to rows."""
    for position, argument in enumerate(args):
        if not isinstance(argument, tuple):
            continue
        given, given_options = random_arguments((op, args, options))
        given[position].flat[given[position].size // 2] = bad
        plain, on_card = run(NUMPY, op, given, given_options), run(CUDA, op, given, given_options)
        if isinstance(plain, np.ndarray) and "resize" not in op:
            assert np.array_equal(np.isfinite(plain), np.isfinite(on_card))
        elif "resize" in op:
            assert not np.isfinite(on_card).all()


def test_a_norm_keeps_its_digits_where_the_mean_is_far_from_zero():
    """A row at 1000 whose parts differ by 1: float32 keeps 6e-5 of them, and the norm loses no more."""
    x = number((2, 3, 5, 8)) + np.float32(1000)
    weight, bias = np.ones(8, np.float32), np.zeros(8, np.float32)
    for op, options in (("layer_norm", {"eps": 1e-6}), ("group_norm", {"groups": 2, "eps": 1e-6})):
        on_card, plain = (run(backend, op, [x, weight, bias], options) for backend in (CUDA, NUMPY))
        assert_close(on_card, plain, atol=2e-4, name=op)


WRONG = [
    ("patches", [(1, 5, 4, 3), 2], {}),
    ("tokens_to_map", [(1, 5, 4)], {"grid": (2, 3)}),
    ("split_heads", [(1, 5, 4), 3], {}),
    ("drop_channel", [(1, 5, 4, 2)], {}),
    ("windows", [(1, 5, 4, 2)], {"size": (2, 2)}),
    ("gated", [(2, 5), "silu"], {}),
    ("add", [(2, 5, 3), (1, 5, 4)], {}),
    ("add", [(2, 5, 3), (2, 5, 1)], {}),
    ("group_norm", [(1, 2, 2, 5), (5,), (5,)], {"groups": 2, "eps": 1e-5}),
    ("resize_bilinear", [(5, 4, 2)], {"size": (2, 2), "align_corners": True}),
]


@pytest.mark.parametrize(("op", "args", "options"), WRONG, ids=str)
def test_ops_refuse_shapes_that_do_not_fit(op, args, options):
    with pytest.raises(ValueError, match=r"\d"):
        run(CUDA, op, *random_arguments((op, args, options)))


# ---------------------------------------------------------------- the card's memory, and what goes in and out


def test_the_column_is_whole_and_chosen_by_name():
    assert ops.choose("cuda")[0] is CUDA
    assert (CUDA.name, CUDA.precision, CUDA.apart, CUDA.copies) == ("cuda", "highest", True, True)
    assert ops.choose(cuda_backend(own=True), "medium")[1] == "highest"
    assert set(CUDA_MEANS) <= set(ops.PRECISIONS)
    for name, function in CUDA.ops.items():
        assert function is not NUMPY.ops[name] or name == "map_size"


def test_memory_serves_again_when_nothing_refers_to_it():
    pool = Pool()
    first = pool.empty((5, 7))
    memory, view = first._lease.memory, first.reshape(7, -1)
    assert view.shape == (7, 5)
    del first
    other = pool.empty((5, 7))
    assert other._lease.memory is not memory, "the view still refers to it"
    del view
    assert pool.empty((35,))._lease.memory is memory
    assert pool.empty((1,), np.uint8)._lease.memory.size == device_cuda.UNIT
    assert pool.empty((3 * device_cuda.UNIT,), np.uint8)._lease.memory.size == 3 * device_cuda.UNIT
    small = pool.empty((device_cuda.UNIT,), np.uint8)
    assert small._lease.memory.size == device_cuda.UNIT, "memory of three times the size is kept for larger arrays"


def test_what_a_turn_did_not_use_is_given_back():
    pool = Pool()
    with pool:
        kept, dropped = pool.empty((3,)), pool.empty((1000,))
        memory = kept._lease.memory
        del kept, dropped
    assert [m.size for m in pool._free] == [512, 4096]
    with pool:
        assert pool.empty((2,))._lease.memory is memory
    assert pool._free == [memory]


def test_a_card_without_memory_says_so_in_a_line(monkeypatch):
    pool, asked = Pool(), []
    spare = pool.empty((4,))
    del spare

    def full(size):
        asked.append(size)
        raise RuntimeError(
            "[CUresult.CUDA_ERROR_OUT_OF_MEMORY]\nCall to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY"
        )

    monkeypatch.setattr(device_cuda, "Memory", full)
    with pytest.raises(ResourceError, match="no 4 MB of memory left") as caught:
        pool.empty((1000, 1000))
    assert "\n" not in str(caught.value)
    assert len(asked) == 2, "once more after what was free is given back"
    assert pool._free == []


def test_a_hosts_array_is_refused_and_nothing_is_copied_unasked():
    x = upload(number((4, 3)))
    for wrong in (np.ones((4, 3), np.float32), None, "relu"):
        with pytest.raises(TypeError, match=r"layout_cuda\._mean_token: argument 0 .* does not live on the card"):
            launch(layout_cuda._mean_token, 1, wrong, x)
    with pytest.raises(TypeError, match="unsupported operand"):
        x + x
    with pytest.raises(ValueError, match="cannot be reshaped"):
        x.reshape(5, 2)


@pytest.mark.skipif(not device_cuda.SIMULATED, reason="a card compiles for whatever types it is given")
def test_the_simulator_refuses_types_that_the_kernel_did_not_name():
    with pytest.raises(TypeError, match=r"no signature \(float32\[:,::1\], float32\[:,:,::1\]\)"):
        launch(layout_cuda._mean_token, 1, upload(number((4, 3))), absent(3))


def test_uploads_and_downloads_are_copies():
    x = number((3, 5))
    held, whole = x.copy(), upload(x[:, 1:4])
    x[:] = 0
    assert np.array_equal(download(whole), held[:, 1:4])
    assert isinstance(whole, DeviceArray)
    assert download(upload(np.arange(3))).dtype == np.int64


def test_one_thread_at_a_time_has_the_turn():
    pool, order = Pool(), []

    def second():
        with pool:
            order.append("second")

    thread = threading.Thread(target=second)
    with pool:
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_a_forked_child_is_told_what_to_do(monkeypatch):
    pool = Pool()
    monkeypatch.setattr(device_cuda, "SIMULATED", False)
    pool.after_fork()
    with pytest.raises(ConfigError, match="spawn or forkserver"):
        pool.__enter__()
