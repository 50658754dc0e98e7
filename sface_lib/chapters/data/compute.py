"""Which images train, which pairs are evaluated, and that no person is in both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.chapters import handover
from sface_lib.chapters.data.parameters import DataParameters
from sface_lib.chapters.data.results import DataResults, Failures
from sface_lib.chapters.failures import failures
from sface_lib.chapters.shared import check_batch
from sface_lib.chapters.study import Study, held_out_by_name, held_out_from, open_persons
from sface_lib.data import FaceSet, Manifest, Protocol, parse_folds, select_images, write_selection
from sface_lib.errors import InputError, ParameterError
from sface_lib.recognition import ProtocolPairs, resolve_pairs


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The pairs that recognition is tested on.

    Attributes
    ----------
    faces
        The set whose images the pairs name.
    pairs
        Benchmark -> its pairs of the asked folds, as positions in `faces`; pairs of undecodable images are left out.
    folds
        Numbers of those folds.
    named
        How many pairs the asked folds name.
    identities
        Names of the persons in them; empty where they are not known.
    read, undecodable
        How many images these pairs name, and how many of them cannot be decoded.
    """

    faces: FaceSet
    pairs: Mapping[str, ProtocolPairs]
    folds: tuple[int, ...]
    named: int
    identities: frozenset[str]
    read: int
    undecodable: int

    @property
    def images(self) -> np.ndarray:
        """Positions of the images in pairs, each once, sorted, int64."""
        return np.unique(np.concatenate([side for each in self.pairs.values() for side in (each.left, each.right)]))

    def __len__(self) -> int:
        """Number of pairs over all benchmarks."""
        return sum(len(each.same) for each in self.pairs.values())


@dataclass(frozen=True, eq=False)
class Selection:
    """The training images.

    Attributes
    ----------
    faces
        Those images, labelled 0 to K - 1.
    positions
        Where they lie in the whole set, int64.
    excluded
        Labels, in the whole set, of the identities that occur in evaluated pairs.
    control
        The images of the identities that are kept apart; None without `control_split`.
    held_out
        The images of training identities that are kept apart, labelled as those; None without `held_out_split`.
    """

    faces: FaceSet
    positions: np.ndarray
    excluded: frozenset[int]
    control: FaceSet | None = None
    held_out: FaceSet | None = None

    @property
    def images_per_identity(self) -> np.ndarray:
        """int64 `[K]`."""
        return np.bincount(self.faces.labels)


def inspect(study: Study) -> Manifest:
    """Decode every authentic image once; raises `InputError` where there are fewer than two identities."""
    study.faces.require_classes("a report")
    return study.faces.inspect()


def evaluated_pairs(faces: FaceSet, protocols: Mapping[str, Protocol], asked_folds: str) -> Evaluated:
    """The pairs of the asked folds of every benchmark, over the set whose images they name."""
    folds = parse_folds(asked_folds, next(iter(protocols.values())).fold_ids)
    asked = {name: protocol.restrict(folds) for name, protocol in protocols.items()}
    known = faces.labels is not None
    labels = {label for each in asked.values() for label in each.identities_in(faces)} if known else set()
    used = np.unique(np.concatenate([side for each in asked.values() for side in each.resolve(faces)]))
    readable = np.zeros(len(faces), bool)
    readable[used] = faces.subset(used).good
    return Evaluated(
        faces=faces,
        pairs={name: resolve_pairs(each, faces, readable) for name, each in asked.items()},
        folds=tuple(folds),
        named=sum(map(len, asked.values())),
        identities=frozenset(faces.identities[label] for label in labels),
        read=len(used),
        undecodable=len(used) - int(readable.sum()),
    )


def select_training(p: DataParameters, study: Study, evaluated: Evaluated) -> Selection:
    """The images of identities with enough of them that occur in no evaluated pair, by name or by an equal image."""
    faces, candidates = study.faces, study.candidates
    excluded = {label for label, name in enumerate(faces.identities) if name in evaluated.identities}
    if evaluated.faces.path != faces.path:
        seen = {evaluated.faces.digest(position) for position in evaluated.images}
        excluded |= {int(faces.labels[position]) for position in candidates if faces.digest(position) in seen}
    kept = candidates[select_images(faces.labels[candidates], p.min_images, exclude=excluded, seed=p.seed)]
    control = held_out = None
    if p.control_split:
        apart = control_persons(p, faces.labels[kept])
        kept, control = kept[~apart], faces.subset(kept[apart])
    if p.held_out_split:
        apart = held_out_images(p, faces.labels[kept])
        kept, others = kept[~apart], kept[apart]
        held_out = held_out_from(faces, others, kept)
    return Selection(faces.subset(kept), kept, frozenset(excluded), control, held_out)


def control_persons(p: DataParameters, labels: np.ndarray) -> np.ndarray:
    """Which images are of the identities that `control_split` keeps apart, bool `[N]`.

    Raises
    ------
    ParameterError
        Fewer than two identities are left of one kind.
    """
    persons = np.random.default_rng(p.seed).permutation(np.unique(labels))
    apart = persons[: round(p.control_split * len(persons))]
    if min(len(apart), len(persons) - len(apart)) < 2:
        raise ParameterError(
            f"control_split = {p.control_split:g} keeps {len(apart)} of {len(persons)} identities apart, and two are "
            "needed on either side; give another share, or control=PATH"
        )
    return np.isin(labels, apart)


def held_out_images(p: DataParameters, labels: np.ndarray) -> np.ndarray:
    """Which images of the training identities `held_out_split` keeps apart, bool `[N]`.

    Of each identity at least one image stays, and `min_images` where it has so many.

    Raises
    ------
    ParameterError
        No identity has images enough to keep one apart.
    """
    random, chosen = np.random.default_rng([p.seed, 1]), np.zeros(len(labels), bool)
    for _, own in pd.Series(np.arange(len(labels))).groupby(labels):
        count = min(round(p.held_out_split * len(own)), len(own) - max(1, p.min_images))
        chosen[random.permutation(own)[: max(0, count)]] = True
    if not chosen.any():
        raise ParameterError(
            f"held_out_split = {p.held_out_split:g} keeps no image apart, as no identity has more than min_images = "
            f"{p.min_images} images to spare; give a larger share or a smaller min_images, or held_out=PATH"
        )
    return chosen


def check_unseen(p: DataParameters, study: Study, selection: Selection) -> None:
    """Refuse control persons, or held-out images, that are in the authentic set.

    Raises
    ------
    InputError
        A person of `control` has the name of an authentic identity, or an image of `control` or `held_out` is a
        training image; or `held_out` has no training person.
    """
    given = {name: open_persons(name, path) for name in ("control", "held_out") if (path := getattr(p, name))}
    if "control" in given:
        given["control"].require_labels()
        both = set(given["control"].identities) & set(study.faces.identities)
        shared = sorted(name for name in both if not name.isdecimal())
        if shared:
            raise InputError(
                f"control = '{p.control}' and authentic share {len(shared)} persons by name, such as {shared[0]!r}; "
                "leave them out of control"
            )
    if "held_out" in given and not len(held_out_by_name(given["held_out"], selection.faces.identities)):
        raise InputError(
            f"held_out = '{p.held_out}' has no person with the name of a training identity, such as "
            f"{selection.faces.identities[0]!r}; name its folders as those of authentic"
        )
    for name, faces in given.items():
        if same := faces.shared_with(selection.faces):
            raise InputError(
                f"{name} = '{getattr(p, name)}' holds {same} of the training images, byte for byte; leave them out of "
                f"{name}"
            )


def check_recognition_batch(p: DataParameters, images_per_identity: np.ndarray) -> None:
    """Refuse a batch that is larger than what there is to train recognition on; raises `ParameterError`."""
    if p.train:
        check_batch(p, "recognition_batch", int(np.minimum(images_per_identity, p.images_per_class).sum()))


def hand_over(stage: Any, selection: Selection, evaluated: Evaluated) -> None:
    """Leave the selection and the pairs for later notebooks."""
    handover.write_pairs(stage, evaluated.pairs)
    handover.write_selection(stage, selection.positions, selection.faces.labels)
    for file, apart in ((handover.CONTROL, selection.control), (handover.HELD_OUT, selection.held_out)):
        if apart is not None:
            write_selection(stage.output(file), apart)


def failures_of(study: Study, manifest: Manifest, selection: Selection, evaluated: Evaluated) -> tuple[Failures, ...]:
    """Of every set that the report reads but for the synthetic ones, each once: see notebook 02 for those."""
    counts = [failures("authentic", study.faces, manifest.n_images, len(manifest.bad))]
    for name, faces in study.unseen_sets(len(selection.faces.identities)).items():
        seen = faces.inspect()
        counts.append(failures(name, faces, seen.n_images, len(seen.bad)))
    if evaluated.faces.path != study.faces.path:
        counts.append(failures("verification pairs", evaluated.faces, evaluated.read, evaluated.undecodable))
    return tuple(counts)


def example_pairs(evaluated: Evaluated, seed: int, each: int = 4) -> list[np.ndarray]:
    """Positions of some pairs of each benchmark, left and right in turn: a row of genuine ones, a row of impostors."""
    random, rows = np.random.default_rng(seed), []
    for benchmark in evaluated.pairs.values():
        for same in (True, False):
            some = random.permutation(np.flatnonzero(benchmark.same == same))[:each]
            rows.append(np.stack([benchmark.left[some], benchmark.right[some]], 1).ravel())
    return rows


def with_light(truth: pd.DataFrame) -> pd.DataFrame:
    """What was drawn for every rendered image, with the angle of its key light (`light_degrees`)."""
    return truth.assign(light_degrees=np.degrees(np.arctan2(truth["light1_x"], truth["light1_z"])))


def attribute_shares(truth: pd.DataFrame) -> pd.DataFrame:
    """Share of images with each attribute of the ground truth present, absent and undefined."""
    attributes = truth.loc[:, "Male":"Attractive"]
    codes = {"yes": 1, "no": -1, "undefined": 0}
    return pd.DataFrame({name: (attributes == code).mean() for name, code in codes.items()})


def results(
    study: Study, manifest: Manifest, selection: Selection, evaluated: Evaluated, failed: tuple[Failures, ...]
) -> DataResults:
    """What later chapters find."""
    return DataResults(
        rendered=study.rendered,
        set_images=manifest.n_images,
        set_identities=manifest.n_identities,
        undecodable_images=len(manifest.bad),
        fingerprint=manifest.fingerprint,
        training_images=len(selection.faces),
        training_identities=len(selection.faces.identities),
        excluded_identities=len(selection.excluded),
        control_images=len(selection.control or ()),
        control_identities=len(selection.control.identities) if selection.control else 0,
        held_out_images=len(selection.held_out or ()),
        evaluation_pairs=len(evaluated),
        benchmarks=tuple(evaluated.pairs),
        evaluation_identities=len(evaluated.identities),
        evaluation_folds=evaluated.folds,
        failures=failed,
    )
