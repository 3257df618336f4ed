"""HTML and SVG from calls: whatever is not markup already is escaped, and what is opened is closed."""

import base64
import io
from html import escape

import numpy as np
from PIL import Image

VOID = {"meta", "img"}  # elements of HTML that have no end tag


class Markup(str):
    """Text that may stand in a page as it is."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """<tag attributes>children</tag>.   class_ stands for class, aria_label for aria-label; None leaves one out"""
    told = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{tag}{told}>" if tag in VOID else f"<{tag}{told}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Markup:
    """One after the other, escaped where they are no markup."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def png(picture: np.ndarray) -> str:
    """A picture as an address that holds it.   (H, W, 3) uint8"""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
