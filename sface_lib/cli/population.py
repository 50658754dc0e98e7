"""`sface population`: render sets of the population, and make what ships of it."""

from argparse import Namespace

from sface_lib.cli.options import (
    NEW_OR_SAME,
    SEED,
    WEIGHTS_OUT,
    WORKERS,
    Commands,
    add_command,
    number,
    option,
    required,
    subcommands,
)

WORK = required("--work", "DIR", "for images and checkpoints; a stopped run continues")
RENDER_OPTIONS = (
    required("--out", "DIR", NEW_OR_SAME),
    option("--split", default="balanced", help="a name; splits share no identity (default: balanced)"),
    number("--identities", 200),
    number("--images", 20, "of each identity"),
    number("--size", 64, "side of the crops", "PX"),
    SEED,
    WORKERS,
)
PROTOCOLS_OPTIONS = (
    option("faces", metavar="DIR", help="a rendered set, preferably of the split `benchmark`"),
    number("--folds", 10),
    number("--pairs", 3000, "of all folds together"),
    SEED,
)
VERIFIER_OPTIONS = (WEIGHTS_OUT, WORK, WORKERS)
SHIP_OPTIONS = (required("--out", "DIR", "where the archives go"), WORK, WORKERS)


def add_commands(commands: Commands) -> None:
    """`population render`, `protocols`, `verifier` and `ship`."""
    actions = subcommands(
        commands.add_parser("population", help="rendered faces of nobody: parametric heads with known identity")
    )
    add_command(
        actions,
        "render",
        render,
        RENDER_OPTIONS,
        help="render a set of any size, with a table of ground truth",
        description="Render identity folders of aligned faces and labels.parquet. A stopped run continues.",
    )
    add_command(
        actions,
        "protocols",
        draw_protocols,
        PROTOCOLS_OPTIONS,
        help="draw the pairs of five verification benchmarks over a rendered set",
        description="Write <benchmark>.csv (left, right, same, fold) of five benchmarks into a rendered set's folder.",
    )
    add_command(
        actions,
        "verifier",
        train_verifier,
        VERIFIER_OPTIONS,
        help="train the verifier of rendered sets",
        description="Render 1,000 identities that no other set uses and train the verifier on their labels.",
    )
    add_command(
        actions,
        "ship",
        ship,
        SHIP_OPTIONS,
        help="rebuild the assets that ship with the program",
        description="Render the shipped sets, draw the benchmarks, train the verifier, write the manifest.",
    )


def render(arguments: Namespace) -> None:
    """`sface population render`."""
    from sface_lib.population.rendering.sets import render_set

    folder = render_set(
        arguments.out,
        arguments.split,
        identities=arguments.identities,
        images=arguments.images,
        size_px=arguments.size,
        seed=arguments.seed,
        workers=arguments.workers,
    )
    print(f"Faces: {folder}")


def draw_protocols(arguments: Namespace) -> None:
    """`sface population protocols`."""
    from sface_lib.population.rendering.sets import write_protocols

    for path in write_protocols(arguments.faces, arguments.folds, arguments.pairs, arguments.seed):
        print(f"Pairs: {path}")


def train_verifier(arguments: Namespace) -> None:
    """`sface population verifier`."""
    from sface_lib.population import verifier
    from sface_lib.recognition import open_model

    path = verifier.train_verifier(arguments.out, arguments.work, arguments.workers)
    model = open_model(path)
    for quality, poor in (("as they are", False), ("as poor as a generator's", True)):
        metrics = verifier.judge(model, poor=poor)
        print(f"Shipped benchmark, images {quality}: EER {metrics.eer:.4f}, FNMR {metrics.fmr1000:.4f} at FMR 0.1 %")
    print(f"Verifier: {path}")


def ship(arguments: Namespace) -> None:
    """`sface population ship`."""
    from sface_lib.population import shipping

    print(f"Manifest: {shipping.ship(arguments.out, arguments.work, arguments.workers)}")
