"""The kinds of generators, and their files, each opened by the kind that its header names."""

from pathlib import Path

from sface_lib.errors import WeightsError
from sface_lib.generators.contract import FaceGenerator, GeneratorKind, description_of
from sface_lib.generators.stylegan2.start import STYLEGAN2
from sface_lib.registry import Registry

GENERATORS: Registry[GeneratorKind] = Registry("kind of generator", "sface_lab.generators", {"stylegan2": STYLEGAN2})


def open_generator(path: str | Path, to_train: bool = False) -> FaceGenerator:
    """The generator of a file, in evaluation mode; `to_train` if a training is to go on from it.

    A `.pkl` is taken for an official StyleGAN2-ADA one.

    Raises
    ------
    WeightsError
        It cannot be read, holds no generator of a known kind, or lacks what a training needs.
    """
    kind = kind_of(path)
    if to_train and GENERATORS[kind].trainer is None:
        raise WeightsError(
            f"{path} holds a generator of the kind {kind!r}, which is not trained here; set total_kimg=0"
        )
    return GENERATORS[kind].load(Path(path), to_train)


def save_generator(path: str | Path, generator: FaceGenerator) -> Path:
    """Write a generator alone, as its kind does."""
    return GENERATORS[generator.kind].save(Path(path), generator)


def kimg_of(path: str | Path) -> float:
    """Thousand images that a generator had seen in training; 0 where its file does not say."""
    return float(description_of(path).get("kimg", 0.0)) if Path(path).suffix != ".pkl" else 0.0


def kind_of(path: str | Path) -> str:
    """The name in `GENERATORS` of what a file holds; raises `WeightsError` where that is no generator."""
    if Path(path).suffix == ".pkl":
        return "stylegan2"
    said = description_of(path).get("kind", "unnamed weights")
    for name, kind in GENERATORS.items():
        if said in (kind.file_kinds or (name,)):
            return name
    raise WeightsError(
        f"{path} does not hold a generator; it holds {said!r}. Generators of these kinds are known: "
        f"{', '.join(GENERATORS)}"
    )
