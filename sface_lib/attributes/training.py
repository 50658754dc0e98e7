"""Teaching the classifier: end to end from images, or a head alone on the embeddings of a recognition model."""

import dataclasses
import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from sface_lib.attributes.calibration import (
    fit_calibration,
    fit_thresholds,
    labels_of,
    probabilities,
    reliability,
)
from sface_lib.attributes.classifier import AttributeClassifier
from sface_lib.attributes.head import AttributeHead, AttributeLoss
from sface_lib.data import FaceBatches, FaceSet, split_by_identity
from sface_lib.engine import require_finite, seed_everything, seed_step
from sface_lib.errors import InputError
from sface_lib.recognition import (
    GivenEmbeddings,
    RecognitionModel,
    RecognitionTrainer,
    TrainingRecipe,
    embed_faces,
)

SHARES = (0.8, 0.1, 0.1)  # Of the identities: taught, calibrated on, judged on.
FEWEST = 10  # Present and absent images that an attribute needs among those that teach, to be taught.
STEPS, BATCH, RATE, DECAY, RISING = 7000, 64, 2e-3, 0.01, 0.05  # End to end; the rate rises for a share of the steps.
HEAD_STEPS, HEAD_BATCH, HEAD_RATE, HEAD_DECAY = 3000, 256, 2e-3, 1e-4


@dataclasses.dataclass(frozen=True)
class AttributeRecipe(TrainingRecipe):
    """A recipe whose objective is the branches' loss, with AdamW and a rate that falls along a cosine.

    Attributes
    ----------
    names
        The attributes.
    shares
        How often each is present in the training set: see `AttributeLoss`.
    """

    names: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW, which learns small features such as a smile where the recognition recipe's SGD does not."""
        return torch.optim.AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        rising = min(1.0, (step + 1) / (RISING * self.steps))
        return self.learning_rate * rising * (1 + math.cos(math.pi * step / self.steps)) / 2

    def objective(self, strategy: str, n_classes: int, teacher_size: int | None = None) -> nn.Module:
        """The head with its loss."""
        return _Objective(AttributeHead(self.embedding_size, self.names), AttributeLoss(self.names, self.shares))


class _Objective(nn.Module):
    """What the training loop calls."""

    def __init__(self, head: AttributeHead, loss: AttributeLoss):
        super().__init__()
        self.head, self.loss = head, loss

    def forward(self, embeddings: torch.Tensor, values: torch.Tensor, taught: None) -> torch.Tensor:
        return self.loss(self.head(embeddings), values)


class AttributeBatches(FaceBatches):
    """Images with their annotations int8 `[B, A]` in the place of labels."""

    def __init__(self, faces: FaceSet, values: np.ndarray, size_px: int, held: bool | None = None):
        super().__init__(faces, size_px, held)
        self.labels, self.labelled, self.n_classes = torch.from_numpy(values), True, 0
        self.fingerprint += ":" + hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def image_recipe(names: tuple[str, ...], values: np.ndarray, size_px: int, steps: int, seed: int) -> AttributeRecipe:
    """The recipe of a small network of its own that is trained end to end."""
    return AttributeRecipe(
        backbone="strided", size_px=size_px, embedding_size=128, steps=steps, batch=min(BATCH, len(values)),
        learning_rate=RATE, weight_decay=DECAY, seed=seed, dropout=0.2,
        augmentation="mild", names=names, shares=tuple(present_share(values)),
    )  # fmt: skip


def present_share(values: np.ndarray) -> list[float]:
    """Share of the annotated images that each attribute is present in, of values `[N, A]`."""
    return ((values == 1).sum(0) / np.maximum((values != 0).sum(0), 1)).tolist()


def train_classifier(
    faces: FaceSet,
    values: np.ndarray,
    names: tuple[str, ...],
    accelerator: Accelerator,
    folder: str | Path,
    embedder: RecognitionModel | None = None,
    size_px: int = 64,
    steps: int = STEPS,
    seed: int = 0,
    trained_on: str = "not stated",
    head_steps: int = HEAD_STEPS,
) -> AttributeClassifier:
    """Teach, calibrate and judge a classifier, each on identities of its own (on images, in an unlabelled set).

    Parameters
    ----------
    faces, values, names
        Images, their annotations int8 `[N, A]`, and the attributes.
    folder
        Where checkpoints of an end-to-end training lie; a run that was stopped goes on.
    embedder
        A frozen recognition model whose embeddings the head takes; None trains a small network of its own.
    size_px, steps
        Of the end-to-end training.
    head_steps
        Of the training of a head alone.

    Raises
    ------
    InputError
        An embedder given as vectors, a seed below 0, no step, no attribute present and absent in at least `FEWEST`
        images, or too few identities.
    """
    if isinstance(embedder, GivenEmbeddings):
        embedder.refuse("as an attribute classifier's embedder")
    if seed < 0 or steps < 1:
        raise InputError(f"seed {seed}, steps {steps}: a seed from 0 and at least 1 step are needed")
    identities = np.arange(len(faces)) if faces.labels is None else faces.labels
    taught, calibrated, judged = split_by_identity(identities, SHARES, seed)
    enough = [min((values[taught, i] == sign).sum() for sign in (1, -1)) >= FEWEST for i in range(len(names))]
    if not any(enough):
        raise InputError(
            f"no attribute is present in {FEWEST} and absent in {FEWEST} of the {len(taught)} images that teach; "
            "give more annotated images"
        )
    kept, values = tuple(np.array(names)[enough].tolist()), values[:, enough]
    if embedder is None:
        recipe = image_recipe(kept, values[taught], size_px, steps, seed)
        data = AttributeBatches(faces.subset(taught), values[taught], size_px)
        trainer = RecognitionTrainer(data, "attributes", recipe, accelerator, Path(folder))
        model = trainer.train()
        head = accelerator.unwrap_model(trainer.objective).head
        rest = np.sort(np.r_[calibrated, judged])
        rows = np.empty((len(faces), recipe.embedding_size), np.float32)
        rows[rest] = embed_faces(model, faces.subset(rest), accelerator, fuse=False)
    else:
        model, rows = embedder, embed_faces(embedder, faces, accelerator, fuse=False)
        head = fit_head(rows[taught], values[taught], kept, seed, accelerator, head_steps)
    judged_on = "images, of persons who may have taught" if faces.labels is None else "identities"
    about = {"trained_on": trained_on, "judged_on": judged_on, "reliability": []}
    classifier = AttributeClassifier(model, head.cpu().requires_grad_(False), embedder is None, about)
    _settle(classifier, *((rows[part], values[part]) for part in (calibrated, judged)), identities[judged])
    return classifier


def _settle(
    classifier: AttributeClassifier,
    calibrated: tuple[np.ndarray, np.ndarray],
    judged: tuple[np.ndarray, np.ndarray],
    units: np.ndarray,
) -> None:
    """Fit calibration and thresholds on the first (embeddings, values), and note the reliability on the second.

    `units` are the identities of the second's images.
    """
    names = classifier.names
    scale, bias = fit_calibration(classifier.logits(calibrated[0]), calibrated[1], names)
    classifier.scale.copy_(torch.from_numpy(scale))
    classifier.bias.copy_(torch.from_numpy(bias))

    def told(embeddings: np.ndarray) -> np.ndarray:
        logits = torch.from_numpy(classifier.logits(embeddings))
        return probabilities(logits * classifier.scale + classifier.bias, names).numpy()

    thresholds = fit_thresholds(told(calibrated[0]), calibrated[1])
    classifier.thresholds.copy_(torch.from_numpy(thresholds))
    p = told(judged[0])
    table = reliability(p, labels_of(p, thresholds, names), judged[1], names, units)
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    classifier.description["reliability"] = rows


def fit_head(
    embeddings: np.ndarray,
    values: np.ndarray,
    names: tuple[str, ...],
    seed: int,
    accelerator: Accelerator,
    steps: int = HEAD_STEPS,
) -> AttributeHead:
    """Train the branches alone on embeddings `[N, d]` that stay as they are; seconds on a CPU."""
    seed_everything(seed)
    device = accelerator.device
    head = AttributeHead(embeddings.shape[1], names).to(device).train()
    loss = AttributeLoss(names, present_share(values)).to(device)
    x, y = torch.from_numpy(embeddings).to(device), torch.from_numpy(values).to(device)
    optimiser = torch.optim.AdamW(head.parameters(), lr=HEAD_RATE, weight_decay=HEAD_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, HEAD_RATE, steps)
    for step in range(steps):
        rows = torch.randint(len(x), (HEAD_BATCH,), generator=seed_step(seed, step, 0, device), device=device)
        value = loss(head(x[rows]), y[rows])
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        schedule.step()
    require_finite({"attribute loss": value.item()}, steps)
    return head.eval()
