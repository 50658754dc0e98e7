"""From the report's parameters to a trained model: what notebook 04 and `sface recognition train` share."""

from pathlib import Path

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import verification_metrics
from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
from sface_lib.data import (
    FaceBatches,
    FaceSet,
    Protocol,
    first_of_class,
    labels_asked,
    parts,
    split_by_identity,
    write_protocol,
    write_selection,
)
from sface_lib.engine import launch, make_accelerator, read_log
from sface_lib.errors import InputError
from sface_lib.files import write_text
from sface_lib.matching import compare_within
from sface_lib.recognition.embedding import embed_faces
from sface_lib.recognition.evaluation import ProtocolPairs
from sface_lib.recognition.models import RecognitionModel
from sface_lib.recognition.recipe import RecognitionRecipe
from sface_lib.recognition.strategies import STRATEGIES
from sface_lib.recognition.teaching import teach
from sface_lib.recognition.training import LOG_FILE, RecognitionTrainer, Validation
from sface_lib.recognition.weights import open_model
from sface_lib.run.parameters import as_settings

MODEL_FILE = "model.safetensors"
MOST_JUDGED = 4000  # Images of identities kept aside, all pairs of which are scored.


def make_recipe(p: RecognitionTrainingParameters, seed: int) -> RecognitionRecipe:
    """The recipe that the parameters ask for, from one seed."""
    return RecognitionRecipe(
        backbone=p.backbone,
        size_px=p.recognition_resolution_px,
        embedding_size=p.embedding_size,
        steps=p.training_steps,
        batch=p.recognition_batch,
        learning_rate=p.recognition_learning_rate,
        weight_decay=p.weight_decay,
        head=p.head,
        margin=p.margin,
        scale=p.scale,
        kt_weight=p.kt_weight,
        seed=seed,
        augmentation=p.augmentation,
        grey_share=p.grey_share,
        gradient_accumulation_steps=p.recognition_gradient_accumulation_steps,
    )


def train_recognition(
    p: RecognitionTrainingParameters,
    strategy: str,
    data: FaceBatches,
    out: str | Path,
    seed: int,
    teacher: RecognitionModel | None = None,
    judged_on: tuple[FaceSet, ProtocolPairs] | None = None,
) -> RecognitionModel:
    """Train in a folder, on as many processes as were launched; the model is written to `out/model.safetensors`.

    The folder keeps checkpoints, `log.jsonl`, and at the end `log.csv`. A run that was stopped goes on, and a finished
    one is read.

    Parameters
    ----------
    data
        The images that train, at `recognition_resolution_px`.
    judged_on
        Images and pairs for validation, where no training identities are kept aside for it.

    Raises
    ------
    InputError
        Something that cannot be trained; see `RecognitionRecipe.check`.
    CheckpointError
        The folder holds checkpoints of another recipe, data set or teacher.
    TrainingError
        The loss is not finite; the last checkpoint stands.
    """
    accelerator, recipe = make_accelerator(p.precision), make_recipe(p, seed)
    data, aside = keep_aside(data, p.validation_identities, seed)
    taught = (
        teach(teacher, data, accelerator, recipe.plain_views)
        if STRATEGIES[strategy].needs_teacher and teacher
        else None
    )
    trainer = RecognitionTrainer(data, strategy, recipe, accelerator, Path(out), taught)
    model = trainer.train(_validation(p, aside, judged_on, accelerator))
    if accelerator.is_main_process:
        model.save(Path(out) / MODEL_FILE)
        write_text(Path(out) / "log.csv", pd.DataFrame(read_log(Path(out) / LOG_FILE)).to_csv(index=False))
    return model


def keep_aside(
    data: FaceBatches, identities: int, seed: int, most_judged: int = MOST_JUDGED
) -> tuple[FaceBatches, FaceSet | None]:
    """A set without some of its identities, drawn at random, and images of those; None for no identity.

    All pairs of the latter are scored at every validation: they are the first images of each identity, equally many,
    and no more than about `most_judged` in all.

    Raises
    ------
    InputError
        Fewer than two identities would be left on a side, or those kept aside have one image each.
    """
    faces = data.faces
    if not identities:
        return data, None
    total = len(np.unique(faces.require_labels()))
    if identities < 2 or total - identities < 2:
        raise InputError(f"validation_identities = {identities} of {total}: keep at least two aside, and leave two")
    left, apart = split_by_identity(faces.labels, (1 - identities / total, identities / total), seed)
    aside = faces.subset(apart)
    aside = aside.subset(first_of_class(aside.labels, max(2, most_judged // identities)))
    if len(aside) == identities:
        raise InputError(
            f"the {identities} identities that validation_identities keeps aside have one image each, which make no "
            "genuine pair; raise it, or min_images"
        )
    return data.subset(left), aside


def _validation(
    p: RecognitionTrainingParameters,
    aside: FaceSet | None,
    judged_on: tuple[FaceSet, ProtocolPairs] | None,
    accelerator: Accelerator,
) -> Validation | None:
    if not p.validation_interval_steps:
        return None
    if aside is None and judged_on is None:
        raise InputError("validation_interval_steps needs pairs to judge on, or validation_identities above 0")

    def accuracy(model: RecognitionModel) -> float:
        """1 - EER, over the pairs given or over all pairs of the images kept aside."""
        if aside is not None:
            return 1 - compare_within(embed_faces(model, aside, accelerator), aside.labels).metrics().eer
        faces, pairs = judged_on
        scores = pairs.scores(embed_faces(model, faces, accelerator))
        return 1 - verification_metrics(scores[pairs.same], scores[~pairs.same]).eer

    return Validation(accuracy, p.validation_interval_steps, p.early_stop, p.keep_model == "best")


def launch_recognition(
    p: RecognitionTrainingParameters,
    strategy: str,
    faces: FaceSet,
    out: Path,
    seed: int,
    teacher: RecognitionModel | None = None,
    judged_on: tuple[FaceSet, ProtocolPairs] | None = None,
) -> RecognitionModel:
    """`train_recognition` in `p.processes` processes that are started for it."""
    command = ["recognition", "train", "--strategy", strategy, "--out", str(out), "--seed", str(seed)]
    for i, part in enumerate(parts(faces)):
        command += ["--faces", str(part.path), "--selection", str(write_selection(out / f"selection-{i}.csv", part))]
    command += ["--labels", labels_asked(faces)]
    if teacher is not None:
        command += ["--teacher", str(teacher.as_file(out / "teacher.safetensors"))]
    if judged_on is not None:
        images, pairs = judged_on
        left, right = (tuple(np.array(images.names, object)[side]) for side in (pairs.left, pairs.right))
        protocol = write_protocol(out / "pairs.csv", Protocol(left, right, pairs.same, pairs.fold))
        command += ["--protocol", str(protocol), "--images", str(images.path)]
    launch(p.processes, [*command, *as_settings(p, RecognitionTrainingParameters)], out / "launch.log")
    return open_model(out / MODEL_FILE)
