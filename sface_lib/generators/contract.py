"""What a generator is to the report, and what a kind of generator brings: how it is opened, saved and trained."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from accelerate import Accelerator
from safetensors import SafetensorError

from sface_lib.data import FaceBatches
from sface_lib.engine import StepCost, read_description
from sface_lib.errors import WeightsError
from sface_lib.files import check_shipped
from sface_lib.generators.shipped import SHIPPED_PATH
from sface_lib.otherfiles import refuse_other_files


class FaceGenerator(Protocol):
    """A `torch.nn.Module`, perhaps without parameters, that draws faces.

    Attributes
    ----------
    kind
        Its name in `GENERATORS`.
    n_classes
        Class k stands for the training identity k; None of a generator without classes, whose labels only keep images
        apart.
    resolution_px
        Side R of its images.
    """

    kind: str

    @property
    def n_classes(self) -> int | None: ...

    @property
    def resolution_px(self) -> int: ...

    def sample(self, labels: Sequence[int], indices: Sequence[int], seed: int, psi: float) -> torch.Tensor:
        """Images uint8 RGB `[N, 3, R, R]`; each a function of the weights, seed, its class and index, and psi.

        `psi`, 0 to 1, trades variety for quality where a generator can (truncation); 1 is all variety.
        """

    def to(self, device: Any) -> Any: ...

    def eval(self) -> Any: ...

    def parameters(self) -> Iterator[torch.Tensor]: ...


@runtime_checkable
class HasLatents(Protocol):
    """A generator whose images are a differentiable function of latents: it can be steered, and can mix classes."""

    def latents(
        self,
        labels: Sequence[int],
        indices: Sequence[int],
        seed: int,
        psi: float,
        noise_of: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Latents `[N, d]` whose images `sample` gives; `noise_of` are classes whose noise is taken instead."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images of latents, float RGB `[N, 3, R, R]`, about [-1, 1]."""


class Trainer(Protocol):
    """One training of a generator.

    Attributes
    ----------
    generator
        As it is at this step.
    """

    generator: FaceGenerator

    def train(self, on_snapshot: Callable[[int, FaceGenerator], None]) -> FaceGenerator:
        """Train to the end, from where a stopped training was; give the generator, in evaluation mode.

        `on_snapshot` is called now and then with the step and the generator as it is. A trainer may write its folder's
        `log.jsonl`, a row a snapshot: `step`, `kimg` (thousand images shown), `images_per_second`, and what else it
        measures.
        """

    def measure_step(self) -> StepCost:
        """Run a few steps and measure them; nothing is written, and this trainer is of no use afterwards."""

    def save(self, path: Path) -> Path:
        """Write what was trained, so that a training can go on from it."""


@dataclass(frozen=True)
class GeneratorKind:
    """An entry of `GENERATORS`.

    Attributes
    ----------
    load
        (path, whether a training is to go on from it) -> the generator, in evaluation mode; raises `WeightsError`.
    save
        (path, generator) -> path: a safetensors file whose header has its `kind`: see `engine.save_weights`.
    trainer
        (parameters of notebook 02, images, accelerator, folder, weights to go on from or None) -> trainer; None of a
        kind that is trained elsewhere. Of the parameters those that it has a use for count: `total_kimg`,
        `generator_batch`, `generator_resolution_px`, `snapshot_kimg`, `seed` and others.
    file_kinds
        What the headers of its files say of their `kind`; the entry's name where none is given.
    """

    load: Callable[[Path, bool], FaceGenerator]
    save: Callable[[Path, FaceGenerator], Path]
    trainer: Callable[[Any, FaceBatches, Accelerator, Path, Path | None], Trainer] | None = None
    file_kinds: tuple[str, ...] = ()


def require_fit(generator: FaceGenerator, path: Path, resolution_px: int, n_classes: int) -> None:
    """Refuse given weights that do not draw the set's classes at the size that is asked for.

    Raises
    ------
    WeightsError
        They draw another size, or have another number of classes than the set has identities.
    """
    if generator.resolution_px != resolution_px:
        raise WeightsError(
            f"{path.name} draws {generator.resolution_px} px and generator_resolution_px is {resolution_px}; "
            f"set generator_resolution_px={generator.resolution_px}, or generator_weights=none to train from the "
            "beginning"
        )
    # Class k stands for identity k: of the shipped generator the first identities are always the first classes.
    classes = generator.n_classes or 0
    if classes < n_classes or classes > n_classes and path != SHIPPED_PATH:
        raise WeightsError(
            f"{path.name} has {classes} classes and the set {n_classes} identities, and class k must be the "
            "k-th; give weights trained on these (sface generator train --selection), or generator_weights=none"
        )


def description_of(path: str | Path) -> dict[str, Any]:
    """The description in the header of a safetensors file; raises `WeightsError` where there is none to read."""
    refuse_other_files(path)
    try:
        return read_description(check_shipped(path))
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} cannot be read as safetensors ({error}); give weights made by `sface generator train`, or by "
            "`sface generator import` from an official .pkl"
        ) from None
