"""`sface generate`, and `sface generator train` and `import`."""

from argparse import Namespace
from typing import Any

from sface_lib.chapters.profiles import build_parameters
from sface_lib.cli.distributed import how_to_launch, print_once
from sface_lib.cli.options import (
    NEW_OR_SAME,
    ON_BAD_IMAGE,
    PARAMETERS,
    SEED,
    WEIGHTS_OUT,
    Commands,
    add_command,
    number,
    option,
    overrides,
    required,
    subcommands,
)
from sface_lib.cli.sets import print_skipped

GENERATE_OPTIONS = (
    option(
        "--weights",
        default="embedded",
        metavar="FILE",
        help="a generator trained or imported by sface; default: embedded, the shipped one",
    ),
    required("--out", "DIR|ZIP", NEW_OR_SAME),
    number("--per-class", 60, "images of each class"),
    option("--classes", type=int, metavar="N", help="the first N classes; default: all"),
    SEED,
    option("--psi", type=float, default=1.0, help="truncation, 0 to 1; default: 1, none"),
    number("--batch", 64, "images generated at once"),
    option(
        "--identity-model",
        metavar="FILE",
        help="recognition model that moves latents toward the mean embedding of their class",
    ),
    number("--identity-steps", 3, "gradient steps of each latent"),
    number("--identity-score", 0.3, "lowest score that is kept", "S"),
    option(
        "--aligned",
        type=float,
        metavar="SHARE",
        help="keep faces whose eyes are within this distance of the ArcFace template's, as a share of the side, e.g. "
        "0.06 (extra align)",
    ),
)
TRAIN_OPTIONS = (
    required("--out", "DIR", "checkpoints, log, and generator.safetensors"),
    option("--selection", metavar="CSV", help="a run's data/selection.csv, which lists the training images"),
    ON_BAD_IMAGE,
    *PARAMETERS,
)
IMPORT_OPTIONS = (
    option("pkl", metavar="PKL", help="network-snapshot-*.pkl of the official PyTorch code"),
    WEIGHTS_OUT,
)


def add_commands(commands: Commands) -> None:
    """`generate`, `generator train` and `generator import`."""
    add_command(
        commands,
        "generate",
        generate,
        GENERATE_OPTIONS,
        help="generate a labelled synthetic set",
        description="Generate images of every class as identity folders or a zip. A stopped run continues. "
        f"{how_to_launch('generate')}",
    )
    actions = subcommands(commands.add_parser("generator", help="train or import a generator"))
    add_command(
        actions,
        "train",
        train,
        TRAIN_OPTIONS,
        help="train a generator outside a report, on one or many processes",
        description="Train with the report's parameters of notebook 02 (sface report --help lists them). A stopped run "
        f"continues. {how_to_launch('generator train')}",
    )
    add_command(
        actions,
        "import",
        import_network,
        IMPORT_OPTIONS,
        help="read an official StyleGAN2-ADA network",
        description="Convert a StyleGAN2-ADA .pkl, without executing code in it, to a .safetensors file.",
    )


def generate(arguments: Namespace) -> None:
    """`sface generate`; under `torchrun`, in every process."""
    from sface_lib.chapters.study import weights_file
    from sface_lib.engine import make_accelerator
    from sface_lib.files import sha256_of_file
    from sface_lib.generators import SHIPPED_PATH, Order, generate_set, open_generator

    weights = weights_file(arguments.weights, SHIPPED_PATH)
    generator, accelerator = open_generator(weights), make_accelerator()
    generator.to(accelerator.device)
    classes = arguments.classes or generator.n_classes or 1
    order = Order(classes, arguments.per_class, arguments.seed, arguments.psi, arguments.batch)
    steering = _steering(arguments, generator, accelerator, classes) if arguments.identity_model else None
    recipe = (order, sha256_of_file(weights), steering, arguments.aligned)
    print_once(f"Faces: {generate_set(arguments.out, generator, accelerator, *recipe)}")


def _steering(arguments: Namespace, generator: Any, accelerator: Any, classes: int) -> Any:
    """How `--identity-model` moves the latents of each class toward the class's mean embedding."""
    from sface_lib.generators import Steering, class_means
    from sface_lib.recognition import open_model

    model = open_model(arguments.identity_model)
    means = class_means(generator, accelerator, model, classes, arguments.seed)
    return Steering(model, means, arguments.identity_steps, least_score=arguments.identity_score)


def train(arguments: Namespace) -> None:
    """`sface generator train`; under `torchrun`, in every process."""
    from sface_lib.chapters.generation.launch import train_generator, training_images
    from sface_lib.chapters.generation.parameters import GeneratorTrainingParameters

    settings = overrides(arguments.set)
    if arguments.on_bad_image == "skip":
        settings["on_bad_image"] = "skip"
    parameters = build_parameters(arguments.profile, settings, GeneratorTrainingParameters)
    faces, bad = training_images(parameters, arguments.selection)
    print_skipped(bad, len(faces) + len(bad))
    print_once(f"Weights: {train_generator(parameters, arguments.out, faces=faces)}")


def import_network(arguments: Namespace) -> None:
    """`sface generator import`."""
    from sface_lib.engine import require_safetensors
    from sface_lib.generators.stylegan2.foreign import import_stylegan2
    from sface_lib.generators.stylegan2.weights import TrainedPair, save_generator, save_pair

    require_safetensors(arguments.out)
    generator, discriminator = import_stylegan2(arguments.pkl)
    if discriminator is None:
        path = save_generator(arguments.out, generator)
    else:
        path = save_pair(arguments.out, TrainedPair(generator, discriminator, kimg=0.0, ada_p=0.0))
    print(f"Weights: {path}, {generator.spec.resolution_px} px, {generator.spec.n_classes} classes")
