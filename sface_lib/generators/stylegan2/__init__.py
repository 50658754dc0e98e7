"""The class-conditional StyleGAN2-ADA: networks, augmentation, training, weights, import of foreign ones."""

from sface_lib.generators.stylegan2.networks import Discriminator, Generator, GeneratorSpec
from sface_lib.generators.stylegan2.recipe import GeneratorRecipe
from sface_lib.generators.stylegan2.training import GeneratorTrainer
from sface_lib.generators.stylegan2.weights import TrainedPair, load_generator, load_pair, save_generator, save_pair

__all__ = [
    "Discriminator",
    "Generator",
    "GeneratorRecipe",
    "GeneratorSpec",
    "GeneratorTrainer",
    "TrainedPair",
    "load_generator",
    "load_pair",
    "save_generator",
    "save_pair",
]
