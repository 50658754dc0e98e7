"""The class-conditional GAN: networks, augmentation, training, sampling, quality, import of foreign weights."""

from sface_lib.generator.networks import Discriminator, Generator, GeneratorSpec
from sface_lib.generator.quality import memorisation
from sface_lib.generator.recipe import GeneratorRecipe
from sface_lib.generator.sampling import draw
from sface_lib.generator.sets import Order, generate_set, generate_unlabelled, pack_set
from sface_lib.generator.steering import Steering, class_means
from sface_lib.generator.training import GeneratorTrainer
from sface_lib.generator.weights import (
    SHIPPED_PATH,
    TrainedPair,
    load_generator,
    load_pair,
    save_generator,
    save_pair,
    shipped_log,
)

__all__ = [
    "Discriminator",
    "SHIPPED_PATH",
    "Generator",
    "GeneratorRecipe",
    "GeneratorSpec",
    "GeneratorTrainer",
    "Order",
    "Steering",
    "TrainedPair",
    "class_means",
    "draw",
    "generate_set",
    "generate_unlabelled",
    "load_generator",
    "load_pair",
    "memorisation",
    "pack_set",
    "save_generator",
    "save_pair",
    "shipped_log",
]
