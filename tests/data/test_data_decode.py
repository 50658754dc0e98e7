"""Every kind of image becomes 8-bit RGB, and the conversion is told."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from sface_lib.data.decode import FORMATS, UndecodableImage, decode_image, image_size, image_suffixes


def file_of(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture
def image(make) -> Image.Image:
    return Image.fromarray(make.pixels_of(0, 10, 14))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "TIFF"])
def test_lossless_rgb_comes_back_exactly_and_uncounted(image, kind):
    pixels, converted = decode_image(file_of(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    np.testing.assert_array_equal(pixels, np.asarray(image))
    assert pixels.dtype == np.uint8
    assert converted is None


@pytest.mark.parametrize(
    ("mode", "kind", "expected"),
    [
        ("L", "PNG", "grey"),
        ("L", "JPEG", "grey"),
        ("1", "PNG", "grey"),
        ("LA", "PNG", "alpha"),
        ("RGBA", "PNG", "alpha"),
        ("P", "PNG", "palette"),
        ("CMYK", "JPEG", "cmyk"),
        ("L", "TIFF", "grey"),
        ("RGBA", "TIFF", "alpha"),
        ("CMYK", "TIFF", "cmyk"),
        ("RGB", "GIF", "palette"),
    ],
)
def test_other_modes_are_converted_and_counted(image, mode, kind, expected):
    pixels, converted = decode_image(file_of(image.convert(mode), kind))
    assert pixels.shape == (10, 14, 3)
    assert pixels.dtype == np.uint8
    assert converted == expected


def test_grey_is_repeated_in_all_channels(image):
    pixels, _ = decode_image(file_of(image.convert("L")))
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("L"))[:, :, None].repeat(3, axis=2))


def test_alpha_is_dropped_and_not_blended(image):
    image.putalpha(0)
    np.testing.assert_array_equal(decode_image(file_of(image))[0], np.asarray(image)[:, :, :3])


def test_sixteen_bit_grey_keeps_its_high_byte():
    grey = np.array([[0, 255, 256], [32768, 65280, 65535]], dtype=np.uint16)
    pixels, converted = decode_image(file_of(Image.fromarray(grey)))
    assert converted == "16-bit"
    np.testing.assert_array_equal(pixels[:, :, 0], [[0, 0, 1], [128, 255, 255]])


def test_sixteen_bit_colour_is_counted_too():
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + struct.pack(">3H", 0x1234, 0xFF00, 0x00FF)
    header = struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    pixels, converted = decode_image(data)
    assert converted == "16-bit"
    assert pixels.tolist() == [[[0x12, 0xFF, 0x00]]]


def test_orientation_in_exif_is_not_applied(image):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(file_of(image, "JPEG", exif=exif))[0].shape == (10, 14, 3)


def test_a_tiff_of_fractions_is_no_picture_because_their_range_is_unknown():
    with pytest.raises(UndecodableImage, match="samples are fractions"):
        decode_image(file_of(Image.fromarray(np.full((2, 3), 0.5, np.float32)), "TIFF"))


def test_sixteen_bits_of_a_tiff_keep_their_high_byte():
    pixels, converted = decode_image(file_of(Image.fromarray(np.array([[255, 256, 65535]], dtype=np.uint16)), "TIFF"))
    assert converted == "16-bit"
    np.testing.assert_array_equal(pixels[0, :, 0], [0, 1, 255])


def test_of_an_animation_the_first_frame_is_read(make):
    frames = [Image.fromarray(make.pixels_of(seed)).quantize(16) for seed in range(3)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_image(data)[0], np.asarray(frames[0].convert("RGB")))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not read AVIF")
def test_an_avif_is_read(make):
    smooth = Image.fromarray(np.full((16, 24, 3), (200, 90, 40), np.uint8))
    pixels, converted = decode_image(file_of(smooth, "AVIF"))
    assert converted is None
    np.testing.assert_allclose(pixels, np.asarray(smooth), atol=4)  # AVIF is lossy; red and blue differ by 160.


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_of_each_kind_is_known_by_its_beginning(image, kind):
    assert image_suffixes(file_of(image, kind)) == FORMATS[kind]


def test_size_comes_from_the_header_alone(image):
    assert image_size(file_of(image)[:60]) == (14, 10)


def test_a_truncated_jpeg_is_refused_with_a_reason(image):
    data = file_of(image, "JPEG")
    with pytest.raises(UndecodableImage, match="truncated"):
        decode_image(data[: int(len(data) * 0.9)])


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM"])
def test_what_is_no_image_is_refused_with_a_reason_that_is_always_the_same(data):
    reasons = set()
    for _ in range(2):
        with pytest.raises(UndecodableImage) as caught:
            decode_image(data)
        reasons.add(str(caught.value))
    assert len(reasons) == 1
    assert "0x" not in reasons.pop()


def test_a_damaged_file_is_always_refused_or_decoded_and_never_another_error(image):
    rng = np.random.default_rng(0)
    for data in (file_of(image), file_of(image, "JPEG"), file_of(image, "WEBP"), file_of(image, "BMP")):
        for _ in range(50):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                broken[place] = rng.integers(256)
            try:
                assert decode_image(bytes(broken))[0].shape[2] == 3
            except UndecodableImage as error:
                assert str(error)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_000, 12_000, 20_000])
def test_a_decompression_bomb_is_refused(side):
    with pytest.raises(UndecodableImage, match=r"more than|exceeds limit"):
        decode_image(file_of(Image.new("1", (side, side))))


def test_a_photograph_is_turned_upright_only_when_asked(make):
    pixels, exif = make.pixels_of(0, 6, 9), Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise.
    data = make.encode(pixels, exif=exif)
    assert np.array_equal(decode_image(data)[0], pixels)
    assert np.array_equal(decode_image(data, upright=True)[0], np.rot90(pixels, -1))


def test_a_damaged_exif_turns_nothing(make):
    # To be turned, but made by a program whose name is a number.
    entries = struct.pack(">HHHIHHHHIf", 2, 0x0112, 3, 1, 6, 0, 0x0131, 11, 1, 2.5)
    data = make.encode(make.pixels_of(0, 16, 8), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08" + entries + bytes(4))
    with pytest.raises(AttributeError):
        ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(decode_image(data, upright=True)[0], decode_image(data)[0])
