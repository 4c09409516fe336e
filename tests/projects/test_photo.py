"""Photos of a digit: paper, polarity, place and size are found, and bad files are told."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from streetlight.errors import FileAccessError, ImageError
from streetlight.projects.photo import read_digit

SEVEN = np.zeros((8, 8))
SEVEN[:2, 1:7] = SEVEN[2:4, 4:6] = SEVEN[4:, 3:5] = 1


def picture(path, grey, **options):
    Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8)).save(path, **options)
    return path


def ink(size=160, shape=(300, 400), top=90, left=200, digit=SEVEN):
    """The seven, so large, at this place: 1 ink, 0 paper."""
    result = np.zeros(shape)
    large = np.kron(digit, np.ones((size // 8, size // 8)))
    result[top : top + large.shape[0], left : left + large.shape[1]] = large
    return result


def likeness(result, digit=SEVEN):
    """Correlation of what was read with the digit, at the best place within a pixel."""
    shifts = [np.roll(result, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return max(np.corrcoef(shift.ravel(), digit.ravel())[0, 1] for shift in shifts)


@pytest.mark.parametrize(
    ("paper", "pen"), [(1.0, 0.0), (0.0, 1.0), (0.8, 0.3), (0.2, 0.7), (0.55, 0.4)]
)
def test_dark_on_light_and_light_on_dark_read_alike(tmp_path, paper, pen):
    grey = paper + (pen - paper) * ink()
    result = read_digit(picture(tmp_path / "p.png", grey), 8, 8)
    assert result.shape == (8, 8)
    assert result.dtype == np.float32
    assert (result.min(), result.max()) == (0, 1)
    assert likeness(result) > 0.95


@pytest.mark.parametrize(("size", "top", "left"), [(160, 0, 0), (240, 50, 150), (64, 200, 20)])
def test_place_and_size_do_not_matter(tmp_path, size, top, left):
    path = picture(tmp_path / "p.png", 1 - ink(size, top=top, left=left))
    assert likeness(read_digit(path, 8, 8)) > 0.95


def test_uneven_light_and_grain_do_not_matter(tmp_path):
    light = np.linspace(1, 0.6, 300)[:, None] * np.linspace(0.7, 1, 400)
    grain = np.random.default_rng(0).normal(0, 0.02, light.shape)
    path = picture(tmp_path / "p.jpg", (0.95 - 0.6 * ink()) * light + grain, quality=80)
    assert likeness(read_digit(path, 8, 8)) > 0.9


def test_a_digit_that_fills_the_picture_is_read(tmp_path):
    for name, grey in (("dark", 1 - SEVEN), ("light", SEVEN)):
        path = picture(tmp_path / f"{name}.png", np.kron(grey, np.ones((5, 5))))
        assert likeness(read_digit(path, 8, 8)) > 0.95


def test_the_digit_is_put_into_its_box_by_its_centre_of_mass(tmp_path):
    result = read_digit(picture(tmp_path / "p.png", 1 - ink()), 28, 20)
    rows, columns = np.nonzero(result > 0.5)
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 15
    assert abs((result.sum(1) @ np.arange(28)) / result.sum() - 13.5) <= 1
    assert abs((result.sum(0) @ np.arange(28)) / result.sum() - 13.5) <= 1


def test_thin_strokes_are_thickened(tmp_path):
    grey = np.ones((400, 400))
    grey[50:350, 198:201] = grey[345:350, 120:280] = grey[50:55, 120:201] = 0
    result = read_digit(picture(tmp_path / "p.png", grey), 8, 8)
    assert result.mean() > 0.15


@pytest.mark.parametrize("pen", [0, 255])
def test_see_through_pictures_are_laid_on_paper(tmp_path, pen):
    layers = np.zeros((300, 400, 4), np.uint8)
    layers[..., :3] = pen
    layers[..., 3] = 255 * ink()
    Image.fromarray(layers).save(tmp_path / "p.png")
    assert likeness(read_digit(tmp_path / "p.png", 8, 8)) > 0.95


def test_a_camera_held_upright_is_respected(tmp_path):
    image = Image.fromarray(((1 - ink()) * 255).astype(np.uint8)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    image.save(tmp_path / "p.jpg", exif=exif)
    assert likeness(read_digit(tmp_path / "p.jpg", 8, 8)) > 0.95


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "CMYK", "LA"])
def test_any_kind_of_colours_is_read(tmp_path, mode):
    image = Image.fromarray(((1 - ink()) * 255).astype(np.uint8)).convert(mode)
    path = tmp_path / ("p.jpg" if mode == "CMYK" else "p.png")
    image.save(path)
    assert likeness(read_digit(path, 8, 8)) > 0.95


@pytest.mark.parametrize(
    ("white", "dtype", "ending"),
    [
        (65535, np.uint16, "png"), (4095, np.uint16, "png"), (65535, np.int32, "tiff"),
        (255, np.int32, "tiff"), (100_000, np.int32, "tiff"), (1, np.float32, "tiff"),
        (255, np.float32, "tiff"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pen", [0, 1])
def test_any_depth_of_grey_is_read(tmp_path, white, dtype, ending, pen):
    grey = (0.9 * ink() if pen else 1 - 0.9 * ink()) * white
    Image.fromarray(grey.astype(dtype)).save(tmp_path / f"p.{ending}")
    assert likeness(read_digit(tmp_path / f"p.{ending}", 8, 8)) > 0.95


@pytest.mark.parametrize("value", [0, 30_000, 65_535])
def test_bare_paper_of_16_bits_is_told(tmp_path, value):
    Image.fromarray(np.full((50, 50), value, np.uint16)).save(tmp_path / "p.png")
    with pytest.raises(ImageError, match="shows nothing but paper"):
        read_digit(tmp_path / "p.png", 8, 8)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (50, 50)])
def test_bare_paper_is_told(tmp_path, value, shape):
    path = picture(tmp_path / "p.png", np.full(shape, value))
    with pytest.raises(ImageError, match="shows nothing but paper"):
        read_digit(path, 8, 8)


def test_grain_alone_is_no_digit(tmp_path):
    grain = np.random.default_rng(0).normal(0.7, 0.01, (200, 200))
    with pytest.raises(ImageError, match="shows nothing but paper"):
        read_digit(picture(tmp_path / "p.png", grain), 8, 8)


def test_what_is_no_picture_is_told(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(np.uint8(np.random.default_rng(0).integers(0, 255, (90, 90)))).save(
        whole, "PNG"
    )
    contents = {
        "text": b"seven", "short": whole.getvalue()[:2000], "head": whole.getvalue()[:30],
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        with pytest.raises(ImageError, match=r"\.png is not a picture that can be read"):
            read_digit(tmp_path / f"{name}.png", 8, 8)


def test_an_empty_file_is_told(tmp_path):
    (tmp_path / "p.png").write_bytes(b"")
    with pytest.raises(ImageError, match="the file is empty") as caught:
        read_digit(tmp_path / "p.png", 8, 8)
    assert "PNG, JPEG, WebP, GIF, BMP or TIFF" in str(caught.value)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_the_formats_that_are_named_work(tmp_path, ending):
    path = picture(tmp_path / f"p.{ending}", 1 - ink())
    assert likeness(read_digit(path, 8, 8)) > 0.95


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_picture_too_large_to_be_honest_is_refused(tmp_path, side):
    path = picture(tmp_path / "p.png", np.ones((10, 10)))
    data = bytearray(path.read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2  # what the header says of width and height
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(ImageError, match="has too many pixels") as caught:
        read_digit(path, 8, 8)
    assert "make it smaller" in str(caught.value)


def test_a_misspelt_name_is_answered_if_one_in_the_folder_is_near(tmp_path):
    picture(tmp_path / "photo_of_7.png", np.ones((3, 3)))
    with pytest.raises(FileAccessError) as caught:
        read_digit(tmp_path / "foto_of_7.png", 8, 8)
    assert f"did you mean {tmp_path / 'photo_of_7.png'}?" in str(caught.value)
    for far in (tmp_path / "seven.png", tmp_path / "nowhere" / "photo_of_7.png"):
        with pytest.raises(FileAccessError) as caught:
            read_digit(far, 8, 8)
        assert "fix:  check the spelling of the path\n" in str(caught.value)


def test_missing_files_and_folders_are_told(tmp_path):
    with pytest.raises(FileAccessError, match=r"lost\.png cannot be read: no such file"):
        read_digit(tmp_path / "lost.png", 8, 8)
    with pytest.raises(FileAccessError, match="is a folder, not a picture"):
        read_digit(tmp_path, 8, 8)
