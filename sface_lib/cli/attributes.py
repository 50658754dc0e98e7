"""`sface annotate`, and `sface attributes train` and `ship`."""

from argparse import Namespace

from sface_lib.cli.distributed import how_to_launch, print_once
from sface_lib.cli.options import (
    READING,
    SEED,
    WEIGHTS_OUT,
    Commands,
    add_command,
    choice,
    number,
    option,
    required,
    subcommands,
)
from sface_lib.cli.sets import open_set, usable

ANNOTATE_OPTIONS = (
    option("faces", metavar="SET", help="a set of faces, labelled or not"),
    *READING,
    required("--out", "FILE", "a new file that ends in .parquet"),
    option(
        "--classifier",
        default="embedded",
        metavar="FILE",
        help="a classifier of `sface attributes train`; default: embedded, the shipped one, for rendered faces",
    ),
    option(
        "--embedder",
        metavar="FILE",
        help="recognition model of the classifier's embeddings; default: the one in its file, else the shipped one",
    ),
    number("--passes", 20, "stochastic passes that give the confidence"),
    number("--seed", 0, "of the stochastic passes", metavar=None),
)
TRAIN_OPTIONS = (
    required("--faces", "SET", "the annotated images"),
    *READING,
    required("--table", "FILE", "annotations of the images"),
    WEIGHTS_OUT,
    required("--work", "DIR", "for checkpoints"),
    option(
        "--embedder",
        metavar="FILE",
        help="recognition model whose embeddings are classified; default: a network is trained on the images",
    ),
    choice("--missing", ("stop", "skip"), "images without annotation are an error, or are left out"),
    number("--size", 64, "side of the images", "PX"),
    number("--steps", 7000, "training steps, each of 64 images"),
    SEED,
)
SHIP_OPTIONS = (
    WEIGHTS_OUT,
    required("--work", "DIR", "for the rendered images and checkpoints"),
    number("--workers", 1, "rendering processes"),
)


def add_commands(commands: Commands) -> None:
    """`annotate`, `attributes train` and `attributes ship`."""
    add_command(
        commands,
        "annotate",
        annotate,
        ANNOTATE_OPTIONS,
        help="predict the attributes of every image of a set",
        description="Write labels, probabilities and confidences of up to 47 attributes as one parquet table. "
        f"A stopped run continues. {how_to_launch('annotate')}",
    )
    actions = subcommands(commands.add_parser("attributes", help="train an attribute classifier"))
    add_command(
        actions,
        "train",
        train,
        TRAIN_OPTIONS,
        help="train, calibrate and evaluate a classifier on annotated faces",
        description="Annotations: MAAD-Face's CSV, CelebA's list_attr_celeba.txt, the population's parquet tables, or "
        "a CSV of a column `name` and MAAD-Face's attributes (1 present, -1 absent, 0 undefined). A tenth of the "
        "identities serves for calibration, another tenth for evaluation. A stopped run continues.",
    )
    add_command(actions, "ship", ship, SHIP_OPTIONS, help="rebuild the shipped classifier (extra `population`)")


def annotate(arguments: Namespace) -> None:
    """`sface annotate`; under `torchrun`, in every process."""
    from sface_lib.attributes import SHIPPED_PATH, annotate_set, open_classifier
    from sface_lib.chapters.study import weights_file
    from sface_lib.engine import make_accelerator

    classifier = open_classifier(weights_file(arguments.classifier, SHIPPED_PATH), arguments.embedder)
    faces = usable(open_set(arguments.faces, arguments))
    path = annotate_set(classifier, faces, arguments.out, make_accelerator(), arguments.seed, arguments.passes)
    reliable, all_ = int(classifier.reliable().sum()), len(classifier.names)
    print_once(f"Annotations: {path}, {len(faces):,} images; {reliable} of {all_} attributes are classified reliably")


def train(arguments: Namespace) -> None:
    """`sface attributes train`."""
    from sface_lib.attributes import read_annotations, train_classifier
    from sface_lib.engine import make_accelerator, require_safetensors
    from sface_lib.recognition import open_model

    require_safetensors(arguments.out)
    table = read_annotations(arguments.table)
    faces = usable(open_set(arguments.faces, arguments))
    positions, values = table.of(faces, arguments.missing)
    classifier = train_classifier(
        faces.subset(positions),
        values,
        table.names,
        make_accelerator(),
        arguments.work,
        open_model(arguments.embedder) if arguments.embedder else None,
        size_px=arguments.size,
        steps=arguments.steps,
        seed=arguments.seed,
        trained_on=f"{arguments.faces}, annotated by {arguments.table}",
    )
    classifier.save(arguments.out)
    print_once(classifier.reliability.to_string(float_format="%.3f"))
    others = classifier.description["judged_on"]
    print_once(f"Classifier: {arguments.out}, {len(classifier.names)} attributes, judged on other {others}")


def ship(arguments: Namespace) -> None:
    """`sface attributes ship`."""
    from sface_lib.attributes import open_classifier
    from sface_lib.attributes.shipping import ship_classifier

    path = ship_classifier(arguments.out, arguments.work, arguments.workers)
    print(open_classifier(path).reliability.to_string(float_format="%.3f"))
    print(f"Classifier: {path}")
