"""The shipped verifier: a small recognition model of rendered faces, trained from labels alone.

Its identities are a split of their own: it judges links between sets that it never saw. It must tell identities apart
also where pictures are as poor as a generator's, or every set of such pictures would look private.
"""

from pathlib import Path

import torch
from torchvision.transforms.v2.functional import gaussian_blur

from sface_lib.biometrics import VerificationMetrics, verification_metrics
from sface_lib.data import FaceBatches, open_faces, resize_images
from sface_lib.engine import make_accelerator, require_safetensors
from sface_lib.population.rendering.sets import render_set
from sface_lib.population.shipped import SIZE_PX, shipped_faces, shipped_protocol
from sface_lib.recognition import (
    RecognitionModel,
    RecognitionRecipe,
    RecognitionTrainer,
    embed_batches,
    image_batches,
    resolve_pairs,
)

SPLIT, IDENTITIES, IMAGES = "verifier-train", 1000, 12
RECIPE = RecognitionRecipe(
    backbone="compact",
    size_px=SIZE_PX,
    embedding_size=128,
    steps=2000,
    batch=128,
    learning_rate=0.1,
    weight_decay=5e-4,
    margin=0.35,
    scale=64.0,
    kt_weight=1.0,  # Of no use without a teacher.
    seed=0,
    dropout=0.2,
    augmentation="robust",
)
JUDGED_AT_ONCE = 16
POOR_PX, POOR_BLUR_PX, POOR_NOISE = 32, 0.6, 5.0  # Noise in grey levels.


def train_verifier(
    path: str | Path,
    work: str | Path,
    workers: int = 1,
    identities: int = IDENTITIES,
    images: int = IMAGES,
    recipe: RecognitionRecipe = RECIPE,
) -> Path:
    """Render the verifier's own identities, train it on them, and write it with weights in half precision.

    Parameters
    ----------
    path
        Where to, a .safetensors file.
    work
        Folder of the rendered images and the checkpoints: a run that was stopped goes on.
    workers
        Rendering processes.
    identities, images, recipe
        What it is trained on, images of each identity, and how: the defaults make what ships.

    Raises
    ------
    InputError
        No extra `population`, another recipe's images in `work`, or another suffix.
    CheckpointError
        Checkpoints of another recipe in `work`.
    """
    path = require_safetensors(path)
    folder = render_set(Path(work) / SPLIT, SPLIT, identities, images, SIZE_PX, workers=workers)
    data = FaceBatches(open_faces(folder), recipe.size_px)
    model = RecognitionTrainer(data, "CLS", recipe, make_accelerator(), Path(work) / "training").train()
    model.description["trained_on"] = (
        f"{identities:,} rendered identities of its own, {images} images each, from labels alone"
    )
    return model.save(path, half=True)


def judge(model: RecognitionModel, benchmark: str = "unconstrained", poor: bool = False) -> VerificationMetrics:
    """Error rates of a model on a shipped benchmark, as it is or with every image as poor as a generator's."""
    faces, size, accelerator = shipped_faces("benchmark"), model.spec.size_px, make_accelerator()
    pairs, batches = resolve_pairs(shipped_protocol(benchmark), faces), image_batches(faces, size, JUDGED_AT_ONCE)
    seen = (degraded(batch, seed) if poor else batch for seed, batch in enumerate(batches))
    scores = pairs.scores(embed_batches(model, seen, accelerator))
    return verification_metrics(scores[pairs.same], scores[~pairs.same])


def degraded(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Images uint8 `[N, 3, S, S]` to 32 px and back, blurred, with noise: the quality of a small generator."""
    side = images.shape[-1]
    back = resize_images(resize_images(images, POOR_PX), side).float()
    sigma = POOR_BLUR_PX * side / SIZE_PX
    blurred = gaussian_blur(back, [5, 5], [sigma, sigma])
    noise = POOR_NOISE * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (blurred + noise).clamp(0, 255).round().to(torch.uint8)
