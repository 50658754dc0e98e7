"""`sface verify`: a recognition model on verification benchmarks."""

from argparse import Namespace
from typing import Any

from sface_lib.cli.options import READING, Commands, add_command, option, required
from sface_lib.cli.protocols import open_benchmarks

FMR_TARGETS = {"fmr100": 0.01, "fmr1000": 0.001}
OPTIONS = (
    required("--model", "FILE", "weights of a recognition model, or an .npz of vectors"),
    required(
        "--protocol",
        "PATH",
        "pairs: an InsightFace .bin, a folder of .bin files, LFW's pairs.txt, a CSV, or another known list",
    ),
    option("--images", metavar="SET", help="the faces that the pairs name; not needed for a .bin, which holds them"),
    *READING,
)


def add_commands(commands: Commands) -> None:
    """`verify`."""
    add_command(
        commands,
        "verify",
        verify_model,
        OPTIONS,
        help="evaluate a recognition model on verification pairs",
        description="K-fold accuracy with its interval, EER, and FNMR at fixed FMR, on a protocol's pairs.",
    )


def verify_model(arguments: Namespace) -> None:
    """`sface verify`."""
    from sface_lib.engine import make_accelerator
    from sface_lib.recognition import open_model, verify

    model, accelerator = open_model(arguments.model), make_accelerator()
    faces, protocols = open_benchmarks(arguments)
    evaluations = {name: verify(model, protocol, faces, accelerator) for name, protocol in protocols.items()}
    size = f"{model.spec.size_px} px" if model.spec.size_px else model.spec.source
    print(f"Model: {arguments.model}, {size}, trained on: {model.description['trained_on']}")
    if "ignored" in model.description:
        print(f"Tensors that are no part of the network, not used: {model.description['ignored']}")
    if len(evaluations) == 1:
        _print_evaluation(*evaluations.popitem()[1])
    else:
        _print_table({name: evaluation for name, (evaluation, _) in evaluations.items()})


def _print_evaluation(evaluation: Any, pairs: Any) -> None:
    """A line a measure."""
    accuracy, metrics, interval = evaluation.accuracy, evaluation.metrics, evaluation.interval
    units = "identities" if pairs.identities[0] is not None else "pairs (identities are not known)"
    print(f"Pairs: {metrics.n_genuine:,} genuine, {metrics.n_impostor:,} impostor, {len(accuracy.folds)} folds")
    print(f"Accuracy: {100 * accuracy.mean:.2f} % (sd over folds {100 * accuracy.sd:.2f})")
    print(f"95 % interval over {units}: {100 * interval.low:.2f} to {100 * interval.high:.2f} %")
    print(f"EER: {100 * metrics.eer:.2f} %")
    for name, target in FMR_TARGETS.items():
        print(f"FNMR at FMR {target:.1%}: {_fnmr(evaluation.scored, target) or metrics.reasons[name]}")


def _print_table(evaluations: dict[str, Any]) -> None:
    """A row a benchmark."""
    import pandas as pd

    rows = {
        name: {
            "genuine": f"{each.metrics.n_genuine:,}",
            "impostor": f"{each.metrics.n_impostor:,}",
            "accuracy, %": f"{100 * each.accuracy.mean:.2f}",
            "sd": f"{100 * each.accuracy.sd:.2f}",
            "95 % interval": f"[{100 * each.interval.low:.2f}, {100 * each.interval.high:.2f}]",
            "EER, %": f"{100 * each.metrics.eer:.2f}",
        }
        | {f"FNMR at FMR {target:.1%}": _fnmr(each.scored, target) or "-" for target in FMR_TARGETS.values()}
        for name, each in evaluations.items()
    }
    print(pd.DataFrame.from_dict(rows, orient="index").to_string())


def _fnmr(scored: Any, target: float) -> str | None:
    """FNMR at an FMR with its interval, and whether it rests on enough; None where it can't be shown."""
    if not scored.shows(target):
        return None
    rate = scored.at(target)
    text = f"{100 * rate.value:.2f} % [{100 * rate.interval.low:.2f}, {100 * rate.interval.high:.2f}]"
    return text + (f" ({rate.imprecise})" if rate.imprecise else "")
