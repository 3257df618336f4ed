"""The house rules of the project, enforced: file sizes, imports one way, heavy libraries only where they belong."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "minidpt"
CODE = sorted(
    path
    for folder in ("minidpt", "tests", "training", "tools", "benchmarks", "notebooks")
    for path in (ROOT / folder).rglob("*.py")
)
TEXTS = [p for p in ROOT.iterdir() if p.suffix in (".md", ".toml", ".yaml", ".py")] + [ROOT / ".ci" / "run"] + CODE

MAX_LINES = 400
BANNED_NAMES = {"utils", "helpers", "common", "misc"}

# A module may import only modules of lower rank, or its neighbours where the rank is a package of its own.
RANKS = {
    "errors": 0, "outputs": 0, "cpus": 0, "ops.compiling_numba": 0,
    "schema": 1, "presets": 1, "images": 1, "files": 1,
    "ops.layout": 1, "ops.pointwise": 1, "ops.attention": 1, "ops.resize": 2, "ops.conv": 3,
    "ops.buffers": 1, "ops.examples": 1, "ops.vector_math_numba": 1, "ops.micro_numba": 1,
    "ops.tiles_numba": 1.5, "ops.product_numba": 2, "ops.turns_numba": 2,
    "ops.pointwise_numba": 3, "ops.attention_numba": 3, "ops.winograd_numba": 3,
    "ops.resize_numba": 4, "ops.conv_numba": 4.5,
    "ops.device_cuda": 1, "ops.activations_cuda": 2, "ops.product_cuda": 3,
    "ops.cublas_cuda": 3.5, "ops.layout_cuda": 4, "ops.pointwise_cuda": 4, "ops.attention_cuda": 4,
    "ops.resize_cuda": 4.2, "ops.conv_cuda": 4.5,
    "ops.backends": 5, "ops.counting": 6, "ops": 6,
    "losses": 7, "params": 7, "recording": 7, "postprocessing": 7,
    "checkpoints": 7.5,
    "backbones.base": 8, "backbones.windows": 8, "backbones.vit": 9, "backbones.bit": 9, "backbones.swin": 9,
    "backbones.hybrid": 10, "backbones.dinov2": 10, "backbones.beit": 10, "backbones.deit": 10, "backbones.vitdet": 10,
    "backbones.swinv2": 10, "backbones.levit": 10, "backbones.nextvit": 10,
    "backbones": 11,
    "config": 12,
    "reassemble": 13, "fusion": 13, "heads": 13,
    "pretrained": 14,
    "auto_backbone": 15, "model": 16,
    "processing": 17, "render": 17, "components": 17,
    "saving": 18, "pipelines": 18, "diagnosis": 18, "visualize": 18,
    "inspection": 18.5,
    "verification": 19, "conversion": 19,
    "benchmarking": 20,
    "cli": 21,
}  # fmt: skip
PACKAGES = ("checkpoints", "presets", "visualize", "inspection", "verification", "benchmarking", "cli")


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rank_of(module):
    while module and module not in RANKS:
        module = module.rpartition(".")[0]
    return RANKS.get(module)


def imports(path):
    """(line, absolute module name, names) of every import in a file, those inside functions too."""
    package = ["minidpt", *path.relative_to(PACKAGE).parts[:-1]] if PACKAGE in path.parents else []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield node.lineno, ".".join([*base, *([node.module] if node.module else [])]), [a.name for a in node.names]


def imported_modules(path):
    """The minidpt modules that a file imports, `from . import x` resolved to x where x is a module."""
    for line, module, names in imports(path):
        if module.split(".")[0] == "minidpt":
            inner = module.removeprefix("minidpt").removeprefix(".")
            for name in names or [""]:
                below = ".".join(filter(None, [inner, name]))
                is_module = (PACKAGE / below.replace(".", "/")).with_suffix(".py").exists() or (
                    name and (PACKAGE / below.replace(".", "/") / "__init__.py").exists()
                )
                yield line, below if is_module else inner


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_are_short_and_named_for_what_they_are(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{path.name} has {lines} lines"
    assert path.stem not in BANNED_NAMES


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    module = module_of(path)
    if module in ("", "__main__"):
        return
    rank = rank_of(module)
    assert rank is not None, f"{module} has no place in RANKS"
    for line, target in imported_modules(path):
        if not target:
            continue  # the package itself: lazy names and the version
        neighbours = module.split(".")[0] == target.split(".")[0] and target.split(".")[0] in PACKAGES
        assert neighbours or rank_of(target) < rank, f"{path.name}:{line} imports {target}, which is not below {module}"


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_where_they_belong(path):
    folder, in_ops = path.relative_to(ROOT).parts[0], path.parent == PACKAGE / "ops"
    for line, module, names in imports(path):
        library, where = module.split(".")[0], f"{path.name}:{line}"
        if library in ("torch", "transformers", "onnx", "onnxruntime", "openvino"):
            assert folder in ("tests", "training", "benchmarks"), f"{where} imports {library}"
        if library == "numba" and folder == "minidpt":
            assert in_ops, f"{where} imports numba"
            assert path.stem.endswith(("_numba", "_cuda")), f"{where} imports numba"
        if module.startswith("numba.cuda") or (module == "numba" and "cuda" in names):
            assert path.stem == "device_cuda", f"{where} imports numba.cuda"
        if library == "nvmath":
            assert folder == "tests", f"{where} imports nvmath: ops/cublas_cuda.py reaches it through importlib"
        if library == "training":
            assert folder != "minidpt", f"{where} imports training"


FOREIGN = re.compile(r"(torch|transformers|safetensors\.torch|onnx|onnxruntime|openvino)\b")
GATES = {"verification": "counterpart.py", "benchmarking": "engines.py"}


def test_other_engines_enter_the_package_through_one_file_each():
    """Imports by a name in quotes: the comparison with transformers and the benchmarks, and nothing else, ask for them.

    counterpart.py: to compare results   engines.py: to compare times
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and name in ("import_module", "__import__", "library"):
                words = [c.value for c in ast.walk(node) if isinstance(c, ast.Constant)]
                if any(FOREIGN.match(str(word)) for word in words):
                    assert path.parent.parent == PACKAGE, f"{path.name}:{node.lineno}"
                    assert path.parent.name in GATES, f"{path.name}:{node.lineno}"
                    assert name == "library" or path.name == GATES[path.parent.name], f"{path.name}:{node.lineno}"


def test_only_the_command_line_prints():
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "cli":
            calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
            assert not [n.lineno for n in calls if getattr(n.func, "id", "") == "print"], path.name


def test_no_path_of_a_machine_and_no_package_index_is_named():
    pattern = re.compile("/" + r"(work|root|home|Users)/|" + "pypi" + r"\.|" + "index" + "-url")
    for path in TEXTS:
        found = pattern.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name} names {found.group()!r}"


def test_importing_minidpt_imports_nothing_heavy():
    code = (
        "import sys, minidpt, minidpt.cli; "
        "print(*[m for m in ('numpy', 'numba', 'scipy', 'PIL', 'safetensors', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == []


def test_the_numpy_path_runs_without_numba(tmp_path):
    code = (
        "import sys; sys.modules['numba'] = None; import numpy as np; from minidpt import DPTConfig, "
        "DPTForDepthEstimation as D; c = DPTConfig(hidden_size=16, num_attention_heads=2, intermediate_size=8, "
        "num_hidden_layers=4, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[4, 4, 4, 4], image_size=32, "
        "fusion_hidden_size=8); print(D(c)(np.zeros((1, 3, 32, 32))).predicted_depth.shape)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "(1, 32, 32)"


def test_every_public_name_can_be_imported():
    import minidpt

    for name in minidpt.__all__:
        assert getattr(minidpt, name).__doc__, f"{name} has no docstring"
    assert set(minidpt.__all__) <= set(dir(minidpt))
    with pytest.raises(AttributeError, match="no attribute"):
        minidpt.no_such_name  # noqa: B018
