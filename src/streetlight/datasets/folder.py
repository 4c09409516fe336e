"""Pictures in folders, a folder for each class: found, judged, and reduced while they are read.

Memory stays small however large the pictures are: a JPEG is reduced by its decoder, what would take
too much is left out and told, and what is kept of a picture is its reduced square in bytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from streetlight.creation import from_numpy
from streetlight.errors import DataError, FileAccessError, ImageError
from streetlight.tensor import Tensor
from streetlight.utils.data import Dataset

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Pixels = NDArray[np.uint8]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM")
LAYOUT = "a folder for each class, with its pictures in it: FOLDER/cat/1.jpg, FOLDER/dog/2.jpg"
FAINT = 8  # of 255: what lossy formats make of a grey picture is no colour
SMALLEST, LARGEST, STEP = 8, 96, 4  # sides of the square that pictures are reduced to
ALL_BYTES = 2**30  # that the reduced pictures may take together
MOST_BYTES = 2**27  # that one picture may take while it is decoded
BAND_PIXELS = 2**20
BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "LA": 4}  # of a pixel in Pillow's memory; others have 4
GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B"}
UPRIGHT = {  # what to do with a picture whose EXIF orientation is this
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, OverflowError, struct.error)


class _Header(NamedTuple):
    size: tuple[int, int]
    mode: str
    content: bytes  # SHA-256 of the file


class ImageFolder(Dataset):
    """Pictures in folders, a folder for each class, as torchvision's class of this name has them.

    `dataset[i]` is (picture, class): float32 in 0 to 1 of shape (channels, side, side), and the
    number of the class. Folders in a class folder belong to the class. All pictures are brought to
    one square: reduced or enlarged to fit, never cut, never stretched; what is left of the square
    takes the colour of the picture's edge. Photos are turned upright, transparent parts are laid on
    white, 16 bits become 8 (65,535 is white), CMYK and palettes become RGB.

    Args:
        root: the folder that holds the folders of the classes.
        side: height and width of the square; unless given the median of the pictures' longer
            sides, rounded to a multiple of 4, from 8 to 96.
        channels: 1 (grey) or 3 (red, green, blue); unless given 1 if no picture has any colour.

    Raises:
        FileAccessError: there is no such folder, or it cannot be read.
        DataError: there are fewer than two classes, or a class has no picture.

    Attributes:
        classes: names of the class folders in order; class_to_idx: the number of each.
        samples: (path, class) of each picture; targets: the classes alone.
        pixels: uint8 (N, channels, side, side).
        sizes: (width, height) of each picture in its file.
        left_out: files that look like pictures and are none, with the reason of each.
        others: how many files have other endings, by ending; hidden: how many are hidden.
        remarks: how many pictures had to be changed, by what was done.
        twins: pairs of paths with the same picture in two classes.

    >>> from tempfile import mkdtemp
    >>> from PIL import Image
    >>> root = Path(mkdtemp())
    >>> for name, size in (("dark", (30, 20)), ("light", (25, 30))):
    ...     (root / name).mkdir()
    ...     Image.new("L", size, 200).save(root / name / "1.png")
    >>> dataset = ImageFolder(root)
    >>> picture, label = dataset[1]
    >>> dataset.classes, picture.shape, label
    (['dark', 'light'], (1, 32, 32), 1)
    """

    def __init__(
        self, root: str | os.PathLike[str], side: int | None = None, channels: int | None = None
    ) -> None:
        self.root = Path(root)
        folders, loose = _class_folders(self.root)
        self.classes = [folder.name for folder in folders]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.left_out: dict[Path, str] = dict.fromkeys(loose, "lies in no folder of a class")
        self.others, self.remarks, self.hidden = Counter[str](), Counter[str](), 0
        self.samples: list[tuple[Path, int]] = []
        self.twins: list[tuple[Path, Path]] = []
        found: list[tuple[Path, int]] = []
        for label, folder in enumerate(folders):
            found += [(path, label) for path in self._walk(folder, {_place(self.root)})]
        headers = self._headers([path for path, _ in found])
        grey = all(header.mode in GREY for header in headers.values())
        self.channels = channels or (1 if grey else 3)
        sizes = [header.size for header in headers.values()]
        self.side = side or _fitting_side(sizes, self.channels)
        self.pixels = self._read(found, headers)
        if channels is None and not any(np.ptp(one, axis=0).max() > FAINT for one in self.pixels):
            self.channels, self.pixels = 1, self.pixels[:, :1].copy()
        self.sizes = [headers[path].size for path, _ in self.samples]
        self.targets = [label for _, label in self.samples]
        self._require_pictures()

    def _walk(self, folder: Path, above: set[tuple[int, int]]) -> Iterator[Path]:
        """What may be pictures in a folder and in those in it; links lead on, but not in circles.

        Args:
            folder: where to look.
            above: the folders of this class that were seen before.
        """
        try:
            place, paths = _place(folder), sorted(folder.iterdir())
        except OSError as error:
            self.left_out[folder] = _reason(error)
            return
        if place in above:
            self.left_out[folder] = "a link that leads back to a folder read already"
            return
        above.add(place)
        for path in paths:
            if path.name.startswith("."):
                self.hidden += 1
            elif os.path.isdir(path):  # unlike path.is_dir() never an error
                yield from self._walk(path, above)
            elif path.suffix.lower() not in SUFFIXES:
                self.others[path.suffix or "no ending"] += 1
            elif os.path.exists(path) and not os.path.isfile(
                path
            ):  # reading a pipe would wait for ever
                self.left_out[path] = "neither a file nor a folder"
            else:
                yield path

    def _headers(self, paths: list[Path]) -> dict[Path, _Header]:
        """What is known of each file that begins like a picture before it is decoded."""
        headers = {}
        for path in paths:
            try:
                with _opened(path) as file, open(path, "rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").digest()
                    headers[path] = _Header(file.size, file.mode, content)
            except (ImageError, FileAccessError) as error:
                self._leave_out(path, error)
        return headers

    def _read(self, found: list[tuple[Path, int]], headers: dict[Path, _Header]) -> Pixels:
        """Read all pictures but copies; returns (N, channels, side, side)."""
        pixels = np.empty((len(headers), self.channels, self.side, self.side), np.uint8)
        seen: dict[bytes, dict[int, Path]] = {}  # of each content, the first file in each class
        for path, label in found:
            if path not in headers:
                continue
            same = seen.setdefault(headers[path].content, {})
            if label in same:
                self.left_out[path] = f"a copy of {same[label].name}"
                continue
            try:
                pixels[len(self.samples)], remarks = _read(path, self.side, self.channels)
            except (ImageError, FileAccessError) as error:
                self._leave_out(path, error)
                continue
            self.twins += [(first, path) for first in list(same.values())[:1]]
            same[label] = path
            self.remarks.update(remarks)
            self.samples.append((path, label))
        return pixels[: len(self.samples)]

    def _leave_out(self, path: Path, error: ImageError | FileAccessError) -> None:
        self.left_out[path] = error.what[len(str(path)) :].partition(": ")[2]

    def _require_pictures(self) -> None:
        """Refuse a class that has no picture: a network cannot learn it."""
        for label, name in enumerate(self.classes):
            folder = self.root / name
            if label in self.targets:
                continue
            broken = [path for path in self.left_out if folder in (path, *path.parents)]
            more = f"; {broken[0]}: {self.left_out[broken[0]]}" if broken else ""
            raise DataError(
                f"{folder} has no picture that can be read{more}",
                expected="in each folder pictures of its class, such as PNG or JPEG files",
                got={"files left out": len(broken)} if broken else None,
                fix="put pictures into it, or move the folder elsewhere",
            )

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return from_numpy(self.pixels[index] / np.float32(255)), self.targets[index]

    def __getbatch__(self, indices: Sequence[int]) -> list[Tensor]:
        chosen = np.asarray(indices, np.int64)
        labels = np.asarray(self.targets, np.int64)[chosen]
        return [from_numpy(self.pixels[chosen] / np.float32(255)), from_numpy(labels)]

    def __len__(self) -> int:
        return len(self.samples)


def read_picture(path: str | os.PathLike[str], side: int, channels: int) -> Tensor:
    """Read one picture as `ImageFolder` does: float32 in 0 to 1, (channels, side, side).

    Raises:
        FileAccessError: there is no such file, or it cannot be read.
        ImageError: it is no picture, is damaged, empty or far too large.
    """
    return from_numpy(_read(Path(path), side, channels)[0] / np.float32(255))


# ---- folders ----


def _class_folders(root: Path) -> tuple[list[Path], list[Path]]:
    """The folders of the classes in `root`, and the pictures that lie beside them."""
    if os.path.exists(root) and not os.path.isdir(root):
        fix = f"name the folder that has the classes, perhaps {root.parent.parent}"
        raise FileAccessError(f"{root} is a file, not a folder", expected=LAYOUT, fix=fix)
    try:
        paths = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        near = _near(root)
        fix = f"did you mean {near}?" if near else "check the spelling of the path"
        raise FileAccessError(f"{root} cannot be read: {_reason(error)}", fix=fix) from None
    folders = [path for path in paths if os.path.isdir(path)]
    loose = [path for path in paths if path not in folders and path.suffix.lower() in SUFFIXES]
    if len(folders) < 2:
        count = f"only one class: {folders[0].name}" if folders else "no folder of a class"
        raise DataError(
            f"{root} has {count}",
            expected=LAYOUT,
            got={"pictures beside the folders": len(loose)} if loose else None,
            fix="make two folders or more in it, named as the classes, and sort the pictures",
        )
    return folders, loose


def _near(path: Path) -> Path | None:
    """A path in the same folder whose name is really near."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return None
    found = get_close_matches(path.name, names, 1, 0.7)
    return path.with_name(found[0]) if found else None


def _place(folder: Path) -> tuple[int, int]:
    """What a folder is known by, whatever links lead to it."""
    found = folder.stat()
    return found.st_dev, found.st_ino


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _fitting_side(sizes: list[tuple[int, int]], channels: int) -> int:
    """The side of the square for pictures of these sizes; see `ImageFolder`."""
    if not sizes:
        return SMALLEST
    middle = round(median(max(size) for size in sizes) / STEP) * STEP
    side = min(max(middle, SMALLEST), LARGEST)
    while side > SMALLEST and len(sizes) * channels * side**2 > ALL_BYTES:
        side -= STEP
    return side


# ---- one picture ----


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """Open a picture of any size; what goes wrong within the block becomes an error about it."""
    from PIL import Image, UnidentifiedImageError

    limit = Image.MAX_IMAGE_PIXELS
    try:
        with catch_warnings(action="ignore"):
            Image.MAX_IMAGE_PIXELS = None  # memory is watched here, by what decoding would take
            with open(path, "rb") as stream, Image.open(stream, formats=FORMATS) as file:
                yield file
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        why = "the file is empty" if empty else "its format is none that is known"
        raise _unreadable(path, why) from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise _no_access(path, error) from None
        why = str(error)
        raise _unreadable(path, why[:1].lower() + why[1:]) from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_memory(file: Image, whole: int) -> None:
    """Refuse a picture of `whole` pixels that would take too much while it is decoded."""
    progressive = file.info.get("progressive")  # decoded at full size, two bytes for each number
    needed = 3 * whole if progressive else file.width * file.height * BYTES.get(file.mode, 4)
    if needed > MOST_BYTES:
        raise ValueError(
            f"it takes {needed / 1e6:,.0f} MB to decode its {whole / 1e6:,.0f} million pixels; "
            f"at most {MOST_BYTES / 1e6:.0f} MB are used"
        )


def _unreadable(path: Path, why: str) -> ImageError:
    return ImageError(
        f"{path} is not a picture that can be read: {why}",
        expected="a whole PNG, JPEG, WebP, BMP, TIFF, PGM or PPM file",
        fix="open it in an image viewer and save it again as PNG",
    )


def _no_access(path: Path, error: OSError) -> FileAccessError:
    if os.path.isdir(path):
        return FileAccessError(
            f"{path} cannot be read: it is a folder, not a picture", fix=f"try {path}/*"
        )
    near = None if os.path.exists(path) else _near(path)
    fix = f"did you mean {near}?" if near else "check the path, and that you may read the file"
    return FileAccessError(f"{path} cannot be read: {_reason(error)}", fix=fix)


def _read(path: Path, side: int, channels: int) -> tuple[Pixels, set[str]]:
    """A picture as (channels, side, side), and in words what had to be done to it."""
    mode, remarks = "L" if channels == 1 else "RGB", set[str]()
    with _opened(path) as file:
        whole, scale = file.width * file.height, 2 * side / max(file.size)
        file.draft(None, (max(1, int(file.width * scale)), max(1, int(file.height * scale))))
        _check_memory(file, whole)
        file.load()
        small = _reduced(file, max(1, max(file.size) // (2 * side)), mode, remarks)
        small = _upright(small, file.getexif().get(0x0112, 1), remarks)
    return _on_square(small, side), remarks


def _reduced(image: Image, factor: int, mode: str, remarks: set[str]) -> Image:
    """A picture made smaller by a whole factor, in bands, so that no large copy of it is made."""
    from PIL import Image as Images

    width, height = image.size
    small = Images.new(mode, (ceil(width / factor), ceil(height / factor)))
    rows = factor * max(1, BAND_PIXELS // (width * factor))
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        small.paste(_opaque(band, remarks).convert(mode).reduce(factor), (0, top // factor))
    return small


def _opaque(image: Image, remarks: set[str]) -> Image:
    """A picture of 8 bits without transparency."""
    from PIL import Image as Images

    if image.mode == "F":
        raise ValueError("its pixels are fractions, of which white is not known")
    if image.mode[0] == "I":
        remarks.add("16 bits, reduced to 8")
        values = np.asarray(image).astype(np.int64)
        if values.max() > 65_535 or values.min() < 0:
            raise ValueError("its pixels are numbers beyond 16 bits")
        return Images.fromarray((values / 257).round().astype(np.uint8))
    if image.mode == "CMYK":
        remarks.add("CMYK, made RGB")
    if image.mode in ("P", "PA"):
        remarks.add("a palette, made RGB")
    if "transparency" not in image.info and not {"A", "a"} & set(image.getbands()):
        return image
    seen = image.convert("RGBA")
    if seen.getchannel("A").getextrema()[0] == 255:
        return seen
    remarks.add("transparent parts, laid on white")
    return Images.alpha_composite(Images.new("RGBA", image.size, "white"), seen)


def _upright(image: Image, orientation: int, remarks: set[str]) -> Image:
    """A photo as it was seen, by what its EXIF data say of the camera's position."""
    from PIL import Image as Images

    if orientation not in UPRIGHT:
        return image
    remarks.add("a camera held askew, turned upright")
    return image.transpose(Images.Transpose[UPRIGHT[orientation]])


def _on_square(image: Image, side: int) -> Pixels:
    """Bring a picture to (channels, side, side): its longer side fits, the rest is edge colour."""
    from PIL import Image as Images

    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), Images.Resampling.BILINEAR)
    pixels = np.asarray(image).reshape(height, width, -1)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    square = np.empty((side, side, pixels.shape[2]), np.uint8)
    square[:] = np.median(edges, axis=0)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square.transpose(2, 0, 1)
