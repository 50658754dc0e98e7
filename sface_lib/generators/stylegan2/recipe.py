"""How a generator is trained: one frozen set of hyper-parameters, and what it asks of the data.

Source: Karras et al. (NeurIPS 2020), appendix C, for the choice of the R1 weight.
"""

import dataclasses

from sface_lib.data import FaceBatches
from sface_lib.errors import InputError
from sface_lib.generators.stylegan2.networks import GeneratorSpec

LEAST_GAMMA = 0.3


@dataclasses.dataclass(frozen=True)
class GeneratorRecipe:
    """How a generator is trained; lengths in thousand images shown to the discriminator (kimg).

    `r1_gamma` None is the published heuristic, 0.0002 R² / batch, and at least 0.3: with few images a class a smaller
    penalty lets the discriminator learn the images by heart. `r1_share` is the part of a batch that R1 is taken
    over. `ada_target` 0 turns adaptive augmentation off. `label_sampling` says whose labels generated images take in
    training: "images" follows the set's class frequencies, "classes" draws every class alike.
    """

    total_kimg: float
    batch: int
    learning_rate: float
    ema_half_life_kimg: float
    snapshot_kimg: float
    seed: int
    r1_gamma: float | None = None
    r1_interval_steps: int = 16
    r1_share: float = 0.5
    style_mixing: float = 0.9
    ada_target: float = 0.6
    ada_kimg: float = 500.0
    label_sampling: str = "images"

    @property
    def total_steps(self) -> int:
        """Training steps; at least one."""
        return max(1, round(self.total_kimg * 1000 / self.batch))

    @property
    def snapshot_steps(self) -> int:
        """Steps between snapshots, each with a checkpoint."""
        return max(1, round(self.snapshot_kimg * 1000 / self.batch))

    def gamma(self, resolution_px: int) -> float:
        """The weight of R1 at a resolution."""
        if self.r1_gamma is not None:
            return self.r1_gamma
        return max(LEAST_GAMMA, 0.0002 * resolution_px**2 / self.batch)


def check_trainable(data: FaceBatches, spec: GeneratorSpec, recipe: GeneratorRecipe, processes: int) -> None:
    """Refuse what cannot be trained, with `InputError`."""
    if spec.n_classes and not data.labelled:
        raise InputError("the set has no labels; a generator of classes needs an identity for every image")
    if spec.n_classes and data.n_classes < 2:
        data.faces.require_classes("a generator of classes")
    if len(data) < recipe.batch:
        raise InputError(f"the set has {len(data)} images, fewer than generator_batch = {recipe.batch}; lower it")
    if recipe.batch % processes:
        raise InputError(f"generator_batch = {recipe.batch} cannot be shared by {processes} processes; use a multiple")
    if 0 < spec.n_classes < data.n_classes:
        raise InputError(
            f"the generator has {spec.n_classes} classes and the set {data.n_classes} identities; "
            "use as many classes as identities"
        )
    if recipe.label_sampling == "classes" and not data.labelled:
        raise InputError("label_sampling = 'classes' needs a set with labels; use 'images'")
    if recipe.label_sampling not in ("images", "classes"):
        raise InputError(f"label_sampling = {recipe.label_sampling!r}: use 'images' or 'classes'")
