"""`sface embed`, and `sface recognition train`."""

from argparse import Namespace
from pathlib import Path

from sface_lib.chapters.profiles import build_parameters
from sface_lib.cli.distributed import how_to_launch, print_once
from sface_lib.cli.options import (
    PARAMETERS,
    READING,
    SEED,
    Commands,
    add_command,
    option,
    overrides,
    required,
    sets_of_faces,
    subcommands,
)
from sface_lib.cli.protocols import open_images
from sface_lib.cli.sets import joined, selected_sets, usable
from sface_lib.errors import InputError

EMBED_OPTIONS = (
    required("--model", "FILE", "weights of a recognition model"),
    *sets_of_faces("the images; may be repeated for further sets"),
    required("--out", "DIR", "the folder; embeddings that are there are kept"),
    option("--single", action="store_true", help="embed the images alone, not their mirror images as well"),
    option("--precision", default="auto", choices=("auto", "float32", "bf16"), metavar="P", help="default: auto"),
    *READING,
)
TRAIN_OPTIONS = (
    *sets_of_faces("training images; may be repeated: each set has identities of its own"),
    option("--strategy", default="CLS", metavar="S", help="CLS (labels), KT (a teacher), CL; default: CLS"),
    option("--teacher", metavar="FILE", help="weights of the frozen teacher of KT and CL"),
    required("--out", "DIR", "checkpoints, log, and model.safetensors"),
    option("--protocol", metavar="FILE", help="verification pairs for validation"),
    option("--images", metavar="SET", help="the faces that those pairs name"),
    *READING,
    SEED,
    *PARAMETERS,
)


def add_commands(commands: Commands) -> None:
    """`embed` and `recognition train`."""
    add_command(
        commands,
        "embed",
        embed,
        EMBED_OPTIONS,
        help="embed sets of faces, on one or many processes",
        description="Write embeddings, keyed by the SHA-256 of their images, as safetensors files into a folder. The "
        f"notebooks of a report share such a folder. {how_to_launch('embed')}",
    )
    add_command(
        subcommands(commands.add_parser("recognition", help="train a recognition model")),
        "train",
        train,
        TRAIN_OPTIONS,
        help="train a recognition model outside a report, on one or many processes",
        description="Train with the report's parameters of notebook 04 (sface report --help lists them). A stopped run "
        f"continues. {how_to_launch('recognition train')}",
    )


def embed(arguments: Namespace) -> None:
    """`sface embed`; under `torchrun`, in every process."""
    from sface_lib.engine import make_accelerator
    from sface_lib.recognition import keep_embeddings, open_model

    accelerator, faces = make_accelerator(arguments.precision), joined(selected_sets(arguments))
    keep_embeddings(open_model(arguments.model), faces, accelerator, Path(arguments.out), not arguments.single)
    print_once(f"Embeddings: {arguments.out}, {len(faces):,} images")


def train(arguments: Namespace) -> None:
    """`sface recognition train`; under `torchrun`, in every process."""
    from sface_lib.chapters.training.launch import MODEL_FILE, train_recognition
    from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
    from sface_lib.data import FaceBatches, read_protocol
    from sface_lib.recognition import open_model, resolve_pairs, used_images

    parameters = build_parameters(arguments.profile, overrides(arguments.set), RecognitionTrainingParameters)
    if arguments.protocol and (not parameters.validation_interval_steps or parameters.validation_identities):
        raise InputError(
            f"validation would not use {arguments.protocol}: set validation_interval_steps above 0 and "
            "validation_identities=0, or leave --protocol out"
        )
    faces = joined([usable(each) for each in selected_sets(arguments)])
    teacher, judged_on = open_model(arguments.teacher) if arguments.teacher else None, None
    if arguments.protocol:
        protocol = read_protocol(arguments.protocol)
        images = open_images(arguments, protocol)
        judged_on = used_images(images, resolve_pairs(protocol, images))
    data = FaceBatches(faces, parameters.recognition_resolution_px)
    train_recognition(parameters, arguments.strategy, data, arguments.out, arguments.seed, teacher, judged_on)
    print_once(f"Weights: {Path(arguments.out) / MODEL_FILE}")
