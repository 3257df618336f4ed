"""`minidpt models`: what is known, what is here, fetching, checking and removing, against a stand-in of the Hub."""

import contextlib
import json
import sys
from pathlib import Path

import pytest
from hub_stand_in import COMMIT, command_lines, run_python

from minidpt import HubError, cli, params
from minidpt.checkpoints import hub, licences, locate
from minidpt.inspection import find
from minidpt.presets import EMBEDDED, PRESETS

COMMAND = "import sys; from minidpt.cli import main; sys.exit(main(sys.argv[1:]))"
FULL_DISK = """
import collections, shutil
shutil.disk_usage = lambda path: collections.namedtuple("usage", "total used free")(10, 9, 1)
"""
OWN = ("config.json", "model.safetensors", "preprocessor_config.json")
RESTRICTED = "depth-anything/Depth-Anything-V2-Large-hf"


@pytest.fixture
def models(stand_in, tmp_path):
    """models(*words) -> the exit code, what was said, and the last line of stderr, where errors are."""

    started = {}
    with contextlib.ExitStack() as stack:

        def run(*words, **settings):
            key = tuple(settings.items())
            if key not in started:
                started[key] = stack.enter_context(command_lines(stand_in, tmp_path, **settings))
            code, out, err = started[key](["models", *words])
            return code, out, (err.strip().splitlines() or [""])[-1]

        yield run


def repository(tmp_path, name="owner/tiny"):
    return tmp_path / "cache" / "hub" / f"models--{name.replace('/', '--')}"


def blob(tmp_path, file="model.safetensors", commit=COMMIT):
    return (repository(tmp_path) / "snapshots" / commit / file).resolve()


# ---------------------------------------------------------------- list


def test_list_shows_every_model_offline(models, stand_in):
    code, out, _ = models("list", HF_HUB_OFFLINE="1")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == [*EMBEDDED, *PRESETS]
    assert "in minidpt itself" in lines[0]
    restricted = next(line for line in lines if line.startswith(RESTRICTED))
    assert "cc-by-nc-4.0, NOT FOR COMMERCIAL USE" in restricted
    assert "not here" in restricted
    assert stand_in.downloads == []


def test_list_tells_what_is_cached(models, stand_in):
    stand_in.ids.add("Intel/dpt-large")
    assert models("pull", "dpt-large")[0] == 0
    records = {record["id"]: record for record in map(json.loads, models("list", "--json")[1].splitlines())}
    assert records["Intel/dpt-large"]["where"] == "cached"
    assert records["Intel/dpt-large-ade"]["where"] is None
    assert records["dpt-mini"]["where"] == "embedded"
    assert records["Intel/dpt-large"]["parameters"] == 343_030_465
    assert records["Intel/dpt-beit-base-384"]["bytes_are"] == "float32 parameters"


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_models_row_is_true(name):
    row, (model, config, _) = EMBEDDED[name], find(name)
    assert sum(path.stat().st_size for path in locate(name).weights) == row["bytes"]
    assert params.count(model.tensors(config)) == row["parameters"]
    assert row["kind"] == (config.kind if model.architecture.endswith("DepthEstimation") else "segmentation")


def test_list_works_without_the_extra_and_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert cli.main(["models", "list"]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == len(PRESETS) + len(EMBEDDED)
    assert output.err.count("\n") == 1
    assert "pip install huggingface_hub" in output.err


# ---------------------------------------------------------------- pull and path


def test_pull_fetches_exactly_what_loading_reads_and_path_finds_it(models, stand_in, tmp_path):
    (stand_in.folder / "README.md").write_text("not needed")
    assert models("path", "owner/tiny")[0] == 3
    code, out, _ = models("pull", "owner/tiny")
    size = (stand_in.folder / "model.safetensors").stat().st_size
    assert code == 0
    assert f"{size / 1e3:.3g} kB downloaded" in out
    assert sorted({Path(path).name for path in stand_in.downloads}) == sorted(OWN)
    folder = repository(tmp_path) / "snapshots" / COMMIT
    assert models("path", "owner/tiny", HF_HUB_OFFLINE="1") == (0, f"{folder}\n", "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(OWN)
    asked = len(stand_in.downloads)
    assert "nothing downloaded" in models("pull", "owner/tiny")[1]
    assert "nothing downloaded" in models("pull", "owner/tiny", "--revision", COMMIT)[1]
    assert models("pull", "owner/tiny", HF_HUB_OFFLINE="1")[0] == 0
    assert len(stand_in.downloads) == asked


def test_pull_fetches_shards(models, stand_in):
    weights = stand_in.folder / "model.safetensors"
    weights.rename(stand_in.folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"any": "model-00001-of-00001.safetensors"}}
    (stand_in.folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert models("pull", "owner/tiny")[0] == 0
    assert models("verify", "owner/tiny", HF_HUB_OFFLINE="1")[0] == 0


def test_half_a_model_is_not_called_cached(models, tmp_path):
    models("pull", "owner/tiny")
    (repository(tmp_path) / "snapshots" / COMMIT / "model.safetensors").unlink()
    code, out, error = models("path", "owner/tiny")
    assert (code, out) == (3, "")
    assert "not whole; fetch it with: minidpt models pull owner/tiny" in error


def test_pull_stops_before_the_weights_when_they_do_not_fit(models, stand_in):
    code, _, error = models("pull", "owner/tiny", before=FULL_DISK)
    size = (stand_in.folder / "model.safetensors").stat().st_size
    assert code == 6
    assert f"needs {size:,} bytes and 1 are free" in error
    assert not any(path.endswith(".safetensors") for path in stand_in.downloads)


def test_a_disk_that_fills_while_downloading_is_out_of_resources(models):
    before = (
        "import huggingface_hub\n"
        "def full(*_, **__): raise OSError(28, 'No space left on device')\n"
        "huggingface_hub.hf_hub_download = full\n"
    )
    code, _, error = models("pull", "owner/tiny", before=before)
    assert code == 6
    assert "config.json does not fit on the disk" in error


@pytest.mark.parametrize(
    ("words", "environment", "code", "message"),
    [
        (["pull", "owner/tony"], {}, 5, "the Hub has no such model"),
        (["pull", "Intel/dpt-lage"], {}, 5, "did you mean Intel/dpt-large?"),
        (["pull", "owner/tiny", "--revision", "v9"], {}, 5, "no revision 'v9'"),
        (["pull", "owner/tiny"], {"HF_HUB_OFFLINE": "1"}, 5, "not in the cache and the Hub cannot be reached"),
        (["pull", "owner/tiny"], {"HF_ENDPOINT": "http://127.0.0.1:9"}, 5, "cannot be reached"),
        (["pull", "dpt-lage"], {}, 3, "did you mean Intel/dpt-large?"),
        (["pull", "dpt_swin_large_384.pt"], {}, 3, "get it from the releases of github.com/isl-org/MiDaS"),
        (["path", "owner/tiny"], {}, 3, "not in the cache"),
        (["verify", "owner/tiny"], {}, 3, "not in the cache"),
        (["rm", "owner/tiny"], {}, 3, "not in the cache"),
        (["path", "no such thing"], {}, 3, "not a Hub id"),
        (["remove", "owner/tiny"], {}, 2, "invalid choice"),
        (["pull"], {}, 2, "required: ID"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(models, words, environment, code, message):
    found, out, error = models(*words, **environment)
    assert (found, out) == (code, "")
    assert error.startswith("error: ")
    assert message in error


def test_a_non_commercial_licence_is_noted_once_when_pulled(stand_in, tmp_path):
    stand_in.ids.add(RESTRICTED)
    run = run_python(stand_in, tmp_path, COMMAND, "models", "pull", "Depth-Anything-V2-Large-hf")
    assert run.returncode == 0
    notes = [line for line in run.stderr.splitlines() if line.startswith("note: ")]
    assert notes == [f"note: {RESTRICTED}: its licence, cc-by-nc-4.0, allows no commercial use"]
    assert run.stderr.startswith(notes[0])  # before anything is fetched


def test_other_verbs_note_the_licence_too(monkeypatch, capsys):
    def fetch(repo_id, filename, *, revision=None):
        raise HubError("no network")

    licences._say.cache_clear()
    monkeypatch.setattr(hub, "fetch", fetch)
    assert cli.main(["inspect", RESTRICTED]) == 0  # looks at no weights
    assert cli.main(["convert", RESTRICTED, "folder"]) == 5
    assert cli.main(["convert", RESTRICTED, "folder"]) == 5
    note, *errors = capsys.readouterr().err.splitlines()
    assert note.startswith(f"note: {RESTRICTED}: its licence, cc-by-nc-4.0,")
    assert errors == ["error: no network"] * 2


@pytest.mark.parametrize("words", [["pull", "owner/a"], ["path", "owner/a"], ["verify", "owner/a"], ["rm", "owner/a"]])
def test_without_the_extra_one_line_says_what_to_install(monkeypatch, capsys, words):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert cli.main(["models", *words]) == 5
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install huggingface_hub" in error


def test_the_embedded_model_needs_nothing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for action, said in (("pull", "nothing to fetch"), ("path", "dpt-mini"), ("verify", "sound"), ("rm", "stays")):
        assert cli.main(["models", action, "dpt-mini"]) == 0
        assert said in capsys.readouterr().out
    assert locate("dpt-mini").weights[0].exists()


# ---------------------------------------------------------------- verify


def test_verify_hashes_and_reads_headers(models):
    models("pull", "owner/tiny")
    code, out, _ = models("verify", "owner/tiny", HF_HUB_OFFLINE="1")
    assert code == 0
    lines = out.splitlines()
    assert [line.split(":")[0] for line in lines] == [*OWN, "owner/tiny"]
    assert "sha1 as on the Hub" in lines[0]
    assert "sha256 as on the Hub" in lines[1]
    assert "headers sound" in lines[3]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_verify_finds_one_wrong_bit(models, tmp_path, file):
    models("pull", "owner/tiny")
    path = blob(tmp_path, file)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    code, out, error = models("verify", "owner/tiny")
    assert code == 3
    assert f"{file}: {len(content):,} bytes, sha" in out
    assert "differs" in out
    assert f"{file} not as on the Hub; do minidpt models rm owner/tiny, then pull it" in error
    assert models("rm", "owner/tiny")[0] == 0
    models("pull", "owner/tiny")
    assert models("verify", "owner/tiny")[0] == 0


def test_where_the_cache_has_copies_the_hub_is_asked_for_checksums(models, tmp_path):
    models("pull", "owner/tiny")
    for file in OWN:
        path = repository(tmp_path) / "snapshots" / COMMIT / file
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    code, out, _ = models("verify", "owner/tiny")
    assert (code, out.count("as on the Hub")) == (0, 3)
    code, out, _ = models("verify", "owner/tiny", HF_HUB_OFFLINE="1")
    assert (code, out.count("checksum not known")) == (0, 3)


def test_verify_reads_headers_even_where_no_checksum_is_known(models, stand_in):
    (stand_in.folder / "model.safetensors").write_bytes(b"\x00" * 64)
    models("pull", "owner/tiny")
    code, out, error = models("verify", "owner/tiny")
    assert code == 3
    assert "sha256 as on the Hub" in out  # the Hub itself has it so
    assert "model.safetensors" in error


# ---------------------------------------------------------------- rm


def test_rm_says_what_and_how_much_and_leaves_the_rest(models, stand_in, tmp_path):
    stand_in.ids.add("owner/fork")  # which shares the commit
    models("pull", "owner/tiny")
    models("pull", "owner/fork")
    size = sum((stand_in.folder / file).stat().st_size for file in OWN)
    code, out, _ = models("rm", "owner/fork")
    assert code == 0
    assert out == f"owner/fork: removed 1 revision, {size:,} bytes\n"
    assert not repository(tmp_path, "owner/fork").exists()
    assert models("path", "owner/tiny")[0] == 0
    assert models("rm", "owner/fork")[0] == 3


def test_rm_of_one_revision_keeps_the_others(models, stand_in, tmp_path):
    models("pull", "owner/tiny")
    stand_in.commit = COMMIT[::-1]
    config = stand_in.folder / "config.json"
    config.write_text(config.read_text() + "\n")
    models("pull", "owner/tiny")
    assert "1 revision" in models("rm", "owner/tiny", "--revision", COMMIT)[1]
    assert [path.name for path in (repository(tmp_path) / "snapshots").iterdir()] == [COMMIT[::-1]]
    assert models("verify", "owner/tiny", HF_HUB_OFFLINE="1")[0] == 0
    assert models("rm", "owner/tiny", "--revision", "v9")[0] == 3
    assert "1 revision" in models("rm", "owner/tiny", "--revision", "main")[1]


def test_rm_removes_nothing_outside_the_cache(models, stand_in, tmp_path):
    models("pull", "owner/tiny")
    outside = tmp_path / "precious"
    outside.mkdir()
    (outside / "file").write_text("mine")
    stand_in.commit = COMMIT[::-1]
    models("pull", "owner/tiny")
    link = repository(tmp_path) / "snapshots" / COMMIT / "linked"
    link.symlink_to(outside / "file")
    code, _, error = models("rm", "owner/tiny", "--revision", COMMIT)
    assert code == 3
    assert "leads out of the cache; nothing was removed" in error
    assert models("path", "owner/tiny", "--revision", COMMIT)[0] == 0
    models("rm", "owner/tiny")  # the whole repository goes, links are cut and not followed
    assert not repository(tmp_path).exists()
    assert (outside / "file").read_text() == "mine"


def test_rm_says_where_what_it_cannot_understand_lies(models, tmp_path):
    models("pull", "owner/tiny")
    blob(tmp_path).unlink()
    code, _, error = models("rm", "owner/tiny")
    assert code == 3
    assert f"{repository(tmp_path)} is no sound part of the cache; look at it and remove it by hand" in error
    assert (repository(tmp_path) / "refs" / "main").exists()


def test_rm_refuses_a_repository_that_is_a_link(models, tmp_path):
    models("pull", "owner/tiny")
    elsewhere = tmp_path / "elsewhere"
    repository(tmp_path).rename(elsewhere)
    repository(tmp_path).symlink_to(elsewhere)
    code, _, error = models("rm", "owner/tiny")
    assert code == 3
    assert "leads out of the cache" in error
    assert (elsewhere / "snapshots" / COMMIT / "config.json").exists()
