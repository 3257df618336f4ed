"""What a model consists of and what it does to a picture: on one screen, as a tree of tensors, as a page.

In reading order:
    dry_run      a forward pass that only counts: stages, shapes, products, memory, the functions behind each stage
    subject      the model that is looked at
    folding      blocks.{0..23} for what repeats
    screen       the architecture on one screen
    tree         every tensor, by our name and transformers'
    thumbnails   an activation as a small picture
    activations  a photo's, in every stage
    sources      where a function stands, and its text
    markup       HTML and SVG from calls
    drawing      the data flow to scale
    page         all of it on one page
"""

from .dry_run import Passage, Stage, passage, recorded_names, trace
from .page import html_page
from .screen import describe
from .subject import find
from .tree import tensor_tree

__all__ = ["Passage", "Stage", "describe", "find", "html_page", "passage", "recorded_names", "tensor_tree", "trace"]
