"""What shows without labels: image by image, and class by class, over the images and the means of persons.

A set may follow a person in its mean and in no single image, or in some images that its mean hides.
"""

import dataclasses

import numpy as np

from sface_lib.biometrics import templates
from sface_lib.privacy.chance import ShuffleTest
from sface_lib.privacy.leakshare import LeakShare, distinct_persons, leak_share
from sface_lib.privacy.link import nearer_share

MOST_IMAGES = 2000  # Synthetic images that are compared one by one.
STRONGEST = 100
CENTRES = "centre to centre"


@dataclasses.dataclass(frozen=True, eq=False)
class Galleries:
    """Training persons, and as many control persons that no generator saw, each of as many images.

    Attributes
    ----------
    training, control
        Unit templates, float64 `[T, d]`.
    training_images, control_images
        The images behind them, unit embeddings float32 `[T, m, d]`.
    """

    training: np.ndarray
    control: np.ndarray
    training_images: np.ndarray
    control_images: np.ndarray

    @property
    def templates(self) -> tuple[np.ndarray, np.ndarray]:
        """Of both."""
        return self.training, self.control

    @classmethod
    def of(cls, training: tuple[np.ndarray, np.ndarray], control: tuple[np.ndarray, np.ndarray], seed: int):
        """From embeddings `[N, d]` and labels `[N]` of both; None with fewer than two persons of either.

        All have as many images as the person with the fewest. Of more persons of one kind, as many as of the other are
        drawn at random.
        """
        most = min(int(np.unique(labels, return_counts=True)[1].min()) for _, labels in (training, control))
        persons = [np.unique(labels) for _, labels in (training, control)]
        count, random = min(map(len, persons)), np.random.default_rng(seed)
        if count < 2:
            return None
        images = []
        for (rows, labels), every in zip((training, control), persons, strict=True):
            order = np.argsort(labels, kind="stable")
            first = np.searchsorted(labels[order], every[np.sort(random.permutation(len(every))[:count])])
            images.append(rows[order[first[:, None] + np.arange(most)]])
        owners = np.repeat(np.arange(count), most)
        return cls(*(templates(part.reshape(len(owners), -1), owners)[1] for part in images), *images)


@dataclasses.dataclass(frozen=True, eq=False)
class Unlabelled:
    """How near one kind of synthetic things comes to one kind of things of training persons.

    Attributes
    ----------
    name
        What is compared, such as "image to centre".
    units
        How many synthetic images, or classes.
    nearer
        The share that is nearer to a training person than to any control person, against random halves.
    leak
        The bound on the share that follows a training person; None where persons are not exchangeable, or fewer than
        two have no twin.
    hit
        How many training persons are nearest to one of the 100 with the highest scores.
    """

    name: str
    units: int
    nearer: ShuffleTest
    leak: LeakShare | None
    hit: int


def compare_unlabelled(
    rows: np.ndarray,
    labels: np.ndarray,
    galleries: Galleries,
    level: float | None,
    shuffles: int,
    seed: int,
) -> list[Unlabelled]:
    """Image to image, image to centre, and centre to centre.

    Parameters
    ----------
    rows, labels
        Of the synthetic set: unit embeddings float `[N, d]` and labels `[N]`. Of more than 2,000 images as many are
        taken in equal steps for what is compared image by image.
    level
        Confidence of the leak share; None where training and control persons are not exchangeable.
    """
    images = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_IMAGES)).astype(np.int64)].astype(np.float64)
    classes, distinct = templates(rows, labels)[1], distinct_persons(*galleries.templates, seed)

    def compared(name: str, units: np.ndarray, of_images: bool) -> Unlabelled:
        if of_images:
            scores = [_best_images(units, images) for images in (galleries.training_images, galleries.control_images)]
        else:
            scores = [units @ persons.T for persons in galleries.templates]
        leak = None
        if level is not None and len(distinct[0]) > 1:
            kept = (of_each[:, persons] for of_each, persons in zip(scores, distinct, strict=True))
            leak = leak_share(*kept, level, shuffles, seed)
        strongest = np.argsort(-scores[0].max(1), kind="stable")[:STRONGEST]
        hit = len(np.unique(scores[0][strongest].argmax(1)))
        return Unlabelled(name, len(units), nearer_share(*scores, shuffles, seed), leak, hit)

    return [
        compared("image to image", images, True),
        compared("image to centre", images, False),
        compared(CENTRES, classes, False),
    ]


def _best_images(units: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """Each one's best score over the images of every person, float64 `[N, T]`, of rows `[N, d]` and `[T, m, d]`."""
    best = np.full((len(units), len(persons)), -np.inf)
    for images in persons.transpose(1, 0, 2):
        np.maximum(best, units @ images.T.astype(np.float64), out=best)
    return best
