"""Augmentation moves, turns and colours images as its matrices say, as often as p says, and p follows the overfitting.

Statistics are of a fixed seed; their tolerance is five standard deviations of the estimate.
"""

import math

import numpy as np
import pytest
import torch

from sface_lib.generators.stylegan2.augment import SAFE_P, AugmentationControl, Transforms, augment, draw_transforms

SIZE_PX = 16
EXACT = 1e-5  # Filters are stored in float32; two of them in a row round at about 1e-6 for values of size one.
DRAWS = 4000
GREY, RED_GREEN = np.ones(3) / math.sqrt(3), np.array([1, -1, 0]) / math.sqrt(2)


def images(count: int = 2, size_px: int = SIZE_PX) -> torch.Tensor:
    return torch.rand(count, 3, size_px, size_px, generator=torch.Generator().manual_seed(0)) * 2 - 1


def by_hand(linear=((1, 0), (0, 1)), shift=(0, 0), colour=None, count: int = 2) -> Transforms:
    """The same transform for all images; what isn't given does nothing."""
    geometry = np.eye(3, dtype=np.float32)
    geometry[:2, :2], geometry[:2, 2] = linear, shift
    colour = np.eye(3, 4, dtype=np.float32) if colour is None else np.asarray(colour, np.float32)
    return Transforms(np.tile(geometry, (count, 1, 1)), np.tile(colour, (count, 1, 1)))


def drawn(p: float, count: int = DRAWS, size_px: int = 64) -> Transforms:
    return draw_transforms(np.random.default_rng(0), count, p, size_px)


def share_tolerance(p: float) -> float:
    return 5 * math.sqrt(p * (1 - p) / DRAWS)


def spread_tolerance(spread: float) -> float:
    """Of a normal's standard deviation, estimated from all draws."""
    return 5 * spread / math.sqrt(2 * DRAWS)


def grey_gains(transforms: Transforms) -> np.ndarray:
    """How much each image's greys are stretched, by contrast and the luma flip."""
    return GREY @ transforms.colour[:, :, :3] @ GREY


def chroma(transforms: Transforms) -> np.ndarray:
    """Each image's colour matrix in the plane across the grey axis, as one complex number: gain and turn."""
    moved = transforms.colour[:, :, :3] @ RED_GREEN
    return moved @ RED_GREEN + 1j * (moved @ np.cross(GREY, RED_GREEN))


def test_p_of_zero_changes_nothing_at_all():
    given = images(count=64)
    assert augment(given, drawn(0.0, 64, SIZE_PX)) is given


def test_an_image_that_is_spared_comes_back_bit_for_bit_from_a_batch_that_is_not():
    transforms, given = drawn(0.1, 64, SIZE_PX), images(count=64)
    spared = np.all(transforms.geometry == np.eye(3), (1, 2)) & np.all(transforms.colour == np.eye(3, 4), (1, 2))
    assert 5 < spared.sum() < 60
    changed = (augment(given, transforms) != given).flatten(1).any(1).numpy()
    np.testing.assert_array_equal(changed, ~spared)


def test_mirroring_moves_values_without_changing_one():
    made = augment(images(), by_hand(linear=[[-1, 0], [0, 1]]))
    torch.testing.assert_close(made, images().flip(3), rtol=0, atol=EXACT)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_move_values_without_changing_one(turns):
    """An output at (x, y) takes the input at (-y, x), y down: the picture turns anticlockwise, as rot90 turns it."""
    made = augment(images(), by_hand(linear=np.linalg.matrix_power([[0, -1], [1, 0]], turns)))
    torch.testing.assert_close(made, torch.rot90(images(), turns, (2, 3)), rtol=0, atol=EXACT)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, 1), (-2, 5), (-SIZE_PX, SIZE_PX)])
def test_whole_pixel_shifts_move_values_without_changing_one_and_mirror_the_border(right, down):
    padded = torch.from_numpy(np.pad(images().numpy(), [(0, 0), (0, 0), (16, 16), (16, 16)], mode="symmetric"))
    expected = padded[:, :, 16 + down : 32 + down, 16 + right : 32 + right]
    made = augment(images(), by_hand(shift=(right, down)))
    torch.testing.assert_close(made, expected, rtol=0, atol=EXACT)


def test_a_smooth_picture_is_resampled_where_the_matrix_says():
    def picture(x, y):
        return np.cos(0.3 * x + 0.2 * y)

    along = np.arange(32) - 15.5
    x, y = np.meshgrid(along, along)
    (a, b), (c, d) = linear = 0.9 * np.array([[math.cos(0.5), -math.sin(0.5)], [math.sin(0.5), math.cos(0.5)]])
    given = torch.from_numpy(np.broadcast_to(picture(x, y), (2, 3, 32, 32)).astype(np.float32))
    made = augment(given, by_hand(linear, shift=(1.3, -0.4)))[0, 0, 8:24, 8:24].numpy()
    expected = picture(a * x + b * y + 1.3, c * x + d * y - 0.4)[8:24, 8:24]
    # Linear interpolation at half-pixel steps errs by step² curvature / 8 in each direction, 0.004 in all.
    np.testing.assert_allclose(made, expected, rtol=0, atol=0.006)


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5])
def test_a_fine_checkerboard_at_half_the_size_becomes_grey_rather_than_a_pattern(shift):
    rows, columns = np.indices((32, 32))
    board = torch.from_numpy(((rows + columns) % 2 * 2 - 1).astype(np.float32)).expand(2, 3, 32, 32)
    made = augment(board, by_hand(linear=[[2, 0], [0, 2]], shift=(shift, shift)))
    # Taken pixel by pixel it would be all black or all white at a shift of 0.5. The middle is free of the border.
    assert made[:, :, 12:20, 12:20].abs().max() < 0.01


def test_colour_is_a_matrix_and_an_offset_for_each_pixel():
    random = np.random.default_rng(0)
    colour = random.normal(size=(2, 3, 4)).astype(np.float32)
    made = augment(images(), Transforms(by_hand().geometry, colour))
    expected = np.einsum("nij,njhw->nihw", colour[:, :, :3], images().numpy()) + colour[:, :, 3, None, None]
    np.testing.assert_allclose(made.numpy(), expected, rtol=0, atol=EXACT)


def test_every_draw_keeps_grey_pixels_grey():
    transforms = drawn(1.0, 256)
    greys = images(count=256)[:, :1].expand(-1, 3, -1, -1)
    made = augment(greys, Transforms(by_hand(count=256).geometry, transforms.colour))
    # Relative to the largest gain, which float32 rounds.
    assert (made - made.mean(1, keepdim=True)).abs().max() < 1e-5 * np.abs(transforms.colour).max()


def test_the_grey_axis_is_an_eigenvector_of_every_colour_matrix_and_the_offset_lies_on_it():
    transforms = drawn(1.0)
    found = transforms.colour[:, :, :3] @ GREY
    np.testing.assert_allclose(found, grey_gains(transforms)[:, None] * GREY, rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.ptp(transforms.colour[:, :, 3], axis=1), 0, atol=1e-6)


def test_across_the_grey_axis_colours_turn_and_stretch_alike():
    """Hue and saturation: a colour matrix is a similarity of the plane across the grey axis, never a mirror image."""
    transforms, other = drawn(1.0), np.cross(GREY, RED_GREEN)
    moved = transforms.colour[:, :, :3] @ other
    found = moved @ RED_GREEN + 1j * (moved @ other)
    # Gains reach 2^4 and more, and float32 rounds them.
    np.testing.assert_allclose(found, 1j * chroma(transforms), rtol=1e-4, atol=1e-5)
    assert abs(np.exp(1j * np.angle(chroma(transforms))).mean()) < 5 / math.sqrt(DRAWS)


def test_brightness_contrast_and_saturation_spread_as_the_paper_says():
    """Appendix B: brightness of sd 0.2, before contrast 2^N(0, 0.5); saturation 2^N(0, 1)."""
    transforms = drawn(1.0)
    gains = grey_gains(transforms)
    found = [
        (transforms.colour[:, 0, 3] / gains).std(),
        np.log2(np.abs(gains)).std(),
        np.log2(np.abs(chroma(transforms)) / np.abs(gains)).std(),
    ]
    for spread, expected in zip(found, (0.2, 0.5, 1.0), strict=True):
        assert spread == pytest.approx(expected, abs=spread_tolerance(expected))


def test_half_of_all_images_are_mirrored_and_half_are_flipped_in_luma_at_p_of_one():
    transforms = drawn(1.0)
    assert (np.linalg.det(transforms.geometry) < 0).mean() == pytest.approx(0.5, abs=share_tolerance(0.5))
    assert (grey_gains(transforms) < 0).mean() == pytest.approx(0.5, abs=share_tolerance(0.5))


def test_only_the_scale_changes_areas():
    """Areas change by 2^N(0, 0.4), the square of the scale; turns, mirrors, shifts and the stretch keep them."""
    areas = np.log2(np.abs(np.linalg.det(drawn(1.0).geometry.astype(np.float64))))
    assert areas.std() == pytest.approx(0.4, abs=spread_tolerance(0.4))
    assert np.abs(areas).max() < 5 * 0.4  # Five sd: one in a million.
    singular = np.linalg.svd(drawn(1.0).geometry[:, :2, :2], compute_uv=False)
    # The stretch 2^N(0, 0.2) parts the two singular values by 2^|N(0, 0.4)|, whose root mean square is 0.4.
    stretch = math.sqrt(np.square(np.log2(singular[:, 0] / singular[:, 1])).mean())
    assert stretch == pytest.approx(0.4, abs=spread_tolerance(0.4))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_each_kind_touches_the_share_p_of_images(p):
    transforms = drawn(p)
    linear, gains = transforms.geometry[:, :2, :2].astype(np.float64), np.abs(grey_gains(transforms))
    singular = np.linalg.svd(linear, compute_uv=False)
    # Without a free rotation, the axes stay axes.
    diagonal, across = np.abs(linear[:, [0, 1], [0, 1]]).sum(1), np.abs(linear[:, [0, 1], [1, 0]]).sum(1)
    turned = np.minimum(diagonal, across) > 1e-6
    touched = {
        "scale": np.abs(np.abs(np.linalg.det(linear)) - 1) > 1e-5,
        "rotation": turned,
        "stretch": singular[:, 0] / singular[:, 1] > 1 + 1e-5,
        "brightness": np.abs(transforms.colour[:, 0, 3]) > 1e-6,
        "contrast": np.abs(gains - 1) > 1e-5,
        "hue": np.abs(np.angle(chroma(transforms))) > 1e-5,
        "saturation": np.abs(np.abs(chroma(transforms)) / gains - 1) > 1e-5,
    }
    found = {kind: images.mean() for kind, images in touched.items()}
    # Draws too near to nothing to be seen are one in ten thousand.
    assert found == pytest.approx(dict.fromkeys(touched, p), abs=share_tolerance(p) + 1e-4)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_half_of_the_quarter_turns_exchange_the_axes(p):
    linear = np.abs(drawn(p).geometry[:, :2, :2])
    straight = linear[:, [0, 1], [1, 0]].sum(1) < 1e-6
    exchanged = linear[:, [0, 1], [0, 1]].sum(1) < 1e-6
    # Images that a free rotation turns, the share p, show no quarter turn.
    assert exchanged.sum() / (straight | exchanged).sum() == pytest.approx(
        p / 2, abs=5 * math.sqrt(p / 2 / DRAWS / 0.5)
    )


def test_the_share_of_images_touched_rises_with_p():
    def share(p: float) -> float:
        transforms = drawn(p)
        geometry = np.any(transforms.geometry != np.eye(3, dtype=np.float32), (1, 2))
        return (geometry | np.any(transforms.colour != np.eye(3, 4), (1, 2))).mean()

    shares = [share(p) for p in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert shares[0] == 0 and np.all(np.diff(shares) > 0.05)


def test_half_of_the_shifts_alone_are_whole_pixels_of_at_most_an_eighth_of_the_side():
    """At a small p most shifts come alone, and one of the two kinds takes whole pixels."""
    geometry = draw_transforms(np.random.default_rng(0), 40_000, 0.05, 64).geometry
    alone = np.all(geometry[:, :2, :2] == np.eye(2), (1, 2)) & np.any(geometry[:, :2, 2] != 0, 1)
    shifts = geometry[alone, :2, 2]
    whole = np.all(shifts == np.round(shifts), 1)
    assert whole.mean() == pytest.approx(0.5, abs=5 * math.sqrt(0.25 / alone.sum()))
    assert np.abs(shifts[whole]).max() == 8
    # The other kind spreads by an eighth of the side, 8 px; a twentieth of them come with whole pixels as well.
    assert shifts[~whole].std() == pytest.approx(8, abs=5 * 8 / math.sqrt(4 * (~whole).sum()) + 0.1)


def test_draws_are_a_function_of_the_seed():
    one, other = drawn(0.5, 32), drawn(0.5, 32)
    np.testing.assert_array_equal(one.geometry, other.geometry)
    np.testing.assert_array_equal(one.colour, other.colour)
    assert not np.array_equal(one.geometry, draw_transforms(np.random.default_rng(1), 32, 0.5, 64).geometry)


def test_gradients_flow_through_every_transform():
    transforms = drawn(0.5, 3, size_px=8)
    mixed = Transforms(transforms.geometry.copy(), transforms.colour)
    mixed.geometry[1] = np.eye(3)  # One image that is only coloured stands between two that move.
    np.testing.assert_array_equal(np.any(mixed.geometry != np.eye(3), (1, 2)), [True, False, True])
    given = images(3, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, mixed), given, fast_mode=True)


def test_a_part_of_the_transforms_makes_the_same_images_as_the_whole():
    transforms, given, share = drawn(0.5, 8, SIZE_PX), images(count=8), slice(2, 5)
    assert len(transforms.part(share).geometry) == len(transforms.part(share).colour) == 3
    made = augment(given[share], transforms.part(share))
    # A batch of another size may sum in another order.
    torch.testing.assert_close(made, augment(given, transforms)[share], rtol=0, atol=EXACT)


def test_p_moves_by_the_images_seen_over_the_kimg_of_its_whole_range():
    control = AugmentationControl(target=0.6, ada_kimg=0.1)  # p may cross its range of one in 100 images.
    control.update(0.7, images=20)
    assert control.p == pytest.approx(0.2)
    control.update(0.9, images=8)  # The size of the excess does not matter, its sign does.
    assert control.p == pytest.approx(0.28)
    control.update(0.59, images=5)
    assert control.p == pytest.approx(0.23)


def test_p_never_leaves_its_safe_range():
    control = AugmentationControl(target=0.6, ada_kimg=0.1)
    control.update(-1.0, images=50)
    assert control.p == 0
    for _ in range(3):
        control.update(1.0, images=50)
    assert control.p == SAFE_P == 0.8
    control.update(0.0, images=10)
    assert control.p == pytest.approx(0.7)  # It comes down at once: what was cut off is not remembered.


def test_a_target_of_zero_never_moves_p():
    control = AugmentationControl(target=0.0, ada_kimg=0.1, p=0.3)
    control.update(1.0, images=50)
    control.update(-1.0, images=50)
    assert control.p == 0.3
