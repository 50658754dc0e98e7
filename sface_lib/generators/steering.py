"""Identity-driven sampling in the space of intermediate latents.

Source: the idea of SFace2 (Boutros et al., IEEE T-BIOM 2024): choose and move intermediate latents so that the images
of a class agree in identity. Here a recognition model gives each class the mean of its embeddings; every latent then
takes a few steps up the gradient of its image's score to that mean, and images whose score stays low are left out.

What is gained by it must be judged by another model than the one that steered.
"""

import dataclasses

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator

from sface_lib.errors import InputError
from sface_lib.generators.contract import FaceGenerator
from sface_lib.generators.sampling import draw
from sface_lib.recognition import RecognitionModel


@dataclasses.dataclass
class Steering:
    """How latents are moved, and which images are kept.

    Attributes
    ----------
    model
        The recognition model that steers.
    means
        Unit mean embedding of each class, float32 `[classes, d]`: see `class_means`.
    steps
        Steps of each latent; 0 only filters.
    stride
        Length of one step, as a share of the latent's own length.
    least_score
        Images that score less to their class's mean are left out; -1 keeps all.
    """

    model: RecognitionModel
    means: np.ndarray
    steps: int = 3
    stride: float = 0.05
    least_score: float = -1.0

    def __post_init__(self):
        if self.steps < 0 or not 0 < self.stride < 1 or not -1 <= self.least_score <= 1:
            raise InputError(
                f"steering by {self.steps} steps of {self.stride} to a score of {self.least_score}: steps are at "
                "least 0, a stride lies between 0 and 1, a score between -1 and 1"
            )

    def move(self, generator: FaceGenerator, w: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Move latents `[N, d]` up the gradient of their images' scores to their classes' means."""
        self.model.to(w.device)
        length = w.norm(dim=1, keepdim=True) * self.stride
        for _ in range(self.steps):
            with torch.enable_grad():
                w = w.detach().requires_grad_()
                images = generator.decode(w)
                score = (self._embed(images) * self._targets(labels)).sum()
            (gradient,) = torch.autograd.grad(score, w)
            w = w.detach() + length * F.normalize(gradient, dim=1)
        return w.detach()

    @torch.no_grad()
    def scores(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Scores `[N]` of images uint8 `[N, 3, R, R]` to their classes' means."""
        device = self.model.device
        embeddings = self.model.single(self.model.prepare(images.to(device)))
        return (embeddings * self._targets(labels.to(device))).sum(1).cpu()

    def _embed(self, images: torch.Tensor) -> torch.Tensor:
        return self.model.single(self.model.prepare_differentiable(images))

    def _targets(self, labels: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.means).to(labels.device)[labels]


@torch.no_grad()
def class_means(
    generator: FaceGenerator,
    accelerator: Accelerator,
    model: RecognitionModel,
    classes: int,
    seed: int,
    images: int = 16,
) -> np.ndarray:
    """Unit mean embedding of each class's first images, unsteered, float32 `[classes, d]`."""
    model.to(accelerator.device)
    means = []
    for label in range(classes):
        drawn = draw(generator, accelerator, [label] * images, range(images), seed)
        with accelerator.autocast():
            embedded = model.single(model.prepare(drawn.to(accelerator.device)))
        means.append(F.normalize(embedded.mean(0), dim=0).cpu().numpy())
    return np.stack(means)
