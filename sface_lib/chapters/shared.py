"""Parameters that several chapters read, and the rules that hold wherever they are read together."""

from typing import Literal

from pydantic import model_validator

from sface_lib.chapters.setspec import AUTHENTIC, GENERATED, SyntheticSets
from sface_lib.errors import ParameterError
from sface_lib.run.parameters import Parameters, path_setting, setting

EMBEDDED, NONE, AUTO, BASELINE = "embedded", "none", "auto", "baseline"
POPULATION_SETS = ("balanced", "global")  # In the authentic role.


class Authentic(Parameters):
    authentic: str = path_setting(
        EMBEDDED,
        "Authentic faces: a folder, zip or tar of identity folders, a set with dataset.json, RecordIO, parquet, "
        "WebDataset, LMDB, a pattern of shards such as train-{000..099}.tar, or 'embedded' for the rendered "
        "population, in which no person exists.",
        (EMBEDDED,),
        shards=True,
    )


class Pairs(Authentic):
    protocol: str = path_setting(
        EMBEDDED,
        "Verification pairs: LFW's pairs.txt, a CSV of left,right,same,fold, another benchmark's own list, a "
        "verification .bin, or a folder of several .bin; 'embedded' for the population's five.",
        (EMBEDDED,),
    )
    protocol_faces: str = path_setting(
        "",
        "Faces that the pairs name; empty for the authentic set itself, or for a .bin, which holds its own.",
        ("",),
        shards=True,
    )

    @model_validator(mode="after")
    def _pairs_fit_the_faces(self) -> "Pairs":
        own_pairs = self.protocol != EMBEDDED or self.protocol_faces
        if self.authentic == EMBEDDED and own_pairs:
            raise ValueError(
                "protocol and protocol_faces go with faces of your own: give authentic=PATH too, or leave them out"
            )
        if self.authentic != EMBEDDED and self.protocol == EMBEDDED:
            raise ValueError(
                "protocol: 'embedded' fits only authentic=embedded; give a pairs file, e.g. protocol=PATH/pairs.txt"
            )
        return self


class Verifier(Authentic):
    verifier: str = path_setting(
        EMBEDDED,
        "Weights of the recognition model that judges quality and link; 'embedded' is the shipped one, for rendered "
        "faces.",
        (EMBEDDED,),
    )

    @model_validator(mode="after")
    def _verifier_fits_the_faces(self) -> "Verifier":
        if self.authentic != EMBEDDED and self.verifier == EMBEDDED:
            raise ValueError(
                "verifier: 'embedded' is trained on rendered faces and goes with authentic=embedded; give the weights "
                "of a recognition model that never saw the faces of authentic, e.g. verifier=PATH.safetensors"
            )
        return self


class BadImages(Parameters):
    on_bad_image: Literal["stop", "skip"] = setting(
        "stop",
        "An image that cannot be decoded stops the run (in a synthetic set: leaves that set out), or is skipped and "
        "counted.",
    )


class Synthetic(BadImages, Authentic):
    synthetic: SyntheticSets = setting(
        GENERATED,
        "Synthetic sets, separated by commas: 'generated' is that of this run's generator; any other is a name, an "
        "equals sign and a path, and then :own, :folders, :authentic or :none for what its classes are (identities of "
        "its own, the same by its folders alone, the authentic ones of the same names, nothing) and :unexposed where "
        "its generator never saw the authentic set. The path 'embedded' is the shipped set of rendered persons that "
        "nothing was trained on.",
        validate_default=True,
    )
    identity_order: str = path_setting(
        "",
        "File whose line k, from 0 on, names the authentic identity that class k of a set with authentic labels stands "
        "for; empty where classes have the identities' names.",
        ("",),
    )

    @property
    def generates(self) -> bool:
        """Whether a generator of this run draws a set."""
        return any(each.generated for each in self.synthetic)

    @model_validator(mode="after")
    def _names_are_free(self) -> "Synthetic":
        taken = [each.name for each in self.synthetic if each.name in POPULATION_SETS and self.authentic == EMBEDDED]
        if taken:
            raise ValueError(
                f"synthetic: {taken[0]!r} names an authentic set of the embedded population; choose another name"
            )
        return self

    @model_validator(mode="after")
    def _order_is_of_use(self) -> "Synthetic":
        given = [each.name for each in self.synthetic if each.labels == AUTHENTIC and not each.generated]
        if self.identity_order and not given:
            raise ValueError(
                "identity_order names classes of sets with authentic labels, and synthetic has none; leave it out, or "
                "give a set as name=path:authentic"
            )
        return self


class Train(Parameters):
    train: bool = setting(
        True,
        "Train recognition models; without it only networks that are given (baseline_model, and a set's model in a "
        "study file) are evaluated, and where none is given notebooks 04 and 05 are left out.",
    )


class Models(Train, Synthetic):
    """Which networks are trained, and which are given."""

    baseline_model: str = path_setting(
        "",
        "Weights of a network that was trained on authentic faces, which then stands for the authentic baseline; empty "
        "to train it.",
        ("",),
    )

    @property
    def has_models(self) -> bool:
        """Whether any network is trained or given."""
        return self.train or bool(self.baseline_model) or any(each.model for each in self.synthetic)


class Unseen(Authentic):
    """Faces that no generator saw: other persons, and other images of the training persons."""

    control: str = path_setting(
        "",
        "Labelled faces of persons that no generator saw; empty for those kept apart by control_split, or else for the "
        "persons of the evaluated pairs.",
        ("",),
        shards=True,
    )
    control_split: float = setting(
        0.0,
        "Share of the authentic identities that is kept apart at random before a generator of this run is trained, as "
        "control persons.",
        ge=0,
        le=0.5,
    )
    control_same_distribution: bool = setting(
        False,
        "States that control and training persons were drawn from one distribution, so that comparisons with "
        "control persons support claims.",
    )
    held_out: str = path_setting(
        "",
        "Further faces of the training persons, by their names, that no generator saw; empty for those kept apart by "
        "held_out_split.",
        ("",),
        shards=True,
    )
    held_out_split: float = setting(
        0.0,
        "Share of each training identity's images that is kept apart at random, before a generator of this run is "
        "trained.",
        ge=0,
        le=0.5,
    )
    held_out_same_distribution: bool = setting(
        False, "States that the held-out images were split off at random before any generator was trained."
    )

    @model_validator(mode="after")
    def _unseen_faces_fit(self) -> "Unseen":
        for name in ("control", "held_out"):
            path, share, stated = (getattr(self, name + end) for end in ("", "_split", "_same_distribution"))
            if self.authentic == EMBEDDED and (path or share or stated):
                raise ValueError(
                    f"{name}: the embedded population has its own; give authentic=PATH too, or leave {name} and "
                    f"{name}_split out"
                )
            if path and share:
                raise ValueError(f"{name} and {name}_split exclude each other; give one of them")
        return self


class Steering(Parameters):
    identity_model: str = path_setting(
        "",
        "Weights of a recognition model that steers the drawn faces toward their class's identity; empty steers none. "
        "It must not be the verifier, and may not judge the generated set.",
        ("",),
    )


class Teacher(Parameters):
    teacher: str = path_setting(
        BASELINE,
        "Weights of the frozen teacher of KT and CL; 'baseline' is the authentic baseline of the same run.",
        (BASELINE,),
    )


class Pictures(Authentic):
    show_authentic_images: bool | None = setting(
        None, "Show authentic faces and names in the report; unset means only for the embedded set, which shows nobody."
    )

    @model_validator(mode="after")
    def _settle_what_is_shown(self) -> "Pictures":
        if self.show_authentic_images is None:
            object.__setattr__(self, "show_authentic_images", self.authentic == EMBEDDED)
        return self


class Seed(Parameters):
    seed: int = setting(0, "Seed of every random draw.", ge=0, le=2**31 - 1)


class Precision(Parameters):
    precision: Literal["auto", "float32", "bf16"] = setting(
        "auto", "Arithmetic of the networks; auto takes bf16 autocast where the processor has it."
    )


class Shuffles(Parameters):
    shuffles: int = setting(1000, "Label shuffles, and random splits of two sets, behind each null.", ge=1000)


class Resamples(Parameters):
    bootstrap_resamples: int = setting(500, "Identity bootstrap resamples behind each interval.", ge=500)


class ImagesPerClass(Parameters):
    images_per_class: int = setting(
        12,
        "Synthetic images of each class, and most images of a class that any recognition model is trained on.",
        ge=2,
    )


class Truncation(Parameters):
    psi: float = setting(1.0, "Truncation of the latent space; 1 is none.", ge=0, le=1)


class Processes(Parameters):
    processes: int = setting(
        1,
        "Processes of this machine that train together, and share the embedding of large sets, e.g. one per GPU; "
        "recognition_batch and generator_batch are those of all.",
        ge=1,
    )


class GeneratorBatch(Parameters):
    generator_batch: int = setting(16, "Images in one training step of the generator, over all processes.", ge=2)


class RecognitionBatch(Parameters):
    recognition_batch: int = setting(
        64, "Images in one training step of a recognition model, over all processes.", ge=2
    )


class Groups(Parameters):
    groups: str = path_setting(
        "",
        "CSV with the columns identity and group for faces of your own, training and evaluated ones: chance is taken "
        "within groups, and accuracy is reported by group.",
        ("",),
    )


class Classifier(Parameters):
    attribute_classifier: str = path_setting(
        AUTO,
        "Weights of the attribute classifier, from `sface attributes train`; 'auto' is the shipped one for the "
        "embedded set and none for faces of your own; with 'none' notebook 06 compares nothing. It predicts "
        "training identities' groups where none are given.",
        (AUTO, NONE),
    )


class EmbeddedSelection(Parameters):
    embedded_identities: int = setting(12, "Identities of the population that train the generator.", ge=2, le=200)
    embedded_images: int = setting(12, "Images of each of them.", ge=2, le=20)


def check_batch(p: Parameters, name: str, images: int) -> None:
    """Refuse a batch, the parameter of this name, that is larger than what there is; raises `ParameterError`."""
    if (batch := getattr(p, name)) > images:
        raise ParameterError(f"{name} = {batch} is more than the {images} images there are to train on; lower it")
