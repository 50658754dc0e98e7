"""The command line, `sface …`: a thin face of the library."""

import argparse
import os
import sys
import textwrap
import traceback
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from sface_lib.chapters.profiles import build_parameters, profile_names
from sface_lib.chapters.registry import ReportParameters
from sface_lib.errors import InputError, ParameterError, SfaceError
from sface_lib.files import full_disk_sentence, is_full_disk
from sface_lib.run.parameters import describe

FAILED, REFUSED, STOPPED = 1, 2, 130
_SET = "faces: a folder, zip, tar, .rec, .parquet, LMDB or .bin, or shards such as train-{000..099}.tar"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code.

    0 done; 1 a stage failed; 2 refused, or it cannot go on, for the reason given; 130 stopped from the keyboard.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except SfaceError as error:
        print(f"sface: {error}", file=sys.stderr)
        _leave_others(REFUSED)
        return REFUSED
    except OSError as error:
        full = full_disk_sentence(error.filename or "what is written")
        said = full if is_full_disk(error) else f"{error.filename or 'the system'}: {error.strerror or error}"
        print(f"sface: {said}", file=sys.stderr)
        _leave_others(REFUSED)
        return REFUSED
    except KeyboardInterrupt:
        print("sface: stopped from the keyboard", file=sys.stderr)
        return STOPPED
    except Exception:
        _leave_others(FAILED, traceback.format_exc())
        raise


def _leave_others(code: int, said: str = "") -> None:
    """End a failed process of several at once: to leave their group in order could wait for those that wait for it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stderr.write(said)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _report(arguments: argparse.Namespace) -> int:
    """`sface report`; papermill and its company load only when the parameters are right."""
    print(f"Profile {arguments.profile}: checking parameters and what was given", flush=True)
    from sface_lib.report.plan import plan_report

    overrides = _overrides(arguments.set)
    plan = plan_report(
        arguments.profile, overrides, arguments.out, arguments.start_from, keep_embeddings=arguments.keep_embeddings
    )
    if arguments.dry_run:
        from sface_lib.chapters.dryrun import dry_run
        from sface_lib.report.timeleft import took_before

        print(f"Run folder: {plan.folder}")
        for line in dry_run(build_parameters(arguments.profile, overrides)):
            print(line)
        if said := took_before(plan):
            print(said)
        return 0
    print(f"{len(plan.stages)} notebooks, run folder {plan.folder}", flush=True)
    from sface_lib.report.runner import run_report

    return run_report(plan)


def _lab(arguments: argparse.Namespace) -> int:
    """`sface lab`."""
    from sface_lib.report.lab import open_lab, prepare
    from sface_lib.report.plan import plan_report

    overrides = _overrides(arguments.set)
    start = prepare(plan_report(arguments.profile, overrides, arguments.out), arguments.profile, overrides)
    print(f"Opening {start} in JupyterLab", flush=True)
    open_lab(start)


def _compare(arguments: argparse.Namespace) -> int:
    """`sface compare`."""
    from sface_lib.chapters.summary import runs
    from sface_lib.files import write_json
    from sface_lib.report.page import write_page
    from sface_lib.run.fragments import table_html

    opened = runs.open_runs(arguments.runs)
    sets, differ, said = runs.sets_side_by_side(opened), runs.differences(opened), runs.cautions(opened)
    caption = (
        "Every set of every run, by the judge that sees most of it and may judge it; nothing is averaged over runs. "
        "Classes are authentic identities, identities of the set's own, or none. Exposed: whether its generator may "
        "have seen the authentic set. Links are those of notebook 03, accuracy is of CLS in the mean of the benchmarks."
    )
    what = [table_html(sets, caption)]
    kept_apart = ["<ul>", *(f"<li>{escape(text)}</li>" for text in said), "</ul>"] if said else []
    set_up = [table_html(differ, "What was set or given otherwise.")] if len(differ) else ["<p>Nothing differs.</p>"]
    sections = [("Sets", what), ("How the runs differ", ["".join(kept_apart), *set_up])]
    out = Path(arguments.out)
    intro = f"{len(sets)} sets of {len(opened)} runs: {', '.join(run.name for run in opened)}."
    page = write_page(out / "compare.html", "Synthetic face sets, run by run", intro, sections)
    rows = {"sets": sets, "differences": differ}
    plain = {name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in rows.items()}
    write_json(out / "compare.json", plain | {"cautions": said})
    print(f"Page: {page}")
    return 0


def _render(arguments: argparse.Namespace) -> int:
    """`sface population render`."""
    from sface_lib.population.sets import render_set

    sizes = {"identities": arguments.identities, "images": arguments.images, "size_px": arguments.size}
    folder = render_set(arguments.out, arguments.split, **sizes, seed=arguments.seed, workers=arguments.workers)
    print(f"Faces: {folder}")
    return 0


def _protocols(arguments: argparse.Namespace) -> int:
    """`sface population protocols`."""
    from sface_lib.population.sets import write_protocols

    for path in write_protocols(arguments.faces, arguments.folds, arguments.pairs, arguments.seed):
        print(f"Pairs: {path}")
    return 0


def _verifier(arguments: argparse.Namespace) -> int:
    """`sface population verifier`."""
    from sface_lib.population.verifier import judge, train_verifier
    from sface_lib.recognition import open_model

    path = train_verifier(arguments.out, arguments.work, arguments.workers)
    model = open_model(path)
    for kind, poor in (("as they are", False), ("as poor as a generator's", True)):
        found = judge(model, poor=poor)
        print(f"Shipped benchmark, images {kind}: EER {found.eer:.4f}, FNMR {found.fmr1000:.4f} at FMR 0.1 %")
    print(f"Verifier: {path}")
    return 0


def _ship(arguments: argparse.Namespace) -> int:
    """`sface population ship`."""
    from sface_lib.population.shipping import ship

    print(f"Manifest: {ship(arguments.out, arguments.work, arguments.workers)}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    """`sface verify`."""
    from sface_lib.engine import make_accelerator
    from sface_lib.recognition import open_model, verify

    model, accelerator = open_model(arguments.model), make_accelerator()
    faces, protocols = _benchmarks(arguments)
    found = {name: verify(model, protocol, faces, accelerator) for name, protocol in protocols.items()}
    sees = f"{model.spec.size_px} px" if model.spec.size_px else model.spec.source
    print(f"Model: {arguments.model}, {sees}, trained on: {model.description['trained_on']}")
    if "ignored" in model.description:
        print(f"Tensors beside the network, left aside: {model.description['ignored']}")
    if len(found) == 1:
        _print_verification(*found.popitem()[1])
    else:
        _print_benchmarks(found)
    return 0


def _print_verification(found: Any, pairs: Any) -> None:
    accuracy, metrics, interval = found.accuracy, found.metrics, found.interval
    units = "identities" if pairs.identities[0] is not None else "pairs (identities are not known)"
    print(f"Pairs: {metrics.n_genuine:,} genuine, {metrics.n_impostor:,} impostor, {len(accuracy.folds)} folds")
    print(f"Accuracy: {100 * accuracy.mean:.2f} % (sd over folds {100 * accuracy.sd:.2f})")
    print(f"95 % interval over {units}: {100 * interval.low:.2f} to {100 * interval.high:.2f} %")
    print(f"EER: {100 * metrics.eer:.2f} %")
    for target, name in ((0.01, "fmr100"), (0.001, "fmr1000")):
        print(f"FNMR at FMR {target:.1%}: {_rate(found.scored, target) or metrics.reasons[name]}")


def _print_benchmarks(found: dict[str, tuple[Any, Any]]) -> None:
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
        | {f"FNMR at FMR {target:.1%}": _rate(each.scored, target) or "-" for target in (0.01, 0.001)}
        for name, (each, _) in found.items()
    }
    print(pd.DataFrame.from_dict(rows, orient="index").to_string())


def _benchmarks(arguments: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The images that the pairs of `--protocol` name, and the pairs by their file: of a folder of .bin, of each."""
    from sface_lib.data import holds_bins, open_bins, read_protocol

    given = arguments.protocol
    if not holds_bins(given):
        protocol = read_protocol(given)
        return _evaluated_faces(arguments, protocol), {Path(given).stem: protocol}
    faces, protocols = open_bins(given, arguments.on_bad_image)
    faces = _evaluation_set(arguments) if arguments.images else faces
    for protocol in protocols.values():
        _say_skipped_pairs(arguments, faces, protocol)
    return faces, protocols


def _rate(scored: Any, target: float) -> str | None:
    """FNMR at a FMR with its interval, and whether it rests on enough; None where it can't be shown."""
    if not scored.shows(target):
        return None
    rate = scored.at(target)
    said = f"{100 * rate.value:.2f} % [{100 * rate.interval.low:.2f}, {100 * rate.interval.high:.2f}]"
    return said + (f" ({rate.imprecise})" if rate.imprecise else "")


def _evaluated_faces(arguments: argparse.Namespace, protocol: Any) -> Any:
    """The set with the images that the pairs of `--protocol` name; those of them that are skipped are told."""
    faces = _evaluation_set(arguments)
    _say_skipped_pairs(arguments, faces, protocol)
    return faces


def _evaluation_set(arguments: argparse.Namespace) -> Any:
    """The set of `--images`, or of `--protocol` where that holds images."""
    from sface_lib.data import holds_bins, open_bins, open_faces

    source = arguments.images or arguments.protocol
    if holds_bins(source):
        return open_bins(source, arguments.on_bad_image)[0]
    if not arguments.images:
        raise InputError(f"{arguments.protocol} holds names of images; give the faces that they name by --images")
    return open_faces(source, arguments.on_bad_image, arguments.labels)


def _say_skipped_pairs(arguments: argparse.Namespace, faces: Any, protocol: Any) -> None:
    if arguments.on_bad_image == "skip":
        pairs = np.stack(protocol.resolve(faces), axis=1)
        used = np.unique(pairs)
        found = faces.subset(used).inspect()
        left_out = np.isin(pairs, used[list(found.bad_indices)]).any(axis=1)
        _say_skipped(found.bad, len(used), f", and the {left_out.sum():,} pairs that name them")


def _given_faces(path: str, arguments: argparse.Namespace) -> Any:
    """The set at a path, without images that are skipped, which are told."""
    from sface_lib.data import open_faces

    return _usable(open_faces(path, arguments.on_bad_image, arguments.labels))


def _usable(faces: Any) -> Any:
    """A set without images that are skipped, which are told; of several processes the first looks for them."""
    from sface_lib.engine import from_first

    faces.know(from_first(lambda: faces.inspect(progress=True)))
    _say_skipped(faces.inspect().bad, len(faces))
    return faces.usable()


def _say_skipped(bad: Sequence[tuple[str, str]], images: int, more: str = "") -> None:
    from sface_lib.data.manifest import named_bad

    if bad:
        _say(f"Skipped: {len(bad):,} of {images:,} images, which cannot be decoded{more}: {named_bad(bad)}")


def _train_generator(arguments: argparse.Namespace) -> int:
    """`sface generator train`; under `torchrun`, in every process."""
    from sface_lib.chapters.generation.launch import train_generator, training_images
    from sface_lib.chapters.generation.parameters import GeneratorTrainingParameters

    overrides = _overrides(arguments.set)
    if arguments.on_bad_image == "skip":
        overrides["on_bad_image"] = "skip"
    parameters = build_parameters(arguments.profile, overrides, GeneratorTrainingParameters)
    faces, bad = training_images(parameters, arguments.selection)
    _say_skipped(bad, len(faces) + len(bad))
    _say(f"Weights: {train_generator(parameters, arguments.out, faces=faces)}")
    return 0


def _train_recognition(arguments: argparse.Namespace) -> int:
    """`sface recognition train`; under `torchrun`, in every process."""
    from sface_lib.chapters.training.launch import MODEL_FILE, train_recognition
    from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
    from sface_lib.data import FaceBatches, read_protocol
    from sface_lib.recognition import open_model, resolve_pairs, used_images

    parameters = build_parameters(arguments.profile, _overrides(arguments.set), RecognitionTrainingParameters)
    if arguments.protocol and (not parameters.validation_interval_steps or parameters.validation_identities):
        raise InputError(
            f"nothing would judge on {arguments.protocol}: set validation_interval_steps above 0 and "
            "validation_identities=0, or leave --protocol out"
        )
    faces = _joined(list(map(_usable, _selected(arguments))))
    teacher, judged_on = open_model(arguments.teacher) if arguments.teacher else None, None
    if arguments.protocol:
        protocol = read_protocol(arguments.protocol)
        images = _evaluated_faces(arguments, protocol)
        judged_on = used_images(images, resolve_pairs(protocol, images))
    data = FaceBatches(faces, parameters.recognition_resolution_px)
    train_recognition(parameters, arguments.strategy, data, arguments.out, arguments.seed, teacher, judged_on)
    _say(f"Weights: {Path(arguments.out) / MODEL_FILE}")
    return 0


def _embed(arguments: argparse.Namespace) -> int:
    """`sface embed`; under `torchrun`, in every process."""
    from sface_lib.engine import make_accelerator
    from sface_lib.recognition import keep_embeddings, open_model

    accelerator, faces = make_accelerator(arguments.precision), _joined(_selected(arguments))
    keep_embeddings(open_model(arguments.model), faces, accelerator, Path(arguments.out), not arguments.single)
    _say(f"Embeddings: {arguments.out}, {len(faces):,} images")
    return 0


def _selected(arguments: argparse.Namespace) -> list[Any]:
    """The sets of all `--faces`, each as far as its `--selection` goes."""
    from sface_lib.data import open_faces, read_selection

    if len(arguments.selection) not in (0, len(arguments.faces)):
        raise InputError(
            f"{len(arguments.faces)} sets by --faces and {len(arguments.selection)} selections by --selection do not "
            "go together; give each set its selection, in the same order, or none at all"
        )
    sets = [open_faces(each, arguments.on_bad_image, arguments.labels) for each in arguments.faces]
    for i, path in enumerate(arguments.selection):
        sets[i] = sets[i].subset(read_selection(path, len(sets[i])))
    return sets


def _joined(sets: list[Any]) -> Any:
    """Several sets as one, with identities of their own."""
    from sface_lib.data import join

    return sets[0] if len(sets) == 1 else join({str(i): each for i, each in enumerate(sets)})


def _import_generator(arguments: argparse.Namespace) -> int:
    """`sface generator import`."""
    from sface_lib.engine import require_safetensors
    from sface_lib.generator.foreign import import_stylegan2
    from sface_lib.generator.weights import TrainedPair, save_generator, save_pair

    require_safetensors(arguments.out)
    generator, discriminator = import_stylegan2(arguments.pkl)
    if discriminator is None:
        path = save_generator(arguments.out, generator)
    else:
        path = save_pair(arguments.out, TrainedPair(generator, discriminator, kimg=0.0, ada_p=0.0))
    print(f"Weights: {path}, {generator.spec.resolution_px} px, {generator.spec.n_classes} classes")
    return 0


def _generate(arguments: argparse.Namespace) -> int:
    """`sface generate`; under `torchrun`, in every process."""
    from sface_lib.chapters.study import weights_file
    from sface_lib.engine import make_accelerator
    from sface_lib.files import sha256_of_file
    from sface_lib.generator import SHIPPED_PATH, Order, Steering, class_means, generate_set, load_generator
    from sface_lib.recognition import open_model

    weights = weights_file(arguments.weights, SHIPPED_PATH)
    generator, accelerator = load_generator(weights), make_accelerator()
    generator.to(accelerator.device)
    classes = arguments.classes or generator.spec.n_classes or 1
    order = Order(classes, arguments.per_class, arguments.seed, arguments.psi, arguments.batch)
    steering = None
    if arguments.identity_model:
        model = open_model(arguments.identity_model)
        means = class_means(generator, accelerator, model, classes, arguments.seed)
        steering = Steering(model, means, arguments.identity_steps, least_score=arguments.identity_score)
    recipe = (order, sha256_of_file(weights), steering, arguments.aligned)
    path = generate_set(arguments.out, generator, accelerator, *recipe)
    _say(f"Faces: {path}")
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    """`sface data convert`."""
    from sface_lib.data import convert_set, open_faces

    faces = open_faces(arguments.source, arguments.on_bad_image, arguments.labels)
    written = convert_set(faces, arguments.target, arguments.protocol)
    if arguments.on_bad_image == "skip":
        _say_skipped(faces.inspect().bad, len(faces))
    for path in written:
        print(f"Written: {path}")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    """`sface data info`."""
    from sface_lib.data import describe_set

    for name, value in describe_set(arguments.path, arguments.labels).items():
        print(f"{name}: {value}")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    """`sface data card`."""
    from sface_lib.attributes import SHIPPED_PATH
    from sface_lib.chapters import card as cards
    from sface_lib.chapters.plots import contact_sheet, split_rows
    from sface_lib.chapters.setspec import SetSpec
    from sface_lib.chapters.study import weights_file
    from sface_lib.data import open_faces
    from sface_lib.engine import make_accelerator
    from sface_lib.files import write_json
    from sface_lib.population import VERIFIER_PATH
    from sface_lib.recognition import Embedder
    from sface_lib.report.page import write_page
    from sface_lib.run.fragments import figure_html, png_of_pixels, table_html
    from sface_lib.run.parameters import check
    from sface_lib.run.results import as_plain

    source, out = Path(arguments.source), Path(arguments.out)
    name = arguments.name or source.name.partition(".")[0]
    spec = check(SetSpec, {"name": "set", "path": str(source), "labels": arguments.classes})
    made = cards.make_card(
        name,
        spec,
        weights_file(arguments.verifier, VERIFIER_PATH),
        Embedder(make_accelerator()),
        against=arguments.against,
        control=arguments.control,
        classifier=weights_file(arguments.classifier, SHIPPED_PATH),
    )
    pieces = [table_html(table, caption) for caption, table in cards.tables(made).items()]
    if arguments.pictures:
        faces = open_faces(source, "skip")
        shown = contact_sheet(split_rows(faces.load(range(min(len(faces), 24)), size_px=112).numpy(), 8))
        pieces.append(figure_html(png_of_pixels(shown), "The first images of the set.", "The first images of the set."))
    page = write_page(out / "card.html", f"Synthetic faces: {name}", _said_of(arguments), [("Card", pieces)])
    write_json(out / "card.json", as_plain(made, cards.SetCard))
    about = cards.croissant(made, source, arguments.licence, arguments.credit, arguments.description)
    write_json(out / "croissant.json", about)
    print(f"Card: {page}")
    return 0


def _said_of(arguments: argparse.Namespace) -> str:
    """Description, credit and licence of a set, as far as they are given."""
    stated = {"Credit": arguments.credit, "Licence": arguments.licence}
    parts = [arguments.description, *(f"{title}: {text}." for title, text in stated.items() if text)]
    return " ".join(part for part in parts if part) or "Neither credit nor licence are stated."


def _align(arguments: argparse.Namespace) -> int:
    """`sface data align`."""
    from sface_lib.data.align import NOT_FOUND_FILE, TABLE_FILE, align_faces, open_photographs
    from sface_lib.data.manifest import named

    options = {"missing": arguments.missing, "on_bad_image": arguments.on_bad_image, "workers": arguments.workers}
    options["labels"] = arguments.labels
    done = align_faces(arguments.source, arguments.target, arguments.size, **options)
    print(f"Faces: {done.folder}, {done.aligned:,} aligned; the table is {TABLE_FILE}")
    dropped = "their centres are kept" if arguments.missing == "keep" else "left out"
    print(f"Without a face: {done.without_face:,}, {dropped}; listed in {NOT_FOUND_FILE}")
    if done.unreadable:
        print(f"Unreadable: {done.unreadable:,}, left out")
    unread = open_photographs(arguments.source, labels=arguments.labels).unread
    if unread:
        print(f"Files not read: {len(unread):,}, e.g. {named([repr(name) for name in unread])}")
    return 0


def _annotate(arguments: argparse.Namespace) -> int:
    """`sface annotate`; under `torchrun`, in every process."""
    from sface_lib.attributes import SHIPPED_PATH, annotate_set, open_classifier
    from sface_lib.chapters.study import weights_file
    from sface_lib.engine import make_accelerator

    classifier = open_classifier(weights_file(arguments.classifier, SHIPPED_PATH), arguments.embedder)
    faces, seed = _given_faces(arguments.faces, arguments), arguments.seed
    path = annotate_set(classifier, faces, arguments.out, make_accelerator(), seed, arguments.passes)
    told, all_ = int(classifier.reliable().sum()), len(classifier.names)
    _say(f"Annotations: {path}, {len(faces):,} images; {told} of {all_} attributes are told reliably")
    return 0


def _train_attributes(arguments: argparse.Namespace) -> int:
    """`sface attributes train`."""
    from sface_lib.attributes import read_annotations, train_classifier
    from sface_lib.engine import make_accelerator, require_safetensors
    from sface_lib.recognition import open_model

    require_safetensors(arguments.out)
    table = read_annotations(arguments.table)
    faces = _given_faces(arguments.faces, arguments)
    positions, values = table.of(faces, arguments.missing)
    embedder = open_model(arguments.embedder) if arguments.embedder else None
    options = {"size_px": arguments.size, "steps": arguments.steps, "seed": arguments.seed}
    made = train_classifier(
        faces.subset(positions), values, table.names, make_accelerator(), arguments.work, embedder, **options,
        trained_on=f"{arguments.faces}, annotated by {arguments.table}",
    )  # fmt: skip
    made.save(arguments.out)
    _say(made.reliability.to_string(float_format="%.3f"))
    _say(f"Classifier: {arguments.out}, {len(made.names)} attributes, judged on other {made.description['judged_on']}")
    return 0


def _ship_attributes(arguments: argparse.Namespace) -> int:
    """`sface attributes ship`."""
    from sface_lib.attributes import open_classifier
    from sface_lib.attributes.shipping import ship_classifier

    path = ship_classifier(arguments.out, arguments.work, arguments.workers)
    print(open_classifier(path).reliability.to_string(float_format="%.3f"))
    print(f"Classifier: {path}")
    return 0


def _say(text: str) -> None:
    """Print, in the first of several processes alone."""
    if _is_first():
        print(text)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _overrides(texts: Sequence[str]) -> dict[str, str]:
    """`name=value` pairs; a later one wins."""
    for text in texts:
        if "=" not in text:
            raise ParameterError(f"--set {text!r} has no '='; write --set name=value")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


def build_parser() -> argparse.ArgumentParser:
    """What the command line takes: every command with its options."""
    parser = argparse.ArgumentParser(prog="sface", description="Synthetic faces: what they teach, whom they give away.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    report = commands.add_parser(
        "report",
        help="run the notebooks in order and make report.html",
        description="Run the notebooks in order, reuse what is unchanged, and make one self-contained report.html.",
        epilog=_parameter_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_parameters(report)
    report.add_argument(
        "--from",
        dest="start_from",
        metavar="STAGE",
        help="compute from this stage on, e.g. 03; earlier ones must be complete",
    )
    report.add_argument("--out", metavar="DIR", help="the run folder (default: runs/<profile>-<id>)")
    report.add_argument(
        "--dry-run", action="store_true", help="open every path, measure trainings and judges, and say what it costs"
    )
    report.add_argument(
        "--keep-embeddings",
        action="store_true",
        help="leave the embeddings of all faces, which are biometric data, in the run folder's work/embeddings",
    )
    report.set_defaults(command=_report)
    lab = commands.add_parser(
        "lab",
        help="open the notebooks in JupyterLab to work in",
        description="Copy the notebooks into a run folder, write the parameters into each copy, and open the first in "
        "JupyterLab. Copies that are there keep their other cells.",
        epilog=_parameter_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_parameters(lab)
    lab.add_argument("--out", metavar="DIR", default="runs/interactive", help="the run folder (default: %(default)s)")
    lab.set_defaults(command=_lab)
    compare = commands.add_parser(
        "compare",
        help="finished runs side by side",
        description="Write a page with a row for each set of each run, and what differs between the runs. Nothing is "
        "averaged over runs.",
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="a run folder of `sface report`")
    compare.add_argument("--out", default="compare", metavar="DIR", help="folder of the page (default: compare)")
    compare.set_defaults(command=_compare)
    _add_recognition(commands)
    _add_generator(commands)
    _add_attributes(commands)
    _add_population(commands)
    _add_data(commands)
    return parser


def _add_parameters(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--profile",
        default="quick",
        metavar="P",
        help=f"a set of parameters: {', '.join(profile_names())} (default: quick)",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set one parameter; may be given again",
    )


def _add_recognition(commands: argparse._SubParsersAction) -> None:
    verify = commands.add_parser(
        "verify",
        help="judge a recognition model on verification pairs",
        description="K-fold accuracy with its interval, EER, and FNMR at fixed FMR, on a protocol's pairs.",
    )
    verify.add_argument(
        "--model", required=True, metavar="FILE", help="weights of a recognition model, or an .npz of vectors"
    )
    verify.add_argument(
        "--protocol",
        required=True,
        metavar="PATH",
        help="pairs: an InsightFace .bin, a folder of several, LFW's pairs.txt, a CSV, or another list of the field",
    )
    verify.add_argument("--images", metavar="SET", help="the faces that the pairs name; a .bin holds them itself")
    _add_set_options(verify)
    verify.set_defaults(command=_verify)

    embed = commands.add_parser(
        "embed",
        help="embed sets of faces, on one or many processes",
        description="Write embeddings by the SHA-256 of their images as safetensors into a folder: what a report's "
        "notebooks share. Several processes: torchrun --nproc_per_node N -m sface_lib.cli embed ...",
    )
    embed.add_argument("--model", required=True, metavar="FILE", help="weights of a recognition model")
    _add_faces(embed, "the images; given again, further sets")
    embed.add_argument("--out", required=True, metavar="DIR", help="the folder; what lies there stays")
    embed.add_argument("--single", action="store_true", help="of the images alone, without their mirror images")
    embed.add_argument(
        "--precision", default="auto", choices=("auto", "float32", "bf16"), metavar="P", help="default: auto"
    )
    _add_set_options(embed)
    embed.set_defaults(command=_embed)

    actions = commands.add_parser("recognition", help="train a recognition model").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    train = actions.add_parser(
        "train",
        help="train a recognition model outside a report, on one or many processes",
        description="Train with the report's parameters of notebook 04 (sface report --help lists them). A stopped run "
        "goes on. Several processes: torchrun --nproc_per_node N -m sface_lib.cli recognition train ...",
    )
    _add_faces(train, "the images that train; given again, further sets with identities of their own")
    train.add_argument("--strategy", default="CLS", metavar="S", help="CLS (labels), KT (a teacher), CL; default: CLS")
    train.add_argument("--teacher", metavar="FILE", help="weights of the frozen teacher of KT and CL")
    train.add_argument("--out", required=True, metavar="DIR", help="checkpoints, log, and model.safetensors")
    train.add_argument("--protocol", metavar="FILE", help="pairs that validation judges on")
    train.add_argument("--images", metavar="SET", help="the faces that those pairs name")
    _add_set_options(train)
    train.add_argument("--seed", type=int, default=0, help="default: 0")
    _add_parameters(train)
    train.set_defaults(command=_train_recognition)


def _add_faces(command: argparse.ArgumentParser, meaning: str) -> None:
    """Sets of faces, and which of their images."""
    command.add_argument("--faces", required=True, action="append", metavar="SET", help=meaning)
    command.add_argument(
        "--selection",
        action="append",
        default=[],
        metavar="CSV",
        help="which of the images: a column `position`; one for each of several sets",
    )


def _add_attributes(commands: argparse._SubParsersAction) -> None:
    annotate = commands.add_parser(
        "annotate",
        help="tell the attributes of every image of a set",
        description="Write labels, probabilities and confidences of up to 47 attributes as one parquet table. "
        "A stopped run goes on. Several processes: torchrun --nproc_per_node N -m sface_lib.cli annotate ...",
    )
    annotate.add_argument("faces", metavar="SET", help="a set of faces, labelled or not")
    _add_set_options(annotate)
    annotate.add_argument("--out", required=True, metavar="FILE", help="a new file that ends in .parquet")
    annotate.add_argument(
        "--classifier",
        default="embedded",
        metavar="FILE",
        help="made by `sface attributes train`; default: embedded, the shipped one, for rendered faces",
    )
    annotate.add_argument(
        "--embedder", metavar="FILE", help="whose embeddings the classifier takes; default: its own, or the shipped one"
    )
    annotate.add_argument("--passes", type=int, default=20, metavar="N", help="behind the confidence; default: 20")
    annotate.add_argument("--seed", type=int, default=0, help="of those passes; default: 0")
    annotate.set_defaults(command=_annotate)

    actions = commands.add_parser("attributes", help="train an attribute classifier").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    train = actions.add_parser(
        "train",
        help="teach, calibrate and judge a classifier on annotated faces",
        description="Annotations: MAAD-Face's CSV, CelebA's list_attr_celeba.txt, the population's parquet tables, or "
        "a CSV of a column `name` and MAAD-Face's attributes (1 present, -1 absent, 0 undefined). A tenth of the "
        "identities calibrates, another tenth judges. A stopped run goes on.",
    )
    train.add_argument("--faces", required=True, metavar="SET", help="the annotated images")
    _add_set_options(train)
    train.add_argument("--table", required=True, metavar="FILE", help="their annotations")
    train.add_argument("--out", required=True, metavar="FILE", help="a file that ends in .safetensors")
    train.add_argument("--work", required=True, metavar="DIR", help="for checkpoints")
    train.add_argument(
        "--embedder",
        metavar="FILE",
        help="a recognition model whose embeddings are taken; default: a network of its own",
    )
    train.add_argument("--missing", choices=("stop", "skip"), default="stop", help="images without annotation")
    train.add_argument("--size", type=int, default=64, metavar="PX", help="of the images; default: 64")
    train.add_argument("--steps", type=int, default=7000, metavar="N", help="of 64 images; default: 7000")
    train.add_argument("--seed", type=int, default=0, help="default: 0")
    train.set_defaults(command=_train_attributes)
    ship = actions.add_parser("ship", help="make the shipped classifier anew (extra `population`)")
    ship.add_argument("--out", required=True, metavar="FILE", help="a file that ends in .safetensors")
    ship.add_argument("--work", required=True, metavar="DIR", help="for the rendered images and checkpoints")
    ship.add_argument("--workers", type=int, default=1, metavar="N", help="rendering processes; default: 1")
    ship.set_defaults(command=_ship_attributes)


def _add_generator(commands: argparse._SubParsersAction) -> None:
    generate = commands.add_parser(
        "generate",
        help="draw a labelled synthetic set",
        description="Draw images of every class as identity folders or a zip. A stopped run goes on where it was. "
        "Several processes: torchrun --nproc_per_node N -m sface_lib.cli generate ...",
    )
    generate.add_argument(
        "--weights",
        default="embedded",
        metavar="FILE",
        help="a generator made or imported by sface; default: embedded, the shipped one",
    )
    generate.add_argument("--out", required=True, metavar="DIR|ZIP", help="a new folder, or one of the same recipe")
    generate.add_argument("--per-class", type=int, default=60, metavar="N", help="images of each class; default: 60")
    generate.add_argument("--classes", type=int, metavar="N", help="the first N classes; default: all")
    generate.add_argument("--seed", type=int, default=0, help="default: 0")
    generate.add_argument("--psi", type=float, default=1.0, help="truncation, 0 to 1; default: 1, none")
    generate.add_argument("--batch", type=int, default=64, metavar="N", help="images drawn together; default: 64")
    generate.add_argument("--identity-model", metavar="FILE", help="recognition model that steers toward the identity")
    generate.add_argument("--identity-steps", type=int, default=3, metavar="N", help="of each latent; default: 3")
    generate.add_argument(
        "--identity-score", type=float, default=0.3, metavar="S", help="least score that is kept; default: 0.3"
    )
    generate.add_argument(
        "--aligned",
        type=float,
        metavar="SHARE",
        help="keep faces whose eyes are found this near their places, as a share of the side, e.g. 0.06 (extra align)",
    )
    generate.set_defaults(command=_generate)

    actions = commands.add_parser("generator", help="train or import a generator").add_subparsers(
        title="commands", required=True, metavar="COMMAND"
    )
    train = actions.add_parser(
        "train",
        help="train a generator outside a report, on one or many processes",
        description="Train with the report's parameters of notebook 02 (sface report --help lists them). A stopped run "
        "goes on. Several processes: torchrun --nproc_per_node N -m sface_lib.cli generator train ...",
    )
    train.add_argument("--out", required=True, metavar="DIR", help="checkpoints, log, and generator.safetensors")
    train.add_argument("--selection", metavar="CSV", help="a run's data/selection.csv: the images that train")
    _add_bad_images(train)
    _add_parameters(train)
    train.set_defaults(command=_train_generator)
    load = actions.add_parser(
        "import",
        help="read an official StyleGAN2-ADA network",
        description="Convert a StyleGAN2-ADA .pkl, without running anything in it, to a .safetensors file.",
    )
    load.add_argument("pkl", metavar="PKL", help="network-snapshot-*.pkl of the official PyTorch code")
    load.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file")
    load.set_defaults(command=_import_generator)


def _add_population(commands: argparse._SubParsersAction) -> None:
    population = commands.add_parser("population", help="faces of nobody: parametric heads with known identity")
    actions = population.add_subparsers(title="commands", required=True, metavar="COMMAND")
    render = actions.add_parser(
        "render",
        help="render a set of any size, with a table of ground truth",
        description="Render identity folders of aligned faces and labels.parquet. A stopped run goes on where it was.",
    )
    render.add_argument("--out", required=True, metavar="DIR", help="a new folder, or one of the same recipe")
    render.add_argument("--split", default="balanced", help="splits share no identity (default: balanced)")
    render.add_argument("--identities", type=int, default=200, metavar="N", help="default: 200")
    render.add_argument("--images", type=int, default=20, metavar="N", help="of each identity; default: 20")
    render.add_argument("--size", type=int, default=64, metavar="PX", help="side of the crops; default: 64")
    render.add_argument("--seed", type=int, default=0, help="default: 0")
    _add_workers(render)
    render.set_defaults(command=_render)
    protocols = actions.add_parser(
        "protocols",
        help="draw the pairs of five verification benchmarks over a rendered set",
        description="Write <benchmark>.csv (left, right, same, fold) of five benchmarks into a rendered set's folder.",
    )
    protocols.add_argument("faces", metavar="DIR", help="a rendered set, best of the split `benchmark`")
    protocols.add_argument("--folds", type=int, default=10, metavar="N", help="default: 10")
    protocols.add_argument("--pairs", type=int, default=3000, metavar="N", help="of all folds together; default: 3000")
    protocols.add_argument("--seed", type=int, default=0, help="default: 0")
    protocols.set_defaults(command=_protocols)
    verifier = actions.add_parser(
        "verifier",
        help="train the recognition model that judges rendered sets",
        description="Render 1,000 identities of its own and train the verifier on their labels.",
    )
    verifier.add_argument("--out", required=True, metavar="FILE", help="a .safetensors file")
    verifier.set_defaults(command=_verifier)
    ship = actions.add_parser(
        "ship",
        help="make anew what ships with the program",
        description="Render the shipped sets, draw the benchmarks, train the verifier, write the manifest.",
    )
    ship.add_argument("--out", required=True, metavar="DIR", help="where the archives go")
    ship.set_defaults(command=_ship)
    for command in (verifier, ship):
        command.add_argument(
            "--work", required=True, metavar="DIR", help="images and checkpoints; a stopped run goes on"
        )
        _add_workers(command)


def _add_data(commands: argparse._SubParsersAction) -> None:
    data = commands.add_parser("data", help="look at sets of faces, convert them, align photographs")
    actions = data.add_subparsers(title="commands", required=True, metavar="COMMAND")
    convert = actions.add_parser(
        "convert",
        help="write a set as a folder, zip, RecordIO, parquet, WebDataset or verification .bin",
        description="Write a set in another form. Image files keep their bytes: nothing is encoded again. "
        ".parquet is a table as Hugging Face's `datasets` reads it: columns image and label, and names of classes. "
        ".tar is one shard of a WebDataset: beside each image .cls, its label, and .json, label and identity's name.",
    )
    convert.add_argument("source", metavar="SRC", help=_SET)
    convert.add_argument(
        "target", metavar="DST", help="a new path; .zip, .rec, .parquet, .tar or .bin says what it is, else a folder"
    )
    convert.add_argument("--protocol", metavar="FILE", help="the pairs of a .bin, e.g. LFW's pairs.txt")
    _add_set_options(convert)
    convert.set_defaults(command=_convert)
    info = actions.add_parser(
        "info",
        help="tell what a set holds",
        description="Decode every image once and tell kind, images, identities, sizes and the set's fingerprint.",
    )
    info.add_argument("path", metavar="PATH", help=_SET)
    _add_labels(info)
    info.set_defaults(command=_info)
    _add_card(actions)
    _add_align(actions)


def _add_card(actions: argparse._SubParsersAction) -> None:
    card = actions.add_parser(
        "card",
        help="write a card of a set: a page, the same as JSON, and Croissant metadata",
        description="Tell what a set holds, what a verifier sees in it and which attributes its faces have; against an "
        "authentic set, what it gives away of its persons, too. Writes card.html, card.json and croissant.json. No "
        "picture is shown unless --pictures asks for it.",
    )
    card.add_argument("source", metavar="SET", help=_SET)
    card.add_argument("--out", required=True, metavar="DIR", help="folder of the card")
    card.add_argument("--name", default="", help="the set's name; default: that of its file")
    card.add_argument(
        "--classes",
        choices=("own", "folders", "authentic", "none"),
        default="own",
        help="what its classes are: identities of its own, the same by its folders alone, the authentic ones of the "
        "same names, or nothing; default: own",
    )
    card.add_argument("--against", metavar="AUTHENTIC", help="the authentic set whose persons it may give away")
    card.add_argument(
        "--control",
        metavar="FACES",
        help="persons who trained nothing, of the distribution of the authentic ones: only with them links without "
        "labels are claimed",
    )
    card.add_argument(
        "--verifier",
        default="embedded",
        metavar="FILE",
        help="weights of a recognition model; default: embedded, the shipped one, for rendered faces",
    )
    card.add_argument(
        "--classifier",
        default="none",
        metavar="FILE",
        help="an attribute classifier, or 'auto' for the shipped one, for rendered faces; default: none",
    )
    card.add_argument("--description", default="", metavar="TEXT", help="what the set is, in a sentence")
    card.add_argument("--credit", default="", metavar="TEXT", help="who made it")
    card.add_argument("--licence", default="", metavar="TEXT", help="under what terms: a name or an address")
    card.add_argument("--pictures", action="store_true", help="show the first 24 images")
    card.set_defaults(command=_card)


def _add_align(actions: argparse._SubParsersAction) -> None:
    align = actions.add_parser(
        "align",
        help="bring the faces of photographs to the ArcFace crop (extra align)",
        description="Find the main face of every photograph and write its aligned crop under the same name, with "
        "alignment.csv and not_found.csv beside. A stopped run goes on where it was.",
    )
    align.add_argument("source", metavar="SRC", help="photographs of any size: a folder, or a zip or tar of identities")
    align.add_argument("target", metavar="DST", help="a new folder, or one of the same recipe")
    align.add_argument("--size", type=int, default=112, metavar="PX", help="side of the crops; default: 112")
    align.add_argument(
        "--missing",
        choices=("drop", "keep"),
        default="drop",
        help="a photograph without a face is left out, or its centred square is kept; default: drop",
    )
    _add_set_options(align)
    _add_workers(align)
    align.set_defaults(command=_align)


def _add_set_options(command: argparse.ArgumentParser) -> None:
    """How a set that is given is read."""
    _add_labels(command)
    _add_bad_images(command)


def _add_labels(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--labels",
        choices=("auto", "folders", "none"),
        default="auto",
        help="identities: what the set itself tells, the folders of its images, or none; default: auto",
    )


def _add_bad_images(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--on-bad-image",
        choices=("stop", "skip"),
        default="stop",
        help="images that cannot be decoded are an error, or are left out and counted; default: stop",
    )


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="default: all cores")


def _parameter_help() -> str:
    """Every parameter: name, type, range, default, and its sentence."""
    lines = ["parameters (--set NAME=VALUE):"]
    for row in describe(ReportParameters):
        limits = f", {row['range']}" if row["range"] else ""
        lines.append(f"\n  {row['name']}  ({row['type']}{limits}; default: {row['default']!r})")
        lines += textwrap.wrap(row["description"], 100, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
