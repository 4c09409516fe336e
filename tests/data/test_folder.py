"""Pictures in folders: all that people's folders hold is read, or told and passed over."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetlight.datasets import ImageFolder, folder
from streetlight.datasets.folder import read_picture
from streetlight.errors import DataError, FileAccessError, ImageError
from streetlight.utils.data import DataLoader

RED, BLUE = (200, 30, 40), (10, 20, 220)


def coloured(size=(20, 20), colour=RED):
    return Image.new("RGB", size, colour)


@pytest.fixture
def root(tmp_path):
    """Two classes with two pictures each, all red or all blue."""
    top = tmp_path / "my pictures"
    for name, colour in (("höhle", BLUE), ("red one", RED)):
        (top / name).mkdir(parents=True)
        coloured(colour=colour).save(top / name / "a.png")
        coloured((18, 20), colour=colour).save(top / name / "b.PNG")
    return top


def middle(dataset, name):
    """The colour in the middle of the picture in this file, in 0 to 255."""
    index = [path.name for path, _ in dataset.samples].index(name)
    half = dataset.side // 2
    return dataset.pixels[index, :, half, half].tolist()


def left_out(dataset):
    return {path.name: why for path, why in dataset.left_out.items()}


# ---- what it gives ----


@pytest.mark.parametrize(("shade", "channels"), [((90, 93, 95), 1), ((90, 100, 95), 3)])
def test_traces_of_colour_are_none(tmp_path, shade, channels):
    for name in "ab":
        (tmp_path / name).mkdir()
        coloured(colour=shade if name == "a" else (30, 30, 30)).save(tmp_path / name / "x.png")
    assert ImageFolder(tmp_path).channels == channels


def test_samples_are_pictures_in_0_to_1_and_the_number_of_their_class(root):
    dataset = ImageFolder(root)
    assert dataset.classes == ["höhle", "red one"]
    assert dataset.class_to_idx == {"höhle": 0, "red one": 1}
    assert dataset.targets == [0, 0, 1, 1]
    assert [path.name for path, _ in dataset.samples] == ["a.png", "b.PNG"] * 2
    picture, label = dataset[2]
    assert picture.shape == (3, 20, 20)
    assert (picture.numpy()[:, 0, 0] * 255).round().tolist() == list(RED)
    assert label == 1
    images, labels = next(iter(DataLoader(dataset, 3)))
    assert images.shape == (3, 3, 20, 20)
    assert (images[2].numpy() == picture.numpy()).all()
    assert labels.tolist() == [0, 0, 1]
    assert dataset.left_out == {}


def test_folders_in_a_class_belong_to_it_and_jpeg_is_read_by_any_ending(root):
    (root / "höhle" / "deeper").mkdir()
    for quality, name in enumerate(["c.jpg", "d.JPG", "e.jpeg", "f.JPEG", "jpeg.png"], 80):
        coloured(colour=BLUE).save(root / "höhle" / "deeper" / name, "jpeg", quality=quality)
    assert ImageFolder(root).targets.count(0) == 2 + 5


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(28, 28)], 28),
        ([(8, 8)], 8),
        ([(3, 2)], 8),
        ([(30, 30)], 32),
        ([(20, 41), (60, 10), (99, 99)], 60),
        ([(640, 480)], 96),
    ],
)
def test_the_side_is_the_median_of_the_longer_sides_in_bounds(tmp_path, sizes, side):
    for name in "xy":
        (tmp_path / name).mkdir()
        for number, size in enumerate(sizes):
            Image.new("L", size, 9 + ord(name)).save(tmp_path / name / f"{number}.png")
    dataset = ImageFolder(tmp_path)
    assert (dataset.side, dataset.channels) == (side, 1)
    assert set(dataset.sizes) == set(sizes)
    assert ImageFolder(tmp_path, side=12, channels=3).pixels.shape[1:] == (3, 12, 12)


def test_very_many_pictures_are_made_smaller(monkeypatch):
    monkeypatch.setattr(folder, "ALL_BYTES", 100 * 3 * 40**2)
    assert folder._fitting_side([(200, 100)] * 100, 3) == 40
    assert folder._fitting_side([(200, 100)] * 10**6, 3) == 8
    assert folder._fitting_side([], 3) == 8


def test_the_whole_picture_stays_and_the_margin_takes_the_colour_of_its_edge(tmp_path):
    picture = np.full((10, 40, 3), RED, np.uint8)
    picture[1:9, 12:28] = BLUE
    Image.fromarray(picture).save(tmp_path / "wide.png")
    small = read_picture(tmp_path / "wide.png", 20, 3).numpy() * 255
    assert np.allclose(small[:, 0, 0], RED)
    assert np.allclose(small[:, 10, 0], RED)
    assert np.allclose(small[:, 10, 10], BLUE, atol=3)
    thin = Image.fromarray(picture[:1]).resize((300, 1))
    thin.save(tmp_path / "thin.png")
    assert read_picture(tmp_path / "thin.png", 8, 3).shape == (3, 8, 8)


def test_small_pictures_are_read_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    read = read_picture(tmp_path / "x.png", 16, 3).numpy()
    assert ((read * 255).round() == pixels.transpose(2, 0, 1)).all()


def test_pictures_without_any_colour_have_one_channel_however_they_are_stored(root):
    for path in root.rglob("*.*"):
        Image.new("RGB", (20, 20), (len(str(path)),) * 3).save(path, "png")
    assert ImageFolder(root).channels == 1


# ---- kinds of pictures ----


def save_16_bits(path):
    Image.fromarray(np.full((20, 20), 257 * 77, np.uint16)).save(path)


def save_palette(path):
    coloured().quantize().save(path)


def save_transparent(path):
    Image.new("RGBA", (20, 20), (*RED, 0)).save(path)


def save_transparent_palette(path):
    Image.new("P", (20, 20)).save(path, transparency=0)


def save_transparent_colour(path):
    coloured().save(path, transparency=RED)


def save_half_grey(path):
    Image.new("LA", (20, 20), (100, 255)).save(path)


def save_cmyk(path):
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(path, "jpeg", quality=95)


@pytest.mark.parametrize(
    ("save", "name", "colour", "remark"),
    [
        (save_16_bits, "x.png", (77, 77, 77), "16 bits, reduced to 8"),
        (save_palette, "x.png", RED, "a palette, made RGB"),
        (save_transparent, "x.png", (255, 255, 255), "transparent parts, laid on white"),
        (save_transparent_palette, "x.png", (255, 255, 255), "transparent parts, laid on white"),
        (save_transparent_colour, "x.png", (255, 255, 255), "transparent parts, laid on white"),
        (save_half_grey, "x.png", (100, 100, 100), None),
        (save_cmyk, "x.jpg", (255, 0, 0), "CMYK, made RGB"),
    ],
)
def test_kinds_of_pictures_are_brought_to_8_bits_and_that_is_told(root, save, name, colour, remark):
    save(root / "höhle" / name)
    dataset = ImageFolder(root)
    assert np.allclose(middle(dataset, name), colour, atol=25)
    assert (remark in dataset.remarks) == (remark is not None)


def test_one_bit_and_exif_orientation(root):
    Image.new("1", (20, 20), 1).save(root / "höhle" / "one.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upper = np.zeros((40, 40, 3), np.uint8)
    upper[:20] = 255
    Image.fromarray(upper).save(root / "höhle" / "askew.jpg", exif=exif)
    dataset = ImageFolder(root, side=40)
    assert middle(dataset, "one.png") == [255, 255, 255]
    names = [path.name for path, _ in dataset.samples]
    askew = dataset.pixels[names.index("askew.jpg")]
    assert askew[:, :, 25:].min() > 200  # what the file has above is seen at the right
    assert askew[:, :, :15].max() < 50
    assert dataset.remarks["a camera held askew, turned upright"] == 1


# ---- what cannot be read ----


def whole(kind):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind)
    return stream.getvalue()


def numbers(mode, value):
    stream = io.BytesIO()
    Image.new(mode, (20, 20), value).save(stream, "tiff")
    return stream.getvalue()


BROKEN = {
    "text.png": (b"this is no picture", "its format is none that is known"),
    "zero.png": (b"", "the file is empty"),
    "cut.jpg": (whole("jpeg")[:2000], "image file is truncated"),
    "cut.png": (whole("png")[:5000], "image file is truncated"),
    "head.jpg": (whole("jpeg")[:20], ""),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "its format is none that is known"),
    "real.tif": (numbers("F", 0.5), "its pixels are fractions, of which white is not known"),
    "large.tif": (numbers("I", 70_000), "its pixels are numbers beyond 16 bits"),
}


def test_what_cannot_be_read_is_left_out_each_with_its_reason(root):
    for name, (content, _) in BROKEN.items():
        (root / "höhle" / name).write_bytes(content)
    coloured().save(root / "loose.png")
    dataset = ImageFolder(root)
    assert len(dataset) == 4
    told = left_out(dataset)
    assert set(told) == {*BROKEN, "loose.png"}
    assert all(told[name].startswith(why) for name, (_, why) in BROKEN.items())
    assert told["loose.png"] == "lies in no folder of a class"


def test_a_single_broken_picture_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no")
    with pytest.raises(ImageError, match=r"x\.png is not a picture that can be read: its format"):
        read_picture(tmp_path / "x.png", 8, 3)
    with pytest.raises(FileAccessError, match=r"it is a folder, not a picture\n  fix:  try .*/\*"):
        read_picture(tmp_path, 8, 3)
    coloured().save(tmp_path / "photo.png")
    with pytest.raises(FileAccessError, match=r"no such file or directory\n  fix:  did you mean "):
        read_picture(tmp_path / "photos.png", 8, 3)


def test_hidden_files_and_other_endings_are_counted(root):
    for name in (".DS_Store", ".a.png", "notes.txt", "more.TXT", "noending"):
        (root / "höhle" / name).write_text("x")
    (root / ".git").mkdir()
    dataset = ImageFolder(root)
    assert dataset.hidden == 2
    assert dataset.others == {".txt": 1, ".TXT": 1, "no ending": 1}
    assert len(dataset) == 4


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_links_in_circles_and_to_nowhere_and_pipes_do_no_harm(root):
    (root / "höhle" / "again").symlink_to("..")
    (root / "höhle" / "itself").symlink_to("itself")
    (root / "höhle" / "gone.png").symlink_to("/nowhere/x.png")
    os.mkfifo(root / "höhle" / "pipe.png")
    (root / "höhle" / "link.png").symlink_to(root / "red one" / "a.png")
    dataset = ImageFolder(root)
    assert len(dataset) == 5
    assert left_out(dataset) == {
        "again": "a link that leads back to a folder read already",
        "gone.png": "no such file or directory",
        "pipe.png": "neither a file nor a folder",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="/proc refuses to be read even by root")
def test_a_file_that_the_system_refuses_is_told(root):
    (root / "höhle" / "memory.png").symlink_to("/proc/self/mem")
    assert left_out(ImageFolder(root)) == {"memory.png": "input/output error"}


WITHOUT_RIGHTS = """
import difflib, os, sys
from PIL import Image
from streetlight.datasets import ImageFolder
from streetlight.errors import FileAccessError
Image.init()
if os.geteuid() == 0:
    os.seteuid(65534)
for path, why in ImageFolder(sys.argv[1]).left_out.items():
    print(path.name, why, sep=": ")
try:
    ImageFolder(sys.argv[2])
except FileAccessError as error:
    print(error.what)
"""


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_files_and_folders_without_permission_are_told(root):
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        shutil.copytree(root, top / "pictures")
        (top / "pictures" / "höhle" / "a.png").chmod(0)
        for deep, rights in (("closed", 0), ("listed", 0o744)):
            (top / "pictures" / "red one" / deep).mkdir()
            shutil.copy(root / "höhle" / "a.png", top / "pictures" / "red one" / deep / "in.png")
            (top / "pictures" / "red one" / deep).chmod(rights & ~0o111)
        (top / "secret").mkdir(mode=0)
        top.chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_RIGHTS, top / "pictures", top / "secret"],
            capture_output=True, encoding="utf-8", check=True, env=os.environ | {"PYTHONUTF8": "1"},
        )  # fmt: skip
        for path in (*(top / "pictures" / "red one").iterdir(), top / "secret"):
            path.chmod(0o700)
    assert done.stdout.splitlines() == [
        "closed: permission denied",
        "a.png: permission denied",
        "in.png: permission denied",
        f"{top / 'secret'} cannot be read: permission denied",
    ]


def test_copies_are_left_out_and_the_same_picture_in_two_classes_is_told(root):
    original = root / "höhle" / "a.png"
    (root / "höhle" / "copy.png").write_bytes(original.read_bytes())
    (root / "red one" / "wrong.png").write_bytes(original.read_bytes())
    dataset = ImageFolder(root)
    assert left_out(dataset) == {"copy.png": "a copy of a.png"}
    assert dataset.twins == [(original, root / "red one" / "wrong.png")]
    assert len(dataset) == 5


# ---- folders that cannot be used ----


def refused(path, kind):
    with pytest.raises(kind) as caught:
        ImageFolder(path)
    return str(caught.value)


def test_no_folder_and_a_file_in_its_place(root):
    text = refused(root.with_name("my picture"), FileAccessError)
    assert "my picture cannot be read: no such file or directory" in text
    assert f"did you mean {root}?" in text
    assert "check the spelling" in refused(root / "nothing like it", FileAccessError)
    text = refused(root / "höhle" / "a.png", FileAccessError)
    assert "a.png is a file, not a folder" in text
    assert f"name the folder that has the classes, perhaps {root}\n" in text


def test_an_empty_folder_and_one_class_alone(tmp_path):
    text = refused(tmp_path, DataError)
    assert "has no folder of a class" in text
    assert "FOLDER/cat/1.jpg" in text
    assert "make two folders or more in it" in text
    coloured().save(tmp_path / "x.png")
    assert "pictures beside the folders: 1" in refused(tmp_path, DataError)
    (tmp_path / "cat").mkdir()
    assert "has only one class: cat" in refused(tmp_path, DataError)


def test_a_class_without_pictures(root):
    (root / "zebra").mkdir()
    text = refused(root, DataError)
    assert "zebra has no picture that can be read\n" in text
    assert "put pictures into it, or move the folder elsewhere" in text
    (root / "zebra" / "z.png").write_text("text")
    text = refused(root, DataError)
    assert "z.png: its format is none that is known" in text
    assert "files left out: 1" in text


# ---- memory ----

READ = """
import resource, sys
import PIL.Image, PIL.JpegImagePlugin, PIL.PngImagePlugin
from streetlight.datasets.folder import read_picture
read_picture(sys.argv[1], 96, 3)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read_picture(sys.argv[2], 96, 3).numpy().mean())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in another unit")
@pytest.mark.parametrize(("mode", "ending"), [("L", "png"), ("L", "jpg")])
def test_a_hundred_million_pixels_take_little_memory(tmp_path, mode, ending):
    large, small = tmp_path / f"large.{ending}", tmp_path / f"small.{ending}"
    Image.new(mode, (10_000, 10_000), 51).save(large, compress_level=1)
    Image.new(mode, (100, 100), 51).save(small)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, small, large],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    mean, peak = map(float, done.stdout.split())
    assert mean == pytest.approx(0.2)
    assert peak < 150  # MB


def test_what_would_take_too_much_memory_is_told_and_not_read(tmp_path, monkeypatch):
    limit = Image.MAX_IMAGE_PIXELS
    coloured((300, 200)).save(tmp_path / "x.png")
    coloured((300, 200)).save(tmp_path / "x.jpg", progressive=True)
    coloured((300, 200)).save(tmp_path / "plain.jpg")
    monkeypatch.setattr(folder, "MOST_BYTES", 150_000)
    with pytest.raises(ImageError, match=r"takes 0 MB to decode its 0 million pixels; at most"):
        read_picture(tmp_path / "x.png", 8, 3)
    with pytest.raises(ImageError, match=r"million pixels; at most"):
        read_picture(tmp_path / "x.jpg", 8, 3)
    assert read_picture(tmp_path / "plain.jpg", 8, 3).shape == (3, 8, 8)
    assert limit == Image.MAX_IMAGE_PIXELS
