"""Resizing and ranges lose nothing that they need not lose."""

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from sface_lib.data import centre_square, resize_images, to_uint8, to_unit_range
from sface_lib.errors import InputError, ParameterError


def images(n=4, side=16):
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_value_survives_the_round_trip_exactly():
    values = torch.arange(256, dtype=torch.uint8)
    unit = to_unit_range(values)
    assert unit.dtype == torch.float32
    assert (unit.min(), unit.max()) == (-1, 1)
    assert torch.equal(to_uint8(unit), values)


def test_values_outside_the_range_are_clamped():
    assert to_uint8(torch.tensor([-5.0, 0.0, 5.0])).tolist() == [0, 128, 255]


def test_resizing_to_the_same_size_changes_nothing():
    assert torch.equal(resize_images(images(), 16), images())


def test_resizing_one_by_one_equals_resizing_together():
    together = resize_images(images(), 9)
    assert together.shape == (4, 3, 9, 9)
    assert together.dtype == torch.uint8
    assert torch.equal(together, torch.cat([resize_images(image[None], 9) for image in images()]))


@pytest.mark.parametrize("size", [5, 40])
def test_a_uniform_image_stays_uniform(size):
    flat = torch.full((1, 3, 16, 16), 77, dtype=torch.uint8)
    assert (resize_images(flat, size) == 77).all()


def test_reduction_is_antialiased():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    # Sampling alone would give 0 or 255; an average gives mid grey. The margin is the bicubic filter's ripple.
    assert ((resize_images(stripes, 8).float() - 127.5).abs() < 10).all()


@pytest.mark.parametrize("size", [5, 16, 23, 40])
def test_pixels_are_those_of_torchvision(size):
    wanted = resize(images(), [size, size], InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(resize_images(images(), size), wanted)


def test_resizing_no_images_gives_no_images():
    assert resize_images(images(0), 8).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("bad", [images().float(), images()[0], images()[..., :8]])
def test_images_that_are_not_square_uint8_are_refused(bad):
    with pytest.raises(InputError, match=r"must be uint8 \[N, 3, S, S\]"):
        resize_images(bad, 8)


def test_a_size_below_one_pixel_is_refused():
    with pytest.raises(ParameterError, match="size_px is 0"):
        resize_images(images(), 0)


def test_the_centre_of_a_wide_image_is_kept():
    wide = torch.arange(7).expand(1, 3, 4, 7)
    assert centre_square(wide)[0, 0, 0].tolist() == [1, 2, 3, 4]
