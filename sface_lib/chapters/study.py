"""What a report is about: every input, resolved once.

The embedded population is one study, the user's paths are another; later code does not ask which it has. A chapter
may ask its study only for what the chapter's own parameters name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from sface_lib.chapters.handover import CONTROL, HELD_OUT, PAIRS, SELECTION, SYNTHETIC
from sface_lib.chapters.setspec import AUTHENTIC, GENERATED, OWN, SHIPPED, STEERED, SetSpec
from sface_lib.chapters.shared import AUTO, EMBEDDED, NONE, POPULATION_SETS
from sface_lib.chapters.synthetic import SyntheticSet, open_given
from sface_lib.data import FaceSet, Protocol, holds_bins, open_bins, open_faces, read_protocol, read_selection
from sface_lib.data.filenames import composed
from sface_lib.errors import FacesError, InputError, NumberedFoldersError
from sface_lib.population import (
    BENCHMARKS,
    VERIFIER_PATH,
    first_images,
    shipped_faces,
    shipped_protocol,
    shipped_truth,
)
from sface_lib.recognition import ProtocolPairs

IMAGES_CONTROL, IMAGES_HELD_OUT = 10, 5  # Of each person.
PUBLIC_JUDGE = "dlib"


@dataclass(frozen=True, eq=False)
class AuthenticSet:
    """A set in the authentic role: its name, its images, and, if rendered, their ground truth, a row each."""

    name: str
    faces: FaceSet
    truth: pd.DataFrame | None = None


class Study(ABC):
    """The inputs of a report.

    Parameters
    ----------
    parameters
        A chapter's parameters; a property that needs one which the chapter lacks raises `AttributeError`.
    run_file
        Gives the path of a file that an earlier chapter left, such as `Stage.input`; None outside a run.
    """

    rendered: bool  # No person exists in the authentic set.

    def __init__(self, parameters: Any, run_file: Callable[[str], Path] | None = None):
        self._p = parameters
        self._run_file = run_file

    @property
    @abstractmethod
    def faces(self) -> FaceSet:
        """The whole authentic set."""

    @property
    @abstractmethod
    def truth(self) -> pd.DataFrame | None:
        """Ground truth of each image of `faces`, a row each; None where that is not known."""

    @property
    @abstractmethod
    def candidates(self) -> np.ndarray:
        """Positions in `faces`, int64 `[N]`, of the images that may be trained on."""

    def select(self, selection: str | Path | None = None) -> FaceSet:
        """The training images, labelled 0 to K - 1: those of a selection file of notebook 01, or all `candidates`.

        Raises
        ------
        InputError
            The selection cannot be read, or is of another set.
        """
        return self.faces.subset(read_selection(selection, len(self.faces)) if selection else self.candidates)

    @cached_property
    def training(self) -> FaceSet:
        """The images that train in this run."""
        return self.select(self._run_file(SELECTION))

    @cached_property
    def training_truth(self) -> pd.DataFrame | None:
        """Ground truth of each training image, a row each; None where that is not known."""
        if self.truth is None:
            return None
        return self.truth.iloc[read_selection(self._run_file(SELECTION), len(self.faces))]

    @property
    def traits(self) -> pd.DataFrame | None:
        """Traits of each training identity, such as gender and ancestry, a row by its label; None where not known."""
        if self.training_truth is None:
            return None
        return _traits(self.training_truth.groupby(self.training.labels).first())

    @abstractmethod
    def unseen_sets(self, identities: int) -> dict[str, FaceSet]:
        """Control and held-out faces that are no part of the authentic set, beside so many training identities.

        As they lie on disk: images that can't be decoded are among them and stop nothing.
        """

    @property
    @abstractmethod
    def control(self) -> FaceSet | None:
        """Labelled images of persons on whom no generator was trained; None where there are none."""

    @abstractmethod
    def control_is_exchangeable(self, synthetic: SyntheticSet) -> bool:
        """Whether control persons are exchangeable with training persons.

        They are where both are of one distribution, and the set's generator saw no control person.
        """

    @property
    @abstractmethod
    def held_out(self) -> FaceSet | None:
        """Images of the training persons on which nothing was trained, labelled as `training`; None without."""

    @abstractmethod
    def held_out_at_random(self, synthetic: SyntheticSet) -> bool:
        """Whether the `held_out` images were split off at random, before the set's generator was trained."""

    @property
    def authentic_sets(self) -> tuple[AuthenticSet, ...]:
        """The sets in the authentic role that attributes are compared in, the training images first."""
        return (AuthenticSet("authentic", self.training, self.training_truth),)

    @cached_property
    def synthetic(self) -> tuple[SyntheticSet, ...]:
        """The synthetic sets, in the order in which they were asked for."""
        return tuple(map(self.open_set, self._p.synthetic))

    def open_set(self, spec: SetSpec, drawn: FaceSet | None = None) -> SyntheticSet:
        """One synthetic set; a model that steered the run's generator is barred from judging the set that it drew.

        `drawn` are the images of the run's generator, where the run folder does not hold them yet.
        """
        steered_by = getattr(self._p, "identity_model", "") if spec.generated else ""
        barred = spec.barred_models | ({steered_by: STEERED} if steered_by else {})
        return replace(self._open(spec, drawn), barred_models=barred, credit=spec.credit, licence=spec.licence)

    def _open(self, spec: SetSpec, drawn: FaceSet | None) -> SyntheticSet:
        if spec.generated:
            return SyntheticSet(GENERATED, open_faces(self._run_file(SYNTHETIC)) if drawn is None else drawn, AUTHENTIC)
        if spec.path == SHIPPED:
            faces, truth = self._unexposed
            return SyntheticSet(spec.name, faces, OWN, exposed=False, truth=truth)
        given = open_given(spec, self.training.identities, self._p.identity_order, self._p.on_bad_image)
        return given.usable() if self._p.on_bad_image == "skip" else given

    @property
    def _unexposed(self) -> tuple[FaceSet, pd.DataFrame]:
        """The shipped rendered persons that nothing was trained on, and the ground truth of their images."""
        return shipped_faces("unexposed"), shipped_truth("unexposed")

    @property
    @abstractmethod
    def pairs(self) -> tuple[FaceSet, dict[str, Protocol]]:
        """The set whose images the pairs name, and each benchmark's pairs, by its name."""

    @cached_property
    def evaluated(self) -> tuple[FaceSet, dict[str, ProtocolPairs]]:
        """The images of the evaluated pairs, each once, and by benchmark the pairs as positions in these images."""
        used, rows = self._evaluated_positions
        names = [field.name for field in fields(ProtocolPairs)]
        groups = rows.groupby("benchmark", sort=False)
        pairs = {name: ProtocolPairs(*(own[field].to_numpy() for field in names)) for name, own in groups}
        return self.pairs[0].subset(used), pairs

    @cached_property
    def _evaluated_positions(self) -> tuple[np.ndarray, pd.DataFrame]:
        """Positions of the evaluated images in the pairs' set, int64, and notebook 01's pairs as indices into these."""
        rows = pd.read_csv(self._run_file(PAIRS))
        used, places = np.unique(rows[["left", "right"]].to_numpy().T, return_inverse=True)
        rows["left"], rows["right"] = places.reshape(2, -1)
        return used, rows

    @property
    @abstractmethod
    def evaluated_truth(self) -> pd.DataFrame | None:
        """What was drawn for each evaluated image; None where that is not known."""

    @property
    @abstractmethod
    def groups(self) -> dict[int, str]:
        """Group of each evaluated identity, by its label in the pairs' set; empty where none is known.

        Raises
        ------
        InputError
            The table that names them lacks its columns, or names none of the identities of the study.
        """

    @property
    def verifier(self) -> Path:
        """Weights of the verifier."""
        return weights_file(self._p.verifier, VERIFIER_PATH)

    def judges(self, public: Path | None) -> dict[str, Path]:
        """Name and weights of each model that judges the link.

        Parameters
        ----------
        public
            Weights of the second judge where the parameter `second_verifier` is "auto"; None where none is installed.
        """
        second = weights_file(self._p.second_verifier, public)
        if second is None:
            return {"verifier": self.verifier}
        return {"verifier": self.verifier, PUBLIC_JUDGE if second == public else "second verifier": second}

    def attribute_classifier(self, shipped: Path) -> Path | None:
        """Weights of the attribute classifier, or None; `shipped` serves rendered faces only."""
        return weights_file(self._p.attribute_classifier, shipped if self.rendered else None)


class PopulationStudy(Study):
    """The embedded population: rendered faces of no real person, and all that is known of them."""

    rendered = True

    def control_is_exchangeable(self, synthetic: SyntheticSet) -> bool:
        return True

    held_out_at_random = control_is_exchangeable

    @cached_property
    def faces(self) -> FaceSet:
        return shipped_faces("balanced")

    @cached_property
    def truth(self) -> pd.DataFrame:
        return shipped_truth("balanced")

    @property
    def candidates(self) -> np.ndarray:
        return first_images(self.faces, self._p.embedded_identities, self._p.embedded_images)

    @cached_property
    def control(self) -> FaceSet:
        """As many persons of the same distribution as train."""
        return self.unseen_sets(len(self.training.identities))["control"]

    @cached_property
    def held_out(self) -> FaceSet:
        return self.unseen_sets(len(self.training.identities))["held out"]

    @property
    def _unexposed(self) -> tuple[FaceSet, pd.DataFrame]:
        """As many persons as train, and as many images of each."""
        faces, truth = super()._unexposed
        trained = np.bincount(self.training.labels)
        chosen = first_images(faces, len(trained), int(trained.max()))
        return faces.subset(chosen), truth.iloc[chosen]

    def unseen_sets(self, identities: int) -> dict[str, FaceSet]:
        sets = {}
        for name, file, images in (("control", "control", IMAGES_CONTROL), ("held out", "held-out", IMAGES_HELD_OUT)):
            faces = shipped_faces(file)
            sets[name] = faces.subset(first_images(faces, identities, images))
        return sets

    @property
    def authentic_sets(self) -> tuple[AuthenticSet, ...]:
        """The training images of `balanced`, and all images of as many persons of `global`."""
        balanced, world = POPULATION_SETS
        other = shipped_faces(world)
        chosen = first_images(other, len(self.training.identities), len(other))
        return (
            AuthenticSet(balanced, self.training, self.training_truth),
            AuthenticSet(world, other.subset(chosen), shipped_truth(world).iloc[chosen]),
        )

    @cached_property
    def pairs(self) -> tuple[FaceSet, dict[str, Protocol]]:
        return shipped_faces("benchmark"), {name: shipped_protocol(name) for name in BENCHMARKS}

    @property
    def evaluated_truth(self) -> pd.DataFrame:
        return shipped_truth("benchmark").iloc[self._evaluated_positions[0]]

    @property
    def groups(self) -> dict[int, str]:
        traits = _traits(shipped_truth("benchmark").groupby("identity").first())
        return {int(label): f"{row.ancestry}, {row.gender}" for label, row in traits.iterrows()}


class OwnStudy(Study):
    """The user's own faces and pairs."""

    rendered = False

    @cached_property
    def faces(self) -> FaceSet:
        return open_persons("authentic", self._p.authentic, self._on_bad_image)

    @property
    def truth(self) -> None:
        return None

    @property
    def candidates(self) -> np.ndarray:
        """All images; with `on_bad_image` = "skip" only those that can be decoded."""
        skips = self._on_bad_image == "skip"
        return np.flatnonzero(self.faces.good) if skips else np.arange(len(self.faces))

    @property
    def _on_bad_image(self) -> str:
        """The parameter, or "stop" in notebook 05, which has none: its pairs are of images that notebook 01 decoded."""
        return getattr(self._p, "on_bad_image", "stop")

    def _given(self, name: str) -> FaceSet:
        """The faces that a parameter names, without those that are skipped."""
        faces = open_persons(name, getattr(self._p, name), self._on_bad_image)
        return faces.usable() if self._on_bad_image == "skip" else faces

    def unseen_sets(self, identities: int) -> dict[str, FaceSet]:
        given = {"control": "control", "held out": "held_out"}
        paths = {name: (field, path) for name, field in given.items() if (path := getattr(self._p, field))}
        return {name: open_persons(*named, on_bad_image="skip") for name, named in paths.items()}

    @cached_property
    def control(self) -> FaceSet | None:
        """The persons given or split off; else those of the evaluated pairs, whom notebook 01 kept out of training."""
        if self._p.control:
            return self._given("control")
        if self._p.control_split:
            return self.select(self._run_file(CONTROL))
        others = self.evaluated[0]
        return None if others.labels is None else others

    def control_is_exchangeable(self, synthetic: SyntheticSet) -> bool:
        return self._p.control_same_distribution or (self._p.control_split > 0 and _unseen_by(synthetic))

    @cached_property
    def held_out(self) -> FaceSet | None:
        if self._p.held_out:
            return held_out_by_name(self._given("held_out"), self.training.identities)
        if self._p.held_out_split:
            apart = read_selection(self._run_file(HELD_OUT), len(self.faces))
            return held_out_from(self.faces, apart, self.training.positions)
        return None

    def held_out_at_random(self, synthetic: SyntheticSet) -> bool:
        return self._p.held_out_same_distribution or (self._p.held_out_split > 0 and _unseen_by(synthetic))

    @cached_property
    def pairs(self) -> tuple[FaceSet, dict[str, Protocol]]:
        """Verification `.bin` files; else `protocol`, over the images of `protocol_faces` or of the authentic set."""
        given = self._p.protocol
        if holds_bins(given):
            return open_bins(given, self._on_bad_image)
        name = "protocol_faces" if self._p.protocol_faces else "authentic"
        faces = open_persons(name, getattr(self._p, name), self._on_bad_image)
        return faces, {"the pairs given": read_protocol(given)}

    @property
    def evaluated_truth(self) -> None:
        return None

    @property
    def groups(self) -> dict[int, str]:
        return self._groups_of(self.pairs[0])

    @property
    def traits(self) -> pd.DataFrame | None:
        groups = self._groups_of(self.training)
        every = range(len(self.training.identities or ()))
        return pd.DataFrame({"group": pd.Series(groups).reindex(every)}) if groups else None

    def _groups_of(self, faces: FaceSet) -> dict[int, str]:
        """Group of each of a set's identities, by its label, where it is given.

        Raises
        ------
        InputError
            The table names neither training nor evaluated identities.
        """
        if not self._p.groups or faces.identities is None:
            return {}
        group_by_name = read_groups(self._p.groups)
        groups = {label: group_by_name[name] for label, name in enumerate(faces.identities) if name in group_by_name}
        known = *self.faces.identities, *(self.pairs[0].identities or ())
        if not groups and not set(group_by_name) & set(known):
            raise InputError(
                f"groups = '{self._p.groups}' names none of the training or evaluated identities, such as {known[:1]}"
            )
        return groups


def open_persons(name: str, path: str, on_bad_image: Literal["stop", "skip"] = "stop") -> FaceSet:
    """Open the set of faces that a parameter names and whose labels must be those of persons.

    Raises
    ------
    FacesError
        There is no set, or its numbered folders may merely divide its files: taken for identities, each would merge
        many persons into one.
    """
    try:
        return open_faces(path, on_bad_image)
    except NumberedFoldersError as error:
        raise FacesError(
            f"{name} = {error.problem}; if each folder is one identity, give the copy that `sface data convert IN OUT "
            "--labels folders` makes"
        ) from None


def held_out_from(faces: FaceSet, apart: np.ndarray, training: np.ndarray) -> FaceSet:
    """The images of the authentic set at positions `apart`, int64 `[M]`, labelled as its training images are.

    `training` are the positions of the training images, int64 `[N]`; they must have all identities of `apart`.
    """
    identities = faces.subset(training).identities
    labels = np.searchsorted(np.unique(faces.labels[training]), faces.labels[apart])
    return faces.subset(apart).relabelled(labels, identities)


def held_out_by_name(faces: FaceSet, training: tuple[str, ...]) -> FaceSet:
    """The images of a set whose identities are among the names `training`, labelled by position in `training`."""
    known = {name: label for label, name in enumerate(training)}
    by_class = np.array([known.get(name, -1) for name in faces.identities], np.int64)
    labels = by_class[faces.require_labels()]
    return faces.relabelled(labels, training).subset(labels >= 0, relabel=False)


def _unseen_by(synthetic: SyntheticSet) -> bool:
    """Whether a set's generator saw no image that this run splits off: it is the run's own, or the set is unexposed."""
    return synthetic.generated or not synthetic.exposed


def open_study(parameters: Any, run_file: Callable[[str], Path] | None = None) -> Study:
    """The study that the parameters name; see `Study`."""
    return (PopulationStudy if parameters.authentic == EMBEDDED else OwnStudy)(parameters, run_file)


def weights_file(given: str, shipped: Path | None) -> Path | None:
    """Path of weights: `shipped` for "embedded" and "auto", None for "none", otherwise `given` itself."""
    if given == NONE:
        return None
    return shipped if given in (EMBEDDED, AUTO) else Path(given)


def read_groups(path: str | Path) -> dict[str, str]:
    """Group of each identity, by name; raises `InputError` where the table lacks its columns or is no CSV."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"groups = '{path}' cannot be read as CSV: {error}") from None
    if not {"identity", "group"} <= set(table.columns):
        raise InputError(f"groups = '{path}' has the columns {list(table.columns)}; give identity and group")
    return {composed(str(identity)): group for identity, group in zip(table["identity"], table["group"], strict=True)}


def _traits(truth: pd.DataFrame) -> pd.DataFrame:
    """Columns "gender" and "ancestry", from a table with the ground truth of one image of each identity."""
    return pd.DataFrame({"gender": np.where(truth["Male"] == 1, "men", "women"), "ancestry": truth["ancestry"]})
