"""The networks compute what the paper says, by an independent and slower way of saying it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sface_lib.data import FaceBatches, open_faces, write_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.generators import draw
from sface_lib.generators.sampling import seeded_normal
from sface_lib.generators.stylegan2 import (
    Discriminator,
    Generator,
    GeneratorRecipe,
    GeneratorSpec,
    GeneratorTrainer,
    load_generator,
    save_generator,
)
from sface_lib.generators.stylegan2.layers import fir_kernel
from sface_lib.generators.stylegan2.networks import StyledConvolution, minibatch_deviation


def small(resolution_px: int = 16, n_classes: int = 3) -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorSpec(n_classes, resolution_px, 256, 16, latent_size=16)).eval().requires_grad_(False)


@pytest.mark.parametrize("up", [False, True])
def test_scaling_activations_is_modulating_each_images_weights(up):
    """Karras et al. (2020), equations 1 and 3, with one set of weights for each image by a grouped convolution."""
    torch.manual_seed(0)
    spec = GeneratorSpec(3, 8, 64, 8, latent_size=4)
    layer = StyledConvolution(5, 7, spec, resolution_px=12 if up else 6, up=up).double()
    torch.nn.init.normal_(layer.noise_strength)
    torch.nn.init.normal_(layer.bias)
    x, w = torch.randn(3, 5, 6, 6, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    weight = layer.weight * layer.style(w)[:, None, :, None, None]
    weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if up:
        weight = weight.transpose(1, 2).reshape(15, 7, 3, 3)
        y = F.conv_transpose2d(x.reshape(1, 15, 6, 6), weight, stride=2, groups=3).reshape(3, 7, 13, 13)
        y = F.conv2d(y, fir_kernel(7, y, gain=4), padding=1, groups=7)
    else:
        y = F.conv2d(x.reshape(1, 15, 6, 6), weight.reshape(21, 5, 3, 3), padding=1, groups=3).reshape(3, 7, 6, 6)
    expected = F.leaky_relu(y + layer.noise * layer.noise_strength + layer.bias[:, None, None], 0.2) * math.sqrt(2)
    torch.testing.assert_close(layer(x, w, fixed_noise=True), expected, rtol=1e-12, atol=1e-12)


def test_a_styled_convolution_keeps_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = StyledConvolution(32, 64, GeneratorSpec(3, 32, 64, 64, latent_size=8), resolution_px=32)
    with torch.no_grad():
        style = layer.style(torch.full((8, 8), 3.0))
        y = F.conv2d(torch.randn(8, 32, 32, 32) * style[:, :, None, None], layer.weight, padding=1)
        y = y * layer.demodulation(style)[:, :, None, None]
    # Zero padding lowers the variance at the border: about 4 % of the pixels lose a third.
    assert y[..., 1:-1, 1:-1].var().item() == pytest.approx(1.0, abs=0.05)


def test_each_layer_takes_the_latent_of_its_place():
    """Changing one of the latents changes the image only through the layers that it belongs to."""
    generator = small(resolution_px=16)
    assert generator.spec.styles == 6
    ws = torch.randn(1, 1, 16).expand(-1, 6, -1).clone()
    plain = generator.synthesise(ws, fixed_noise=True)
    torch.testing.assert_close(plain, generator.synthesise(ws[:, 0], fixed_noise=True), rtol=0, atol=0)
    # The last latent serves the last RGB layer alone: the image changes by what that layer adds.
    last = ws.clone()
    last[:, 5] += 1
    changed = generator.synthesise(last, fixed_noise=True) - plain
    assert changed.abs().max() > 0.01
    seen = []
    generator.blocks[2].convolution1.register_forward_hook(lambda *call: seen.append(call[2]))
    generator.synthesise(ws, fixed_noise=True), generator.synthesise(last, fixed_noise=True)
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)


def test_without_noise_an_image_has_no_chance_in_it():
    torch.manual_seed(0)
    z, labels = torch.randn(2, 16), torch.tensor([0, 1])
    for noise in (False, True):
        generator = Generator(GeneratorSpec(3, 16, 256, 16, latent_size=16, noise=noise)).eval()
        for layer in generator.modules():
            if getattr(layer, "noise_strength", None) is not None:
                torch.nn.init.ones_(layer.noise_strength)
        assert torch.equal(generator(z, labels), generator(z, labels)) != noise
        assert any("noise" in name for name in generator.state_dict()) == noise


def test_an_unconditional_generator_ignores_its_labels():
    torch.manual_seed(0)
    spec = GeneratorSpec(0, 16, 256, 16, latent_size=16)
    generator, judge, z = Generator(spec).eval(), Discriminator(spec).eval(), torch.randn(2, 16)
    one, other = torch.tensor([0, 1]), torch.tensor([5, 7])
    images = generator(z, one, fixed_noise=True)
    torch.testing.assert_close(images, generator(z, other, fixed_noise=True), rtol=0, atol=0)
    torch.testing.assert_close(judge(images, one), judge(images, other), rtol=0, atol=0)


def test_the_discriminator_hears_the_label():
    torch.manual_seed(0)
    judge = Discriminator(GeneratorSpec(3, 16, 256, 16))
    images = torch.randn(2, 3, 16, 16)
    assert not torch.allclose(judge(images, torch.tensor([0, 1])), judge(images, torch.tensor([2, 1])))


@pytest.mark.parametrize("resolution_px", [8, 16, 32, 64])
def test_every_resolution_gives_images_and_logits(resolution_px):
    spec = GeneratorSpec(3, resolution_px, 256, 8, latent_size=8)
    labels = torch.tensor([0, 2])
    images = Generator(spec)(torch.randn(2, 8), labels)
    assert images.shape == (2, 3, resolution_px, resolution_px) and images.dtype == torch.float32
    assert Discriminator(spec)(images, labels).shape == (2,)


def test_an_image_depends_on_latent_and_label_alone():
    generator, z = small(), torch.randn(2, 16)
    first = generator(z, torch.tensor([0, 1]), fixed_noise=True)
    torch.testing.assert_close(first, generator(z, torch.tensor([0, 1]), fixed_noise=True), rtol=0, atol=0)
    assert not torch.allclose(first[0], generator(z, torch.tensor([1, 1]), fixed_noise=True)[0])


def test_full_truncation_gives_one_image():
    generator = small()
    images = generator(torch.randn(3, 16), torch.tensor([0, 1, 2]), psi=0.0, fixed_noise=True)
    torch.testing.assert_close(images[1:], images[:1].expand(2, -1, -1, -1))


def test_minibatch_deviation_is_zero_for_equal_images_and_known_for_two():
    same = minibatch_deviation(torch.ones(4, 2, 4, 4))
    assert same.shape == (4, 3, 4, 4)
    assert same[:, 2].abs().max() < 2e-4  # sqrt of the stabilising 1e-8
    two = torch.stack([torch.zeros(1, 4, 4), torch.full((1, 4, 4), 2.0)])
    assert minibatch_deviation(two)[:, 1].mean().item() == pytest.approx(1.0, abs=1e-4)  # sd of {0, 2}


def test_latents_are_a_function_of_seed_class_and_index():
    assert torch.equal(seeded_normal(1, [3, 4], [0, 5], 8)[1], seeded_normal(1, [4], [5], 8)[0])
    assert len({tuple(row.tolist()) for row in seeded_normal(1, [0, 1, 0, 1], [0, 0, 1, 1], 8)}) == 4
    assert not torch.equal(seeded_normal(1, [0], [0], 8), seeded_normal(2, [0], [0], 8))


def test_an_image_drawn_alone_is_the_one_drawn_in_a_batch():
    generator, accelerator = small(), make_accelerator("float32")
    together = draw(generator, accelerator, [0, 1, 2, 2], [0, 0, 0, 1], seed=5)
    alone = draw(generator, accelerator, [2], [1], seed=5)
    assert together.dtype == torch.uint8 and together.shape == (4, 3, 16, 16)
    # A batch of another size may sum in another order.
    assert (together[3].int() - alone[0].int()).abs().max() <= 2


@pytest.mark.parametrize("label", [-1, 3])
def test_a_class_out_of_range_is_refused(label):
    with pytest.raises(InputError, match=f"class {label} is out of range; this generator has classes 0 to 2"):
        draw(small(), make_accelerator("float32"), [0, label], [0, 0], seed=0)


@pytest.mark.parametrize("resolution_px", [4, 24])
def test_an_impossible_resolution_is_refused(resolution_px):
    with pytest.raises(InputError, match="power of two"):
        GeneratorSpec(3, resolution_px, 256, 16)


def test_saved_weights_draw_the_same_images(tmp_path):
    generator = small().to(memory_format=torch.channels_last)  # As loaded weights are laid out, so that sums agree.
    loaded = load_generator(save_generator(tmp_path / "g.safetensors", generator))
    assert loaded.spec == generator.spec
    z, labels = torch.randn(2, 16), torch.tensor([0, 1])
    assert torch.equal(generator(z, labels, fixed_noise=True), loaded(z, labels, fixed_noise=True))


def test_what_is_no_generator_is_refused(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"\x00\x01\x02\x03")
    with pytest.raises(WeightsError, match=r"cut\.safetensors cannot be read"):
        load_generator(tmp_path / "cut.safetensors")
    from sface_lib.engine import save_weights

    save_weights(tmp_path / "other.safetensors", torch.nn.Linear(2, 2), {"kind": "recognition model"})
    with pytest.raises(WeightsError, match="recognition model"):
        load_generator(tmp_path / "other.safetensors")


@pytest.mark.slow
def test_the_generator_learns_which_class_is_bright(tmp_path):
    random = np.random.default_rng(0)
    level = np.repeat([60, 190], 16)[:, None, None, None]
    images = (level + random.integers(-15, 16, (32, 3, 8, 8))).astype(np.uint8)
    write_faces(tmp_path / "set.zip", images, np.repeat([0, 1], 16))
    data = FaceBatches(open_faces(tmp_path / "set.zip"), 8)
    spec = GeneratorSpec(2, 8, 128, 16, latent_size=8)
    recipe = GeneratorRecipe(3.2, 8, 0.003, 0.2, 100.0, 0)
    generator = GeneratorTrainer(data, spec, recipe, make_accelerator("float32"), tmp_path / "work").train()
    drawn = draw(generator, make_accelerator("float32"), np.repeat([0, 1], 16), np.tile(np.arange(16), 2), 0)
    dark, bright = drawn.float().mean((1, 2, 3)).reshape(2, 16).mean(1).tolist()
    # The classes lie 130 grey levels apart; half of that can't be reached by ignoring the label.
    assert bright - dark > 65
