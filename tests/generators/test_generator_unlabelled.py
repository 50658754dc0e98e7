"""Images of no class: each is a function of seed and number, and lies between two classes."""

import zipfile

import numpy as np
import pytest
import torch

from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.generators import draw, generate_unlabelled, sampling, sets
from sface_lib.generators.sampling import draw_mixed, mixture, seeded_normal
from sface_lib.generators.stylegan2 import Generator, GeneratorSpec

BATCHED = 2  # Grey levels: a batch of another size may sum in another order.


@pytest.fixture(scope="module")
def generator() -> Generator:
    """Random weights whose classes differ, noise switched on as a trained generator has it."""
    torch.manual_seed(0)
    made = Generator(GeneratorSpec(5, 16, 256, 16, latent_size=16)).eval().requires_grad_(False)
    for block in made.blocks:
        block.convolution1.noise_strength.fill_(0.1)
    return made


def mixed(generator, indices, seed=4, psi=1.0) -> torch.Tensor:
    return draw_mixed(generator, make_accelerator("float32"), indices, seed, psi).int()


def made(path, generator, images=11, seed=4, psi=1.0, **options):
    return generate_unlabelled(path, generator, make_accelerator("float32"), images, seed, psi, **options)


def test_an_image_is_a_function_of_seed_and_number_whatever_the_batch(generator, tmp_path):
    whole = open_faces(made(tmp_path / "whole.zip", generator)).load().int()
    for batch in (1, 4, 11):
        other = open_faces(made(tmp_path / f"{batch}.zip", generator, batch=batch)).load().int()
        assert (other - whole).abs().max() <= BATCHED
    more = open_faces(made(tmp_path / "more.zip", generator, images=17)).load().int()
    assert (more[:11] - whole).abs().max() <= BATCHED
    assert (mixed(generator, [9, 0, 3]) - whole[[9, 0, 3]]).abs().max() <= BATCHED
    another = open_faces(made(tmp_path / "another.zip", generator, seed=5)).load().int()
    assert (another - whole).abs().amax((1, 2, 3)).min() > 10


def test_no_two_images_are_one(generator):
    images = mixed(generator, range(40))
    apart = (images[:, None] - images[None]).abs().amax((2, 3, 4)) + 255 * torch.eye(40, dtype=torch.int32)
    assert apart.min() > 10 and images.float().std(0).mean() > 5


def test_the_zip_is_a_set_without_labels(generator, tmp_path):
    faces = open_faces(made(tmp_path / "set.zip", generator, batch=4))
    assert faces.labels is None and len(faces) == 11 and not faces.identities
    assert list(faces.names) == [f"{i:08d}.png" for i in range(11)] and faces.load().shape == (11, 3, 16, 16)
    again = made(tmp_path / "again.zip", generator, batch=4)
    assert again.read_bytes() == (tmp_path / "set.zip").read_bytes()


def test_a_zip_is_whole_or_absent(generator, tmp_path, monkeypatch):
    function, left = sets.draw_mixed, iter(range(2))

    def failing(*arguments):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sets, "draw_mixed", failing)
        made(tmp_path / "set.zip", generator, batch=4)
    assert not list(tmp_path.iterdir())
    with zipfile.ZipFile(made(tmp_path / "set.zip", generator, batch=4)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 12  # With dataset.json.


def test_an_image_lies_between_the_intermediate_latents_of_two_classes_of_one_latent(generator, monkeypatch):
    """At a share of one or of nought it is the image of a class; half way it is that of the middle."""
    given = np.array([3, 3, 3]), np.array([1, 1, 1]), np.array([1.0, 0.0, 0.5])
    monkeypatch.setattr(sampling, "mixture", lambda seed, indices, n_classes: given)
    found = mixed(generator, [7, 7, 7])
    plain = draw(generator, make_accelerator("float32"), [3], [7], seed=4).int()
    assert (found[0] - plain[0]).abs().max() <= BATCHED
    z = seeded_normal(4, [3], [7], 16)
    w = [generator.mapping(z, torch.tensor([label])) for label in (3, 1)]
    for image, intermediate in zip(found[1:], (w[1], (w[0] + w[1]) / 2), strict=True):
        expected = generator.synthesise(intermediate, fixed_noise=True)
        levels = ((expected[0] + 1) * 127.5).round().clamp(0, 255)
        assert (image - levels).abs().max() <= BATCHED
    assert (found[0] - found[1]).abs().max() > 10


def test_mixtures_are_of_two_different_classes_evenly_drawn():
    first, second, share = mixture(0, range(4000), 5)
    assert (first != second).all() and share.min() >= 0 and share.max() <= 1
    counts = np.bincount(5 * first + second, minlength=25).reshape(5, 5)
    # 200 of each of 20 ordered pairs: a standard error of 14, of which five are never passed among twenty.
    assert (np.diag(counts) == 0).all() and abs(counts[~np.eye(5, dtype=bool)] - 200).max() < 70
    # A uniform share: mean and deviation within four standard errors.
    assert abs(share.mean() - 0.5) < 4 * 0.289 / np.sqrt(4000) and abs(share.std() - 1 / np.sqrt(12)) < 0.01
    alone = mixture(0, [3999, 5], 5)
    assert [part.tolist() for part in alone] == [[part[3999], part[5]] for part in (first, second, share)]
    assert not np.array_equal(mixture(1, range(4000), 5)[2], share)


def test_psi_of_nought_gives_one_image_of_all(generator):
    images = mixed(generator, range(6), psi=0.0)
    assert (images - images[0]).abs().max() <= BATCHED
    assert (mixed(generator, range(6)) - images).abs().amax((1, 2, 3)).min() > 10


@pytest.mark.parametrize("classes", [0, 1])
def test_a_generator_without_two_classes_has_nothing_to_mix(tmp_path, classes):
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(classes, 16, 256, 16, latent_size=16)).eval()
    with pytest.raises(InputError, match=f"has {classes} classes; mixing them needs two or more"):
        made(tmp_path / "set.zip", generator)
    assert not list(tmp_path.iterdir())


def test_two_classes_are_enough(tmp_path):
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(2, 16, 256, 16, latent_size=16)).eval()
    assert len(open_faces(made(tmp_path / "set.zip", generator, images=3))) == 3


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_images_of_an_unconditional_generator_are_of_no_class(tmp_path, name):
    torch.manual_seed(0)
    unconditional = Generator(GeneratorSpec(0, 16, 256, 16, latent_size=16)).eval().requires_grad_(False)
    accelerator = make_accelerator("float32")
    out = sets.generate_set(tmp_path / name, unconditional, accelerator, sets.Order(classes=1, per_class=6), "random")
    faces = open_faces(out)
    assert faces.labels is None and not faces.identities and len(faces) == 6
