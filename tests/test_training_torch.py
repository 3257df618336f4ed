"""The training itself, in small: the loss, exact resumption, and the whole chain from rendering to minidpt."""

import json

import numpy as np
import pytest
from checks import assert_close

torch = pytest.importorskip("torch", reason="training needs torch; it comes with the parity extra")
pytest.importorskip("transformers", reason="training needs transformers; it comes with the parity extra")

import training.__main__ as command  # noqa: E402
import training.train  # noqa: E402
from minidpt import DPTForDepthEstimation, DPTForSemanticSegmentation, pipeline  # noqa: E402
from training import augment, losses  # noqa: E402
from training.dataset import create_maps, open_maps, render_all  # noqa: E402
from training.model import SIZE, build_mini, load_mini, save_mini  # noqa: E402
from training.plan import CURVE, Piece, Plan  # noqa: E402
from training.pool import Pool  # noqa: E402
from training.recorded import WARM  # noqa: E402
from training.tokens import restart_transformer  # noqa: E402
from training.train import Trainer  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered")
    render_all(folder, count=6, held_out=2, size=64, workers=1, seed=0)
    return folder


def test_the_loss_ignores_scale_and_shift_but_for_its_anchor():
    generator = torch.Generator().manual_seed(0)
    inverse = torch.rand((2, 24, 32), generator=generator)
    goal = losses.anchor_goal(inverse)
    loss, point = losses.depth_loss(goal, inverse)
    assert float(loss) == pytest.approx(0, abs=1e-6)
    stretched, point = losses.depth_loss(3 * goal + 1, inverse)
    anchor = losses.ANCHOR_WEIGHT * float((2 * goal + 1).abs().mean())
    assert float(point) == pytest.approx(0, abs=1e-5)
    assert float(stretched) == pytest.approx(anchor, rel=1e-4)
    wrong, _ = losses.depth_loss(1 - goal, inverse)
    assert float(wrong) > 1


def numbered(folder, ready):
    """Maps of four pictures, of which `ready` are rendered, that say everywhere which picture and pixel this is."""
    create_maps(folder, 4, 32)
    maps = open_maps(folder, "r+")
    rows, columns = np.mgrid[:32, :32]
    for i in range(4):
        maps.rgb[i] = np.stack((rows, columns, np.full((32, 32), 40 + i)), -1)
        maps.inverse[i] = rows / 32 + 4 * i
        maps.label[i] = columns % 9
    maps.family[ready] = 0
    return maps


def test_colour_depth_and_class_of_a_batch_are_of_the_same_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(augment, "recolour", lambda rgb, _rng: rgb)
    pool = Pool(numbered(tmp_path, [0, 1, 2, 3]), torch.device("cpu"))
    turned = swapped = cropped = 0
    for seed in range(40):
        batch = augment.draw_batch(pool, np.array([2, 0, 3]), 32, np.random.default_rng(seed))
        for k, picture in enumerate((2, 0, 3)):
            numbers = np.rint((batch.pixels[k].numpy() * 0.5 + 0.5) * 255)
            planes = sorted(numbers, key=lambda plane: (plane.min() >= 40, np.ptp(plane[0])))  # rows, columns, picture
            row, column, own = planes
            swapped += not np.array_equal(numbers, np.stack(planes))
            turned += bool(column[0, 0] > column[0, -1])
            cropped += bool(np.ptp(row) < 31)
            assert (own == 40 + picture).all()
            pixel = 1.5  # a crop is stretched: its colours lie up to that far from the nearest pixel, which depth has
            depth_row = (batch.inverse[k].numpy() - 4 * picture) * 32
            assert np.abs(depth_row - row).max() <= pixel
            classes = np.array([augment.COARSE_OF[(column.astype(int) + d) % 9] for d in (-1, 0, 1)])
            assert (classes == batch.classes[k].numpy()).any(0).all()
    assert min(turned, swapped, cropped) > 5
    assert max(turned, cropped) < 115


def test_pictures_rendered_meanwhile_join_the_pool(tmp_path):
    maps = numbered(tmp_path, [1, 3])
    pool = Pool(open_maps(tmp_path), torch.device("cpu"))
    assert pool.ready.tolist() == [1, 3]
    maps.family[0] = 2
    pool.refresh()
    assert pool.ready.tolist() == [0, 1, 3]


def test_a_stopped_run_goes_on_exactly(data, tmp_path):
    plan = Plan(samples=8, size=64, batch=2, warmup=1)
    maps = open_maps(data / "train")
    whole = Trainer(plan, maps, torch.device("cpu"))
    expected = [whole.one_step().item() for _ in range(4)]
    first = Trainer(plan, maps, torch.device("cpu"))
    actual = [first.one_step().item() for _ in range(2)]
    first.save_state(tmp_path)
    second = Trainer(plan, maps, torch.device("cpu"))
    second.resume(tmp_path)
    actual += [second.one_step().item() for _ in range(2)]
    assert_close(actual, expected, rtol=1e-6, name="losses")  # the same numbers, but for the order of threads' sums
    with pytest.raises(ValueError, match="was started with"):
        Trainer(Plan(seed=5, batch=2), maps, torch.device("cpu")).resume(tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records a step on a graphics card")
def test_a_recorded_step_is_the_step(data):
    plan, maps, card = Plan(samples=16, size=64, batch=2, warmup=1), open_maps(data / "train"), torch.device("cuda")
    plain, recorded = Trainer(plan, maps, card), Trainer(plan, maps, card)
    plain.take = plain.descend
    expected = [plain.one_step().item() for _ in range(8)]
    actual = [recorded.one_step().item() for _ in range(8)]
    assert recorded.take.taken == 8 > WARM + 1
    assert_close(actual, expected, rtol=0.05, name="losses")  # bfloat16, and sums in any order


def test_the_averaged_weights_get_statistics_of_their_own(data):
    trainer = Trainer(Plan(samples=8, size=64, batch=2, warmup=1), open_maps(data / "train"), torch.device("cpu"))
    trainer.one_step()
    norm = trainer.model.segmentation.head[1]
    norm.running_mean += 1e6  # what one batch that explodes leaves behind
    norm.running_var *= 1e9
    seen = []
    averaged = trainer.averaged_model()
    averaged.segmentation.head[0].register_forward_hook(lambda _module, _inputs, x: seen.append(x.detach()))
    averaged.eval()(trainer.draw(128).pixels)
    x = seen[0]
    assert_close(
        averaged.segmentation.head[1].running_mean.numpy(), x.mean((0, 2, 3)).numpy(), rtol=0.05, atol=0.05, name="mean"
    )
    variance = x.var((0, 2, 3)).numpy()
    assert_close(averaged.segmentation.head[1].running_var.numpy(), variance, rtol=0.2, name="variance")
    assert norm.running_var.max() > 1e6  # the training goes on with its own


def take_steps(data, out, plan, *_device_init_resume):
    """What each process does in the next test, instead of a whole piece."""
    trainer = Trainer(plan, open_maps(data / "train"), torch.device("cpu"))
    losses = [trainer.one_step().item() for _ in range(2)]
    torch.save({"losses": losses, "weights": trainer.model.state_dict()}, out / f"{trainer.rank}.pt")


def share_steps(rank, *job):
    training.train.run_piece = take_steps  # in this process only
    training.train.run_share(rank, *job)


def test_processes_see_other_pictures_and_take_the_same_steps(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training.train, "run_share", share_steps)
    plan = Plan(samples=8, size=64, batch=4, processes=2, warmup=1)
    training.train.train(data, tmp_path, plan)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert not np.allclose(first["losses"], second["losses"], rtol=1e-3)
    own = [name for name in first["weights"] if "running" in name]  # batch norm's; the first process's are saved
    assert own
    for name, weights in first["weights"].items():
        assert name in own or torch.equal(weights, second["weights"][name]), name


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(ValueError, match="a batch of 15 can't be shared by 2 processes"):
        Plan(batch=15, processes=2)


def test_a_card_is_for_one_process(tmp_path):
    with pytest.raises(ValueError, match="2 processes are for the cores of a CPU; on cuda there is one"):
        training.train.train(tmp_path, tmp_path, Plan(processes=2), device="cuda")


def zero_blocks(model):
    """Switch the transformer off: every block adds nothing."""
    for layer in model.depth.dpt.encoder.layer:
        for part in (layer.attention.output.dense, layer.output.dense):
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.zeros_(part.bias)


def test_a_restarted_transformer_gets_tokens_that_it_can_read(data):
    torch.manual_seed(0)
    pixels = torch.randn(4, 3, SIZE, SIZE)
    model = build_mini(pixels).eval()
    embeddings = model.depth.dpt.embeddings
    with torch.no_grad():  # one long constant vector, and hardly anything beside it
        embeddings.projection.bias += 5 * torch.randn(192)
        embeddings.projection.weight *= torch.logspace(-1, 0.5, 192)[:, None, None, None]
        zero_blocks(model)
        expected = model(pixels)
        assert embeddings(pixels).last_hidden_states[:, 1:].square().mean() > 20
        restart_transformer(model.depth, pixels)
        tokens = embeddings(pixels).last_hidden_states[:, 1:].flatten(0, 1)
        assert model.depth.dpt.encoder.layer[0].output.dense.weight.std() > 0.01  # alive again
        zero_blocks(model)
        found = model(pixels)
    assert tokens.mean(0).abs().max() < 1e-3
    assert float(tokens.square().mean()) == pytest.approx(1, rel=1e-2)
    assert float(torch.linalg.eigvalsh(tokens.T.cov())[-1]) < 3  # no direction is much longer than the others
    for name, is_, was in zip(("depth", "logits"), found, expected, strict=True):
        assert_close(is_.numpy(), was.numpy(), rtol=1e-3, atol=1e-3 * float(was.abs().max()), name=name)  # float32


def test_one_command_goes_from_rendering_to_a_model_that_minidpt_runs(tmp_path, monkeypatch, capsys):
    quick = Plan(samples=4, size=64, batch=2, warmup=1)
    second = Plan(samples=2, size=96, batch=2, warmup=1, seed=1)
    monkeypatch.setattr(command, "RECIPE", (Piece(0, 6, 64, quick), Piece(1, 2, 96, second)))
    monkeypatch.setattr(command, "keep_memory", lambda: None)
    words = ["reproduce", "--held-out", "2", "--workers", "1", "--seed", "0"]
    folders = ["--data", str(tmp_path / "data"), "--out", str(tmp_path), "--json", str(tmp_path / "scores.json")]
    monkeypatch.setattr("sys.argv", ["training", *words, *folders])
    command.main()
    assert "rendered" in capsys.readouterr().out
    runs = json.loads((tmp_path / "piece1" / "runs.json").read_text())
    assert [run["plan"]["seed"] for run in runs] == [0, 1]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["rendered"]["all"]["model"]["pictures"] >= 1
    assert 0 < scores["classes"]["model"]["accuracy"] < 1
    assert (tmp_path / "piece1" / CURVE).exists()
    depth = pipeline("depth-estimation", model=tmp_path / "piece1")(np.zeros((40, 50, 3), np.uint8))["predicted_depth"]
    assert depth.shape == (40, 50)
    assert np.isfinite(depth).all()
    changed = DPTForDepthEstimation.from_pretrained(tmp_path / "piece0").weights["head.conv1.weight"]
    again = DPTForDepthEstimation.from_pretrained(tmp_path / "piece1").weights["head.conv1.weight"]
    assert not np.array_equal(changed, again)


def test_minidpt_answers_as_the_model_that_was_saved(tmp_path):
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, SIZE, SIZE)
    save_mini(build_mini(pixels).state_dict(), tmp_path)
    saved = load_mini(tmp_path).eval()
    with torch.no_grad():
        inverse, logits = saved(pixels)
        logits = saved.segmentation.head[-1](logits)
    found = DPTForDepthEstimation.from_pretrained(tmp_path)(pixels.numpy()).predicted_depth
    assert_close(found, inverse.numpy(), rtol=1e-4, atol=1e-4, name="depth")  # two orders of summation, float32
    found = DPTForSemanticSegmentation.from_pretrained(tmp_path)(pixels.numpy()).logits
    assert_close(found, logits.numpy(), rtol=1e-4, atol=1e-4, name="logits")
