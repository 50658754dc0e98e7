"""What later notebooks open of what earlier ones left in the run folder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.attributes import (
    ATTRIBUTES,
    Annotations,
    AttributeClassifier,
    annotate_faces,
    annotate_images,
    open_classifier,
)
from sface_lib.attributes.study import AnnotatedSet
from sface_lib.attributes.support import MOST_IMAGES
from sface_lib.data import FaceSet, Protocol, holds_bins, open_bins, open_faces, read_protocol
from sface_lib.errors import InputError
from sface_lib.files import write_text
from sface_lib.parameters import AUTO, EMBEDDED, NONE, parse_paths
from sface_lib.population import BENCHMARKS, VERIFIER_PATH, first_images, shipped_faces, shipped_protocol, shipped_truth
from sface_lib.privacy.alterations import SAMPLE, degrade, halved, sharpness
from sface_lib.recognition import ProtocolPairs, embed_faces, open_model

SELECTION = "data/selection.csv"
PAIRS = "data/pairs.csv"
SYNTHETIC = "data/synthetic.zip"
UNLABELLED = "data/unlabelled.zip"
CORRECT = "data/correct.csv"
DEGRADED = 1000  # Images that are degraded.
UNITS_APART = 10**9  # Between the numbers of two sets' persons.
IMAGES_CONTROL, IMAGES_HELD_OUT = 10, 5


def authentic_faces(stage: Any) -> FaceSet:
    """The authentic set: the user's, or the shipped `balanced`."""
    given = stage.parameters.authentic
    return shipped_faces("balanced") if given == EMBEDDED else open_faces(given)


def training_faces(stage: Any) -> FaceSet:
    """The authentic images that may train, labelled 0 to K - 1: the selection of notebook 01."""
    selection = pd.read_csv(stage.input(SELECTION))
    return authentic_faces(stage).subset(selection["position"].to_numpy())


def synthetic_faces(stage: Any) -> FaceSet:
    """The generator's labelled set; class k carries the label of training identity k."""
    return open_faces(stage.input(SYNTHETIC))


def filtered_file(fmr: float) -> str:
    """Where notebook 03 leaves the positions that a filter keeps of the synthetic set."""
    return f"data/filtered-{fmr:g}.csv"


def filtered_name(fmr: float) -> str:
    """The model that learns from them."""
    return f"CLS filtered {fmr:g}"


def filtered_sets(stage: Any) -> dict[str, np.ndarray]:
    """For each filter of notebook 03 the name of its model and the positions that it keeps of the synthetic set."""
    rates = sorted({row["control images above"] for row in stage.result("03_privacy")["remedy"]})
    return {
        filtered_name(fmr): pd.read_csv(stage.input(filtered_file(fmr)))["position"].to_numpy(np.int64) for fmr in rates
    }


def unseen_faces(stage: Any) -> tuple[FaceSet | None, FaceSet | None]:
    """Labelled faces of persons who trained nothing, and unseen images of those who did; None where there are none.

    With the shipped population these are `control`, as many persons as train, and `held-out`. With own faces the
    persons of the evaluated pairs stand in for the first, as notebook 01 kept them out of training.
    """
    if stage.parameters.authentic != EMBEDDED:
        others = evaluation_faces(stage)[0]
        return (None if others.labels is None else others), None
    identities = int(training_faces(stage).require_labels().max()) + 1
    return tuple(
        faces.subset(first_images(faces, identities, images))
        for faces, images in ((shipped_faces("control"), IMAGES_CONTROL), (shipped_faces("held-out"), IMAGES_HELD_OUT))
    )


def given_pairs(stage: Any) -> tuple[FaceSet, dict[str, Protocol]]:
    """The set that the pairs name, and each benchmark's pairs: the shipped five, or those given.

    The images are those of `.bin` files, of `protocol_faces`, or of the authentic set itself.
    """
    p = stage.parameters
    if p.authentic == EMBEDDED:
        return shipped_faces("benchmark"), {name: shipped_protocol(name) for name in BENCHMARKS}
    on_bad_image = getattr(p, "on_bad_image", "stop")  # Only notebook 01 meets images that may be bad.
    if holds_bins(p.protocol):
        return open_bins(p.protocol, on_bad_image)
    return open_faces(p.protocol_faces or p.authentic, on_bad_image), {"the pairs given": read_protocol(p.protocol)}


def write_pairs(stage: Any, pairs: Mapping[str, ProtocolPairs]) -> None:
    """Hand the evaluated pairs of each benchmark on, as positions in the set that `given_pairs` gives."""
    tables = [pd.DataFrame(dataclasses.asdict(found)).assign(benchmark=name) for name, found in pairs.items()]
    write_text(stage.output(PAIRS), pd.concat(tables).to_csv(index=False))


def evaluation_faces(stage: Any) -> tuple[FaceSet, dict[str, ProtocolPairs]]:
    """The images that the evaluated pairs name, each once, and each benchmark's pairs as positions in them."""
    table = pd.read_csv(stage.input(PAIRS))
    used, positions = np.unique(table[["left", "right"]].to_numpy().T, return_inverse=True)
    table["left"], table["right"] = positions.reshape(2, -1)
    fields = [field.name for field in dataclasses.fields(ProtocolPairs)]
    groups = table.groupby("benchmark", sort=False)
    pairs = {name: ProtocolPairs(*(rows[field].to_numpy() for field in fields)) for name, rows in groups}
    return given_pairs(stage)[0].subset(used), pairs


def demographic_groups(stage: Any) -> dict[int, str]:
    """Group of each evaluated identity, by its label in the pairs; empty where none is known.

    Raises
    ------
    InputError
        The table that `groups` names lacks its columns, or names none of the identities.
    """
    p = stage.parameters
    if p.authentic == EMBEDDED:
        truth = shipped_truth("benchmark").groupby("identity").first()
        return {int(k): f"{row.ancestry}, {'men' if row.Male == 1 else 'women'}" for k, row in truth.iterrows()}
    if not p.groups:
        return {}
    table, identities = pd.read_csv(p.groups, dtype=str), given_pairs(stage)[0].identities
    if not {"identity", "group"} <= set(table.columns):
        raise InputError(f"groups = '{p.groups}' has the columns {list(table.columns)}; give identity and group")
    named = dict(zip(table["identity"], table["group"], strict=True))
    found = {label: named[name] for label, name in enumerate(identities) if name in named}
    if not found:
        raise InputError(f"groups = '{p.groups}' names none of the evaluated identities, such as {identities[:1]}")
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class AttributeSet:
    """A set whose attributes notebook 06 compares.

    Attributes
    ----------
    role
        "authentic" or "synthetic", or "given" for one of `attribute_sets`.
    units
        int64 `[N]`: number of each image's person, one number being one person in all sets; or a number of its own.
    truth
        Ground truth of the rendered population, int8 `[N, 47]`; None elsewhere.
    """

    name: str
    role: str
    faces: FaceSet
    units: np.ndarray
    by_identity: bool
    truth: np.ndarray | None = None


def attribute_classifier(stage: Any) -> AttributeClassifier | None:
    """The classifier given; the shipped one for the embedded set; None where notebook 06 does not run."""
    given = stage.parameters.attribute_classifier
    if given == NONE or given == AUTO and stage.parameters.authentic != EMBEDDED:
        return None
    return open_classifier(*([] if given == AUTO else [given]))


def classifier_facts(classifier: AttributeClassifier, least: float) -> dict[str, Any]:
    """What the manifest says of a classifier."""
    return {
        "sha256": classifier.fingerprint,
        "trained_on": classifier.description["trained_on"],
        "attributes": list(classifier.names),
        "reliable": int(classifier.reliable(least).sum()),
    }


def attribute_sets(stage: Any, synthetic: FaceSet, unlabelled: FaceSet | None) -> list[AttributeSet]:
    """The sets that notebook 06 compares: authentic, a second authentic one, synthetic, unlabelled, and those given.

    The synthetic class k counts as the training identity k; no other two sets share a person.
    """
    training, p = training_faces(stage), stage.parameters
    sets = []
    if p.authentic == EMBEDDED:
        selection = pd.read_csv(stage.input(SELECTION))["position"].to_numpy()
        sets.append(_labelled("balanced", "authentic", training, 0, shipped_truth("balanced").iloc[selection]))
        identities = len(training.identities)
        other = shipped_faces("global")
        chosen = first_images(other, identities, len(other))
        sets.append(_labelled("global", "authentic", other.subset(chosen), 1, shipped_truth("global").iloc[chosen]))
    else:
        sets.append(_labelled("authentic", "authentic", training, 0))
    sets.append(_labelled("synthetic", "synthetic", synthetic, 0))
    if unlabelled is not None:
        sets.append(_labelled("unlabelled", "synthetic", unlabelled, 2))
    for i, path in enumerate(parse_paths(p.attribute_sets), start=3):
        sets.append(_labelled(f"{path.stem} ({i - 2})", "given", open_faces(path), i))
    return sets


def _labelled(name: str, role: str, faces: FaceSet, number: int, truth: pd.DataFrame | None = None) -> AttributeSet:
    own = np.arange(len(faces)) if faces.labels is None else faces.labels
    values = None if truth is None else truth[list(ATTRIBUTES)].to_numpy(np.int8)
    return AttributeSet(name, role, faces, own + number * UNITS_APART, faces.labels is not None, values)


def annotate(
    given: AttributeSet, classifier: AttributeClassifier, accelerator: Accelerator, seed: int
) -> tuple[AnnotatedSet, Annotations]:
    """A set as notebook 06 compares it, and all that the classifier says of it."""
    found = annotate_faces(classifier, given.faces, accelerator, seed)
    known = [ATTRIBUTES.index(name) for name in classifier.names]
    truth = None if given.truth is None else given.truth[:, known]
    about = (given.name, given.role, found.names, found.label, found.probability, given.units, given.by_identity, truth)
    return AnnotatedSet(*about), found


def degraded(
    given: AttributeSet, like: AttributeSet, classifier: AttributeClassifier, accelerator: Accelerator, seed: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Positions of at most 1,000 images of a set, and their labels int8 `[n, A]` after each of two degradations.

    They are blurred to the sharpness of another set, where they are sharper; and brought to half the resolution and
    back, which is more than any generator worth its name does.
    """
    random, side = np.random.default_rng(seed), like.faces.resolution
    positions = np.sort(random.permutation(len(given.faces))[:DEGRADED])
    images = given.faces.load(positions, size_px=side).numpy()
    others = like.faces.load(random.permutation(len(like.faces))[:SAMPLE], size_px=side).numpy()
    made = {"same sharpness": degrade(images, sharpness(others)), "half the resolution": halved(images, random)}
    return positions, {name: annotate_images(classifier, x, accelerator, seed, 1).label for name, x in made.items()}


def sample_embeddings(
    stage: Any, given: AttributeSet, classifier: AttributeClassifier, found: Annotations, accelerator: Accelerator
) -> tuple[np.ndarray, np.ndarray]:
    """The verifier's embeddings float32 `[n, d]` of a set's images, 2,000 at most, at random, and their units.

    Those that the classifier has read, where it reads the verifier's; without the mirror image in any case.
    """
    p = stage.parameters
    model = open_model(VERIFIER_PATH if p.verifier == EMBEDDED else p.verifier)
    chosen = np.sort(np.random.default_rng(p.seed).permutation(len(given.faces))[: 2 * MOST_IMAGES])
    if model.fingerprint == classifier.embedder.fingerprint:
        return found.embedding[chosen], given.units[chosen]
    return embed_faces(model, given.faces.subset(chosen), accelerator, fuse=False), given.units[chosen]


def write_correct(stage: Any, correct: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Hand on which evaluated pairs each model judges rightly: a column a model, in the order of the benchmark's pairs.

    A value is the share of the model's seeds that are right.
    """
    tables = [pd.DataFrame(columns).assign(benchmark=benchmark) for benchmark, columns in correct.items()]
    write_text(stage.output(CORRECT), pd.concat(tables).to_csv(index=False))


def evaluated_attributes(
    stage: Any, classifier: AttributeClassifier, accelerator: Accelerator, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], pd.DataFrame]:
    """Attributes of both images of every evaluated pair, int8 `[P, A]` each, and the table of `write_correct`.

    The ground truth where it is known, else what the classifier says.
    """
    faces, pairs = evaluation_faces(stage)
    if stage.parameters.authentic == EMBEDDED:
        used = np.unique(pd.read_csv(stage.input(PAIRS))[["left", "right"]].to_numpy())
        values = shipped_truth("benchmark").iloc[used][list(classifier.names)].to_numpy(np.int8)
    else:
        values = annotate_faces(classifier, faces, accelerator, seed).label
    sides = (np.concatenate([getattr(found, side) for found in pairs.values()]) for side in ("left", "right"))
    return tuple(values[side] for side in sides), pd.read_csv(stage.input(CORRECT))
