"""What a model consists of and what it does to a picture, told without computing anything.

In reading order:
    dry_run      a forward pass that only counts: stages, shapes, products, memory, the functions behind each stage
    subject      the model that is looked at
    folding      blocks.{0..23} for what repeats
    screen       the architecture on one screen
    tree         every tensor, by our name and transformers'
"""

from .dry_run import Passage, Stage, passage, recorded_names, trace
from .screen import describe
from .subject import find
from .tree import tree

__all__ = ["Passage", "Stage", "describe", "find", "passage", "recorded_names", "trace", "tree"]
