"""How published numbers are written in the tables: outputs to check weights against, and measured quality."""

from typing import Any

COCO_CATS = "COCO val2017 000000039769"  # two cats on a sofa, 480 x 640


def outputs(picture: str, size: tuple[int, int], where: str, values: list, preparation: str = "") -> dict[str, Any]:
    """Numbers that the authors of transformers' conversions saw.

    size: (H, W) of the network's input   preparation: how it was made, if not by the row's processor
    """
    return {"picture": picture, "input": size, "where": where, "values": values, "preparation": preparation}


def zero_shot(diw: float, eth3d: float, sintel: float, tum: float, kitti: float, nyu: float) -> dict[str, Any]:
    """[MiDaS 3.1 README], lower is better: DIW WHDR, ETH3D and Sintel AbsRel, the rest % of pixels with ratio > 1.25"""
    return {"DIW": diw, "ETH3D": eth3d, "Sintel": sintel, "TUM": tum, "KITTI": kitti, "NYU": nyu}


def abs_rel_and_delta(**of: tuple[float, float]) -> dict[str, Any]:
    """[Depth Anything], zero shot on each data set: AbsRel, lower is better; share of pixels with ratio < 1.25"""
    return {name: {"AbsRel": abs_rel, "delta1": delta} for name, (abs_rel, delta) in of.items()}
