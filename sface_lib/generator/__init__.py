"""The class-conditional GAN: networks, training, sampling."""

from sface_lib.generator.networks import Discriminator, Generator, GeneratorSpec
from sface_lib.generator.sampling import draw, draw_set, load_generator, save_generator
from sface_lib.generator.training import GeneratorRecipe, GeneratorTrainer

__all__ = [
    "Discriminator",
    "Generator",
    "GeneratorRecipe",
    "GeneratorSpec",
    "GeneratorTrainer",
    "draw",
    "draw_set",
    "load_generator",
    "save_generator",
]
