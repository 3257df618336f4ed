"""README does what it says: its Python runs, its files exist, its commands are known."""

import re
from pathlib import Path

import numpy as np
import pytest

from minidpt.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def python_blocks(needs=""):
    """The blocks that need nothing but minidpt, or those under <!-- needs LIBRARY -->."""
    found = re.findall(r"(?:<!-- needs (\w+) -->\n)?```python\n(.*?)```", README, flags=re.DOTALL)
    return [code for needed, code in found if needed == needs]


def test_the_python_of_the_readme_runs_as_it_says(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    for code in python_blocks():
        exec(code, names)
    assert (names["result"]["predicted_depth"].shape, names["result"]["kind"]) == ((480, 640), "relative_inverse")
    assert names["inputs"]["pixel_values"].shape == (1, 3, 192, 192)
    assert names["tape"]["fused.3"].shape == (1, 96, 96, 32)
    assert np.array_equal(names["depth"], names["result"]["predicted_depth"])
    assert names["model"].num_parameters == 111_368_065
    assert [x.shape for x in names["maps"]] == [(1, 170, 768)] * 4


def test_the_figures_of_the_readme_are_drawn(monkeypatch):
    pytest.importorskip("matplotlib", reason="figures need the plot extra")
    monkeypatch.chdir(ROOT)
    names = {}
    for code in python_blocks(needs="matplotlib"):
        exec(code, names)
    assert names["patch"] == (7, 8)
    assert "fused.3: 96 × 96 × 32" in names["figure"].axes[-1].get_title()


def test_the_verbs_of_the_readme_exist():
    for verb in re.findall(r"bin/minidpt (\w+)", README):
        assert verb in VERBS


def test_links_lead_somewhere():
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall("^## (.+)$", README, re.M)
    }
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert link[1:] in anchors if link.startswith("#") else (ROOT / link).exists(), link


def test_the_way_of_the_data_names_what_its_files_define():
    rows = re.findall(r"\[[\w/]+\.py\]\((minidpt/[\w/]+\.py)\): ((?:`\w+` ?)+)", README)
    assert len(rows) >= 9
    for path, names in rows:
        code = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^(def|class) {name}\b", code, re.M), f"{path} defines no {name}"


def test_every_notebook_is_on_the_map():
    files = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [name[:2] for name in files] == [f"{number:02}" for number in range(13)]
    assert set(re.findall(r"notebooks/([\w]+\.ipynb)", README)) == set(files)


def test_the_set_up_commands_are_marked_for_ci():
    for marker in ("run", "test"):
        assert re.search(rf"<!-- {marker} -->\n```sh\n.+\n```", README), marker


def test_the_card_is_the_same_in_readme_and_assets():
    card = re.search("<!-- card -->\n(.*?)\n<!-- /card -->", README, flags=re.DOTALL).group(1)
    assert card in (ROOT / "minidpt" / "assets" / "dpt-mini" / "README.md").read_text(encoding="utf-8")
