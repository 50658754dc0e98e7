"""Generators: their contract and kinds, sampling of whole sets, steering, and the quality of what they draw."""

from sface_lib.generators.contract import FaceGenerator, GeneratorKind, HasLatents, Trainer
from sface_lib.generators.opening import GENERATORS, open_generator, save_generator
from sface_lib.generators.quality import memorisation
from sface_lib.generators.sampling import draw, seeded_normal
from sface_lib.generators.sets import Order, generate_set, generate_unlabelled, pack_set
from sface_lib.generators.shipped import SHIPPED_PATH, shipped_log
from sface_lib.generators.steering import Steering, class_means

__all__ = [
    "FaceGenerator",
    "GENERATORS",
    "GeneratorKind",
    "HasLatents",
    "Order",
    "SHIPPED_PATH",
    "Steering",
    "Trainer",
    "class_means",
    "draw",
    "generate_set",
    "generate_unlabelled",
    "memorisation",
    "open_generator",
    "pack_set",
    "save_generator",
    "seeded_normal",
    "shipped_log",
]
