"""Render scenes, train dpt-mini on them, score it.

python -m training render     pictures with exact depth, 37 a second on two cores
python -m training train      one piece; --resume after a stop, --init from the weights of the piece before
python -m training evaluate   both heads on rendered scenes: depth beside constant, vertical gradient and best plane
python -m training gates      what the model has to reach on photographs, and whether it does
python -m training sheet      photographs beside depth and classes of one model or several
python -m training picture    an example picture, drawn by today's renderer
python -m training card       convert a trained folder into the package and write its card
python -m training reproduce  render, train (all pieces of plan.RECIPE) and evaluate, with one seed
"""

import argparse
from dataclasses import fields, replace
from pathlib import Path

from .plan import RECIPE, Plan, keep_memory

DATA, RUN = Path("training/data"), Path("training/runs/dpt-mini")
PICTURES, HELD_OUT, SIZE = 21_000, 256, 160


def add_workers(p: argparse.ArgumentParser) -> None:
    p.add_argument("--held-out", type=int, default=HELD_OUT)
    p.add_argument("--workers", type=int, default=2)


def add_render(p: argparse.ArgumentParser) -> None:
    p.add_argument("--pictures", type=int, default=PICTURES)
    p.add_argument("--size", type=int, default=SIZE, help="pixels a side")


def add_plan(p: argparse.ArgumentParser) -> None:
    for field in fields(Plan):
        if isinstance(field.default, bool):
            p.add_argument("--" + field.name, action="store_true", help="start the transformer's blocks anew")
        elif field.name != "seed":
            p.add_argument("--" + field.name, type=type(field.default), default=field.default)
    p.add_argument("--init", type=Path, help="start from this saved folder's weights")


def add_train(p: argparse.ArgumentParser) -> None:
    p.add_argument("--out", type=Path, default=RUN)
    p.add_argument("--device", default="cpu", help="cpu or cuda")
    p.add_argument("--resume", action="store_true", help="continue the run that was stopped in --out")


def add_evaluate(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", type=Path, help="write the numbers here")
    p.add_argument("--limit", type=int, help="score only the first so many held-out pictures")
    p.add_argument("--pair", type=Path, nargs=2, metavar=("COLOUR", "DEPTH"), help="a photograph and its uint16 mm PNG")


def add_gates(p: argparse.ArgumentParser) -> None:
    p.add_argument("--pair", type=Path, nargs=2, action="append", default=[], metavar=("COLOUR", "DEPTH"))
    p.add_argument("--reference", type=Path, nargs=2, action="append", default=[], metavar=("PHOTO", "MAP"))
    p.add_argument("--json", type=Path, help="write the gates here")


def add_sheet(p: argparse.ArgumentParser) -> None:
    p.add_argument("--models", type=Path, nargs="+", required=True, help="saved folders, or dpt-mini")
    p.add_argument("--photos", type=Path, nargs="+", required=True)
    p.add_argument("--out", type=Path, required=True)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    names = ("render", "train", "evaluate", "gates", "sheet", "card", "picture", "reproduce")
    parts = {name: commands.add_parser(name) for name in names}
    for name, p in parts.items():
        if name in ("render", "train", "evaluate", "reproduce"):
            p.add_argument("--data", type=Path, default=DATA, help="folder of the rendered pictures")
        if name in ("render", "train", "reproduce"):
            p.add_argument("--seed", type=int, default=0)
        if name in ("render", "reproduce"):
            add_workers(p)
        if name == "render":
            add_render(p)
        if name in ("train", "reproduce"):
            add_train(p)
        if name == "train":
            add_plan(p)
        if name in ("evaluate", "reproduce"):
            add_evaluate(p)
    for name in ("evaluate", "gates", "card"):
        parts[name].add_argument("--model", type=Path, default=RUN, help="a saved folder")
    add_gates(parts["gates"])
    add_sheet(parts["sheet"])
    parts["card"].add_argument("--scores", type=Path, required=True, help="what evaluate --json wrote, with --pair")
    parts["card"].add_argument("--gates", type=Path, required=True, help="what gates --json wrote")
    parts["picture"].add_argument("--out", type=Path, required=True)
    return parser


def run_train(a: argparse.Namespace) -> None:
    from .train import train

    plan = Plan(**{field.name: getattr(a, field.name) for field in fields(Plan)})
    train(a.data, a.out, plan, device=a.device, init=a.init, resume=a.resume)


def run_recipe(a: argparse.Namespace) -> tuple[Path, Path]:
    """Every piece of the recipe, its scenes and its weights in folders of their own; the last piece's two folders."""
    from .dataset import render_all
    from .train import train

    folder, data = None, a.data
    for number, (scenes, pictures, rendered, plan) in enumerate(RECIPE):
        before, folder, data = folder, a.out / f"piece{number}", a.data / f"{scenes}-{rendered}"
        render_all(data, pictures, a.held_out, rendered, a.workers, a.seed + scenes)
        done = (folder / "model.safetensors").exists()
        if not (a.resume and done):
            seeded = replace(plan, seed=a.seed + plan.seed, processes=plan.processes if a.device == "cpu" else 1)
            resume = a.resume and (folder / "state.pt").exists()
            train(data, folder, seeded, device=a.device, init=before, resume=resume)
    return folder, data


def run_evaluate(a: argparse.Namespace, model: Path, data: Path) -> None:
    from .evaluate import evaluate_folder

    evaluate_folder(model, data, limit=a.limit, pair=a.pair, json_path=a.json)


def main() -> None:
    a = build_parser().parse_args()
    if a.command in ("train", "reproduce"):
        keep_memory()
    if a.command == "render":
        from .dataset import render_all

        render_all(a.data, a.pictures, a.held_out, a.size, a.workers, a.seed)
    if a.command == "train":
        run_train(a)
    if a.command == "evaluate":
        run_evaluate(a, a.model, a.data)
    if a.command == "reproduce":
        run_evaluate(a, *run_recipe(a))
    if a.command == "gates":
        from .gates import gates_of_folder

        gates_of_folder(a.model, a.pair, a.reference, a.json)
    if a.command == "sheet":
        from .sheet import draw_sheet

        draw_sheet(a.models, a.photos).save(a.out)
    if a.command == "card":
        from .card import install

        install(a.model, a.scores, a.gates, Path("minidpt/assets/dpt-mini"), Path("README.md"), Path("training"))
    if a.command == "picture":
        from .picture import save_example

        save_example(a.out)


if __name__ == "__main__":
    main()
