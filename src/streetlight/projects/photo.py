"""Photos of a digit made into what a network has learnt from: ink 1 on paper 0, cropped, small."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from streetlight.errors import FileAccessError, ImageError
from streetlight.interop.files import access_error

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.float32]
WORKING_SIZE = 160  # pixels of the longer side, to which every photo is brought first
FAINTEST = 0.08  # ink must differ from paper by so much of the range from black to white
SMALLEST = 12  # pixels that a digit covers at least, at the working size
THINNEST = (
    0.35  # share of its box that a digit's ink covers at least; thinner strokes are thickened
)


def read_digit(path: Path, side: int, box: int) -> Pixels:
    """Read a picture of one digit, dark on light or light on dark, anywhere in the frame.

    Args:
        path: a PNG, JPEG or any other file that Pillow reads.
        side: height and width of the result.
        box: height and width that the digit itself fills in it.

    Returns:
        (side, side) in 0 to 1, the ink bright.

    Raises:
        FileAccessError: there is no such file, or it cannot be read.
        ImageError: it is no picture, is damaged, empty, far too large, or shows nothing.
    """
    ink = _crop(_ink(_grey(path)))
    if ink.size == 0:
        raise ImageError(
            f"{path} shows nothing but paper",
            expected="one digit that stands out from what it is written on",
            fix="take the picture closer, in better light",
        )
    return _fit(_thicken(ink), side, box)


def _grey(path: Path) -> Pixels:
    """The picture upright, small and grey, 0 black to 1 white; see-through parts as paper."""
    from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

    if path.is_dir():
        raise FileAccessError(f"{path} is a folder, not a picture", fix=f"try {path}/*.png")
    try:
        if path.stat().st_size == 0:
            raise _unreadable(path, "the file is empty")
        bomb = Image.DecompressionBombWarning
        with catch_warnings(action="error", category=bomb), Image.open(path) as file:
            image = _eight_bits(ImageOps.exif_transpose(file)).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(
            f"{path} has too many pixels",
            expected=f"at most {(Image.MAX_IMAGE_PIXELS or 0) // 1_000_000} million",
            fix="make it smaller, for instance 1,000 pixels wide",
        ) from None
    except UnidentifiedImageError:
        raise _unreadable(path, "its format is none that is known") from None
    except (SyntaxError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise _unreadable(path, str(error).lower()) from None
    except FileNotFoundError as error:
        raise _missing(path, error) from None
    except OSError as error:
        if error.errno is None:  # the file is there, but its content ends early or is broken
            raise _unreadable(path, str(error).lower()) from None
        raise access_error("read", path, error) from None
    image = _on_paper(image)
    scale = WORKING_SIZE / max(image.size)
    size = [max(1, round(length * scale)) for length in image.size]
    small = image.resize((size[0], size[1]), Image.Resampling.BILINEAR)
    return np.asarray(small.filter(ImageFilter.MedianFilter(3)), np.float32) / np.float32(255)


def _unreadable(path: Path, why: str) -> ImageError:
    return ImageError(
        f"{path} is not a picture that can be read: {why}",
        expected="a whole PNG, JPEG, WebP, GIF, BMP or TIFF file",
        fix="open it in an image viewer and save it again as PNG",
    )


def _missing(path: Path, error: OSError) -> FileAccessError:
    """Say that there is no such file, and name one in its folder if the name is really near."""
    names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = [str(path.with_name(name)) for name in get_close_matches(path.name, names, 1, 0.8)]
    fix = f"did you mean {near[0]}?" if near else "check the spelling of the path"
    return FileAccessError(access_error("read", path, error).what, fix=fix)


def _eight_bits(image: Image) -> Image:
    """A picture of 12, 16 or 32 bits, or of real numbers, brought to 0 to 255; others as is."""
    from PIL import Image as Images

    if image.mode[0] not in "IF":
        return image
    values = np.nan_to_num(np.asarray(image, np.float64), posinf=0, neginf=0).clip(0)
    brightest = values.max()
    levels = [1.0] * (image.mode == "F") + [255.0, 4095.0, 65535.0, brightest]
    white = next(level for level in levels if brightest <= level)
    return Images.fromarray((values * (255 / white)).round().astype(np.uint8))


def _on_paper(image: Image) -> Image:
    """Lay a picture on white, or on black if what can be seen of it is light; make it grey."""
    from PIL import Image as Images
    from PIL import ImageStat

    alpha, grey = image.getchannel("A"), image.convert("L")
    seen = alpha.point([0] * 128 + [255] * 128)
    light = seen.getbbox() is not None and ImageStat.Stat(grey, seen).mean[0] > 128
    return Images.composite(grey, Images.new("L", image.size, 0 if light else 255), alpha)


def _ink(grey: Pixels) -> Pixels:
    """What differs from the paper, 0 to 1; the paper's light may fall off from side to side.

    The paper is the plane that fits the pixels, fitted again and again without those that lie far
    off it. Ink is the side of the plane that has the farther pixels.
    """
    rows, columns = np.indices(grey.shape, np.float32)
    basis = np.stack([np.ones(grey.size, np.float32), rows.ravel(), columns.ravel()], axis=1)
    values = grey.ravel()
    paper = np.abs(values - _commonest(values)) < 0.25
    for _ in range(6):
        plane = np.linalg.lstsq(basis[paper], values[paper], rcond=None)[0]
        off = values - basis @ plane
        grain = 1.5 * float(np.median(np.abs(off[paper])))
        paper = np.abs(off) <= max(3 * grain, 0.02)
    ink = off if off[~paper].sum() > 0 else -off
    strongest = float(np.sort(ink)[-min(SMALLEST, ink.size)])
    if strongest < FAINTEST:
        return np.zeros_like(grey)
    ink = np.clip(ink / strongest, 0, 1)
    return np.where(ink < max(0.2, 3 * grain / strongest), 0, ink).reshape(grey.shape)


def _commonest(values: Pixels) -> float:
    """The brightness around which most pixels lie."""
    counts, edges = np.histogram(values, 32, (0, 1))
    most = int(np.convolve(counts, [1, 2, 1], "same").argmax())
    return float(edges[most] + edges[most + 1]) / 2


def _crop(ink: Pixels) -> Pixels:
    """The part that has ink."""
    strong = ink > 0.35
    rows, columns = np.flatnonzero(strong.any(axis=1)), np.flatnonzero(strong.any(axis=0))
    if not len(rows):
        return ink[:0]
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thicken(ink: Pixels) -> Pixels:
    """Widen the strokes of a thin pen until they cover as much as those learnt from."""
    for _ in range(max(ink.shape) // 12):
        if ink.mean() >= THINNEST:
            break
        padded = np.pad(ink, 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        ink = windows.max(axis=(2, 3))
    return ink


def _fit(ink: Pixels, side: int, box: int) -> Pixels:
    """Bring the digit to the size of the box and its centre of mass to the middle."""
    from PIL import Image

    scale = box / max(ink.shape)
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    small = Image.fromarray(ink).resize((width, height), Image.Resampling.BOX)
    digit = np.asarray(small, np.float32)
    digit = np.clip(digit / max(float(digit.max()), 1e-6), 0, 1)
    places = []
    for axis, length in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis)
        centre = float((mass * (np.arange(length) + 0.5)).sum() / mass.sum())
        places.append(min(max(round(side / 2 - centre), 0), side - length))
    result = np.zeros((side, side), np.float32)
    result[places[0] : places[0] + height, places[1] : places[1] + width] = digit
    return result
