"""The page of `minidpt inspect --html`: whole, alone, honest. What it draws is to scale, what it shows was computed."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from families import DINOV2
from PIL import Image
from tiny import HYBRID, PLAIN, lively

import minidpt
from minidpt import ConfigError, DPTConfig, DPTForDepthEstimation, DPTForSemanticSegmentation, DPTImageProcessor, cli
from minidpt.components import as_colors, principal_components
from minidpt.inspection import activations, html_page, sources, thumbnails
from minidpt.inspection.drawing import columns, place
from minidpt.inspection.markup import VOID, element
from minidpt.inspection.subject import subject, why_absent
from minidpt.presets import PRESETS
from minidpt.render import colorize

ROOT = Path(minidpt.__file__).parents[1]
PHOTO = np.random.default_rng(5).integers(0, 256, (30, 50, 3), np.uint8)
NASTY = "<b> &amp; \"two\" 'models'"


class Reader(HTMLParser):
    """Every element as (tag, attributes, its text, the tags around it); fails on one that is not closed in turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = [tag, dict(attrs), "", [outer[0] for outer in self.open]]
        assert len(dict(attrs)) == len(attrs)
        self.elements.append(found)
        if tag not in VOID:
            self.open.append(found)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for outer in self.open:
            outer[2] += data

    def all(self, tag, **attributes):
        return [e for e in self.elements if e[0] == tag and attributes.items() <= e[1].items()]


def saved(folder, kind, settings, size, **more):
    lively(kind(DPTConfig(**settings, **more), backend="numpy")).save_pretrained(folder)
    DPTImageProcessor(size={"height": size[0], "width": size[1]}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("page") / NASTY, DPTForDepthEstimation, PLAIN, (32, 48))


@pytest.fixture(scope="module")
def photo(folder):
    path = folder.parent / "a & <b>.png"
    Image.fromarray(PHOTO).save(path)
    return path


@pytest.fixture(scope="module")
def text(folder, photo):
    return html_page(folder, photo)


def picture(address):
    kind, data = address.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_the_page_is_whole_and_stands_alone(text):
    read = Reader(text)
    ids = [e[1]["id"] for e in read.elements if "id" in e[1]]
    assert len(ids) == len(set(ids))
    addresses = [e[1][name] for e in read.elements for name in ("href", "src") if name in e[1]]
    assert all(a.startswith("data:image/png;") or a.removeprefix("#") in ids for a in addresses)
    assert not read.all("script")
    assert not read.all("link")
    (style,) = read.all("style")
    assert not re.search(r"url\(|@import|//", style[2])
    (policy,) = (e[1]["content"] for e in read.all("meta") if "http-equiv" in e[1])
    assert policy.startswith("default-src 'none'")
    assert "prefers-color-scheme: dark" in style[2]


def test_names_are_escaped(text, folder):
    read = Reader(text)
    assert read.all("h1")[0][2] == NASTY
    assert {e[3][-1] for e in read.all("b")} == {"figcaption"}
    assert str(folder.parent) not in text  # of folders the page tells nothing
    assert "The photo is a & <b>.png." in "".join(e[2] for e in read.all("p"))
    assert element("p", "<&>", title='"') == '<p title="&quot;">&lt;&amp;&gt;</p>'


def test_everything_can_be_reached_and_read_without_eyes_or_mouse(text):
    read = Reader(text)
    assert all(e[1].get("alt") for e in read.all("img"))
    assert all(e[1].get("aria-label") for e in read.elements if e[1].get("role"))
    assert all("tabindex" in e[1] for e in read.elements if e[1].get("class") == "wide")  # whatever scrolls
    assert all(e[1]["href"].startswith("#") for e in read.all("a"))
    titles = [e[2] for e in read.all("title") if "a" in e[3]]
    assert "fused.3: 32 × 48 × 24" in titles


@pytest.mark.parametrize("name", ["Intel/dpt-large", "facebook/dpt-dinov2-small-nyu", "Intel/dpt-swinv2-tiny-256"])
def test_boxes_are_to_scale(name, monkeypatch):
    monkeypatch.setattr("minidpt.inspection.page.why_absent", lambda *_: "x: not here; get it")
    this = subject(name, (2 * 224, 3 * 224))
    stages = {stage.name: stage for stage in this.passage.stages}
    placed, pixel, channel = place(columns(this), max(this.size))
    drawn = Reader(html_page(name, size=this.size))
    seen = 0
    for box in (box for column in placed for box in column.values()):
        (link,) = drawn.all("a", id=f"box-{box.solid.name}")
        rest = drawn.elements[drawn.elements.index(link) :]
        face = next(e[1] for e in rest if e[0] == "rect")
        side = next(e[1] for e in rest if e[0] == "polygon" and e[1]["class"] == "side")
        corners = [tuple(map(float, corner.split(","))) for corner in side["points"].split()]
        if box.solid.name in stages and len(stages[box.solid.name].shape) == 4:
            _, height, width, channels = stages[box.solid.name].shape
            seen += 1
            assert float(face["height"]) / pixel == pytest.approx(height, abs=0.01 / pixel)  # written to two decimals
            assert float(face["width"]) / pixel == pytest.approx(width, abs=0.01 / pixel)
            assert (corners[1][0] - corners[0][0]) / 0.8 / channel == pytest.approx(channels, abs=0.02 / channel)
    assert seen >= 12


def test_tokens_are_drawn_on_their_grid():
    boxes = [box for column in columns(subject("Intel/dpt-large", (320, 512))) for box in column.values()]
    (tap,) = [box for box in boxes if box.name == "blocks.23"]
    assert (tap.height, tap.width, tap.channels, tap.label) == (20, 32, 1024, "641 tokens × 1024")


@pytest.mark.parametrize("name", PRESETS)
def test_no_box_of_a_published_model_covers_another(name):
    placed, _, _ = place(columns(subject(name)), max(subject(name).size))
    boxes = [box for column in placed for box in column.values()]
    assert len(boxes) >= 2
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a.x >= b.right or b.x >= a.right or a.top >= b.below or b.top >= a.below, (a, b)


def test_thumbnails_are_what_the_model_computed(text, folder):
    read = Reader(text)
    shown = {e[1]["alt"].split()[2].rstrip(","): picture(e[1]["src"]) for e in read.all("img")}
    processor, model = DPTImageProcessor.from_pretrained(folder), DPTForDepthEstimation.from_pretrained(folder)
    with minidpt.record("readout.1", "neck.0") as tape:
        out = model(processor(PHOTO)["pixel_values"])
    assert np.array_equal(shown["predicted_depth"], colorize(out.predicted_depth[0], kind=out.kind))
    assert shown["blocks.0"].shape == (4, 6, 3)
    for name, x in (("readout.1", tape["readout.1"].reshape(4, 6, 32)), ("neck.0", tape["neck.0"][0])):
        expected = as_colors(principal_components(x)[0]) * 255
        assert np.abs(shown[name] - expected).max() <= 0.5 + 1e-6  # rounded to whole steps
    assert "time" in [e[2] for e in read.all("dt")]


def test_constant_maps_and_two_channels_have_thumbnails():
    flat = thumbnails.thumbnail("neck.0", np.full((1, 3, 5, 8), 2, np.float32), (3, 5), "metric")
    assert np.array_equal(flat, np.full((3, 5, 3), 128, np.uint8))
    assert thumbnails.thumbnail("head.3", np.zeros((1, 400, 5, 2), np.float32), (400, 5), "metric").shape == (133, 2, 3)


@pytest.mark.parametrize(
    ("kind", "settings", "last"),
    [
        (DPTForSemanticSegmentation, PLAIN, "logits"),
        (DPTForDepthEstimation, HYBRID, "predicted_depth"),
    ],
)
def test_other_models_have_pages_too(tmp_path, kind, settings, last):
    size = (64, 96)
    read = Reader(html_page(saved(tmp_path / "model", kind, settings, size)))
    assert len(read.all("section")) >= 7
    assert read.all("a", id=f"box-{last}")
    assert any(e[1]["alt"].startswith(f"Activations of {last}") for e in read.all("img"))


def test_the_source_shown_is_the_one_that_runs(text):
    read = Reader(text)
    assert len(read.all("details")) > 8
    for summary, block in zip(read.all("summary"), read.all("pre"), strict=True):
        name, where = summary[2].split()[0], summary[2].split()[-1]
        file, line = where.split(":")
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()[int(line) - 1 :]
        assert lines[0].strip().startswith(f"def {name.rpartition('.')[2]}(")
        own = block[2].splitlines()
        assert [a.strip() for a in own] == [b.strip() for b in lines[: len(own)]]


def test_a_preset_without_files_is_drawn_and_says_so(monkeypatch):
    monkeypatch.setattr("minidpt.inspection.page.why_absent", lambda *_: "x: not here; get it")
    text = html_page("Intel/dpt-large")
    read = Reader(text)
    assert "No activations are shown. x: not here; get it." in text
    assert not read.all("img")
    assert not read.all("image")
    with pytest.raises(ConfigError, match="leave --image out"):
        html_page("Intel/dpt-large", "photo.jpg")


@pytest.mark.parametrize(("name", "words"), [("Intel/dpt-large", "models pull"), ("dpt_levit_224.pt", "get it from")])
def test_weights_that_are_not_here_are_told_where_they_are(name, words, tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants", reason="without it, it is that which is missing")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert words in why_absent(subject(name))
    assert why_absent(subject("dpt-mini")) is None


def test_an_encoder_alone_is_drawn(tmp_path):
    encoder = minidpt.AutoBackbone.from_config(minidpt.Dinov2Config(**DINOV2), backend="numpy")
    encoder.save_pretrained(tmp_path / "encoder")
    read = Reader(html_page(tmp_path / "encoder"))
    assert read.all("a", id="box-blocks.3")
    assert any("an encoder alone" in e[2] for e in read.all("p"))


def test_size_is_what_the_network_sees(folder):
    this, seen = activations.activations(subject(folder), None, (24, 56), None)
    assert this.size == (24, 56)
    assert seen.pictures["pixel_values"].shape == (24, 56, 3)
    assert seen.pictures["blocks.1"].shape == (3, 7, 3)


def test_the_page_of_the_embedded_model_is_small():
    text = html_page("dpt-mini")
    assert len(text) < 1_000_000
    assert {e[1]["id"] for e in Reader(text).all("h2")} >= {"bit", "embeddings", "blocks", "fused", "head"}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--image a.png", 2, "--html FILE"),
        ("--tree --html page.html", 2, "not allowed with"),
        ("--html page.html --image absent.png", 4, "'absent.png' does not exist"),
        ("--html page.html --image broken.png", 4, "broken.png"),
        ("--html page.html --size 32x40x3", 2, "HxW"),
        ("--html page.html --size 32x100", 3, "multiples of 16"),
        ("--html folder", 6, "folder: cannot be written"),
        ("--html broken.png/page.html", 6, "cannot be written"),
    ],
)
def test_bad_input_is_told_in_one_line(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("broken.png").write_bytes(b"no picture")
    assert cli.main(["inspect", "dpt-mini", *words.split()]) == code
    output = capsys.readouterr()
    assert message in output.err
    assert output.err.count("\n") == 1
    assert not Path("page.html").exists()


def test_the_command_writes_the_page(folder, photo, tmp_path, capsys):
    target = tmp_path / "new" / "page.html"
    assert cli.main(["inspect", str(folder), "--html", str(target), "--image", str(photo)]) == 0
    assert capsys.readouterr().out.startswith(str(target))
    assert Reader(target.read_text(encoding="utf-8")).all("h1")[0][2] == NASTY


def test_a_function_without_its_file_has_a_name_and_no_text():
    code = compile("def lost():\n    pass", "<nowhere>", "exec").co_consts[0]
    told = sources.full_name(code), sources.file_and_line(code), sources.source(code), sources.first_sentence(code)
    assert told == ("lost", "<nowhere>:1", sources.NOT_HERE, "")
