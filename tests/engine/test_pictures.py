"""Pictures from files: of every format that libvips or Pillow knows, in the colors that GIMP shows."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from plugin.engine import pictures
from plugin.engine.refusal import Refusal

from .samples import PHOTO, STYLE
from .test_cli import stylize

RGB = pyvips.Image.new_from_file(str(PHOTO)).thumbnail_image(96).numpy()
"""H×W×3, 8 bits."""

INKS = pyvips.Image.new_from_array(RGB).icc_transform("cmyk", input_profile="srgb", intent="relative").numpy()
"""The same as C, M, Y and K of libvips' own profile."""

PROFILE = bytes(pyvips.Operation.call("profile_load", "cmyk"))


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def colors(data: bytes, name: str = "picture") -> np.ndarray:
    """H×W×3, 0 to 1."""
    return pictures.decode(data, name).rgba[:3].permute(1, 2, 0).numpy()


def difference(data: bytes, picture: np.ndarray = RGB) -> float:
    """From a picture of 8 bits; a mean, 0 to 1."""
    return float(np.abs(colors(data) - picture / 255).mean())


# Formats.


@pytest.mark.parametrize("format", ["BMP", "TGA", "PPM", "JPEG2000", "PCX", "DDS", "SGI", "TIFF", "PNG"])
def test_whatever_pillow_opens_is_a_picture(format: str) -> None:
    assert difference(encoded(Image.fromarray(RGB), format)) < 1e-6
    assert not pictures.decode(encoded(Image.fromarray(RGB), format), "picture").has_alpha


def test_icons_and_pictures_with_a_palette_are_pictures() -> None:
    assert difference(encoded(Image.fromarray(RGB), "ICO", sizes=[(RGB.shape[1], RGB.shape[0])])) < 1e-6
    for format in ("GIF", "BMP", "PCX", "TGA"):
        assert difference(encoded(Image.fromarray(RGB).convert("P"), format)) < 0.06


@pytest.mark.parametrize("format", ["BMP", "PCX", "PPM", "TGA"])
def test_grey_and_two_colors_are_grey(format: str) -> None:
    grey = Image.fromarray(RGB).convert("L")
    for picture in (grey, grey.convert("1")) if format != "TGA" else (grey,):
        loaded = pictures.decode(encoded(picture, format), "picture")
        assert loaded.grey
        assert not loaded.deep
        expected = np.asarray(picture.convert("L")) / 255
        assert np.allclose(loaded.rgba[0].numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("format", ["PPM", "JPEG2000"])
def test_sixteen_bits_of_grey_stay_sixteen(format: str) -> None:
    deep = RGB[..., 0].astype(np.uint16) * 257 + 7
    loaded = pictures.decode(encoded(Image.fromarray(deep), format), "picture")
    assert loaded.deep
    assert loaded.grey
    assert np.abs(loaded.rgba[0].numpy() * 65535 - deep).max() < 2


@pytest.mark.parametrize("format", ["TGA", "JPEG2000", "DDS", "ICO"])
def test_transparency_is_read(format: str) -> None:
    alpha = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    picture = np.dstack([RGB[:64, :64], alpha])
    loaded = pictures.decode(encoded(Image.fromarray(picture), format), "picture")
    assert loaded.has_alpha
    assert np.allclose(loaded.rgba[3].numpy(), alpha / 255, atol=1e-6)


def test_a_content_and_a_style_of_such_formats_are_painted(tmp_path: Path) -> None:
    content, style, output = tmp_path / "photo.bmp", tmp_path / "style.tga", tmp_path / "out.png"
    Image.fromarray(RGB).save(content)
    Image.open(STYLE).resize((80, 60)).save(style)
    done = stylize(content, output, style=style)
    assert done.returncode == 0, done.stderr
    assert Image.open(output).size == (RGB.shape[1], RGB.shape[0])


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.jxl", b"\xff\x0a" + bytes(99), "“a.jxl” is in the format JPEG XL, which cannot be read here; export it as"),
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(99), "“a.heic” is in the format HEIC"),
        ("a.exr", b"v/1\x01" + bytes(99), "“a.exr” is in the format OpenEXR"),
        ("a.png", b"gimp xcf v011" + bytes(99), "“a.png” is in the format XCF"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\nshowpage\n", "“a.eps” is in the format PostS"),
        ("a.bmp", encoded(Image.fromarray(RGB), "BMP")[:2000], "“a.bmp” is damaged or a kind of BMP that cannot be"),
        ("a.tga", b"just words", "“a.tga” is not a picture that can be opened"),
    ],
)
def test_what_is_not_read_is_named_in_the_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(Refusal) as refusal:
        pictures.decode(data, name)
    assert str(refusal.value).startswith(sentence)


def test_no_format_unpacks_to_any_size() -> None:
    bomb = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    with pytest.raises(Refusal, match="would unpack to 60000 × 60000 pixels"):
        pictures.decode(bomb + bytes(999), "bomb.bmp")
    header = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(9999))), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 64, 64, 0, 0, 1, 32, len(png), 22) + png  # it says 64 × 64
    with pytest.raises(Refusal):
        pictures.decode(icon, "bomb.ico")


# Float.


def floats(picture: np.ndarray) -> bytes:
    """A TIFF of 32 bits float."""
    image = pyvips.Image.new_from_array(np.ascontiguousarray(picture, np.float32))
    kind = "b-w" if picture.ndim == 2 else "scrgb"
    return bytes(image.copy(interpretation=kind).write_to_buffer(".tif"))


def test_a_float_tiff_is_the_picture_that_its_eight_bits_are() -> None:
    assert difference(floats(RGB / 255)) < 1e-4
    grey = pictures.decode(floats(RGB[..., 0] / 255), "grey.tif")
    assert grey.grey
    assert np.abs(grey.rgba[0].numpy() - RGB[..., 0] / 255).max() < 1e-3
    alpha = pictures.decode(floats(np.dstack([RGB, RGB[..., 0]]) / 255), "alpha.tif")
    assert np.abs(alpha.rgba[3].numpy() - RGB[..., 0] / 255).max() < 1e-3


def test_a_profile_of_a_float_or_a_32_bit_tiff_is_converted_from() -> None:
    wide = pyvips.Image.new_from_array(RGB).icc_transform("p3", input_profile="srgb", depth=16)
    as_float = (wide / 65535).cast("float").copy(interpretation="scrgb")
    assert as_float.get("icc-profile-data")
    assert difference(bytes(as_float.write_to_buffer(".tif"))) < 0.003
    as_uint = (wide.cast("double") * 65537).cast("uint").copy(interpretation="srgb")
    assert difference(bytes(as_uint.write_to_buffer(".tif"))) < 0.003


def test_what_is_no_number_or_beyond_white_in_a_float_tiff_does_no_harm(tmp_path: Path) -> None:
    wild = RGB / 255
    wild[:8] = np.nan
    wild[8:16] = [np.inf, 3, -2]
    loaded = colors(floats(wild))
    assert np.array_equal(loaded[:8], np.zeros_like(loaded[:8]))
    assert np.array_equal(loaded[8:16], np.broadcast_to(np.array([1, 1, 0], np.float32), loaded[8:16].shape))
    (tmp_path / "wild.tif").write_bytes(floats(wild))
    done = stylize(tmp_path / "wild.tif", tmp_path / "out.tif")
    assert done.returncode == 0, done.stderr
    assert pyvips.Image.new_from_file(str(tmp_path / "out.tif")).format == "ushort"


# Inks and profiles.


def jpeg_of_inks(profile: bytes | None = None, *, by_adobe: bool = True) -> bytes:
    data = encoded(Image.fromarray(INKS, "CMYK"), "JPEG", quality=95, icc_profile=profile)
    if by_adobe:
        return data
    start = data.index(b"\xff\xee")  # the mark of Adobe's, whose inks are the wrong way round, as Pillow's are
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def damaged() -> bytes:
    """A profile whose head is whole, and its tags are not."""
    return PROFILE[:200] + bytes(3800) + PROFILE[4000:]


def as_filters() -> np.ndarray:
    """What light the inks let through, as R'G'B' of 0 to 255: what GIMP makes of inks without a profile."""
    through = 1 - np.asarray(Image.open(io.BytesIO(jpeg_of_inks())), np.float64) / 255
    light = through[..., :3] * through[..., 3:]
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def test_inks_without_a_usable_profile_are_filters_one_upon_the_other() -> None:
    for profile in (None, b"no profile" * 20, damaged()):
        assert difference(jpeg_of_inks(profile), as_filters()) < 0.003
    assert difference(encoded(Image.fromarray(INKS, "CMYK"), "TIFF"), as_filters()) < 0.006


def test_the_profile_of_inks_is_converted_from_as_gimp_does() -> None:
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(PROFILE)), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(
        source,
        target,
        "CMYK",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    expected = np.asarray(ImageCms.applyTransform(Image.open(io.BytesIO(jpeg_of_inks())), transform))
    assert difference(jpeg_of_inks(PROFILE), expected) < 0.004


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("profile", [None, PROFILE, damaged()], ids=["none", "profile", "damaged"])
def test_a_picture_of_inks_becomes_a_painting_in_srgb(tmp_path: Path, suffix: str, profile: bytes | None) -> None:
    content, output = tmp_path / "inks.jpg", tmp_path / f"out{suffix}"
    content.write_bytes(jpeg_of_inks(profile))
    done = stylize(content, output, "--strength", "0", "--size", "96")
    assert done.returncode == 0, done.stderr
    painted = pyvips.Image.new_from_file(str(output))
    assert (painted.bands, painted.interpretation, painted.format) == (3, "srgb", "uchar")
    assert not painted.get_typeof("icc-profile-data")
    # At strength 0 next to nothing is painted.
    assert np.abs(painted.numpy() / 255 - colors(content.read_bytes())).mean() < 0.03


def test_a_profile_that_is_damaged_or_of_other_colors_is_passed_by() -> None:
    for profile in (b"no profile" * 20, PROFILE):
        loaded = pictures.decode(encoded(Image.fromarray(RGB), "TIFF", icc_profile=profile), "photo.tif")
        assert loaded.profile is None
        assert np.abs(loaded.rgba[:3].permute(1, 2, 0).numpy() - RGB / 255).max() < 1e-6


# Files.


def test_every_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be large or far away, come through a pipe, or be another one by the second time."""
    read, reads = Path.read_bytes, []

    def read_bytes(path: Path) -> bytes:
        reads.append(path)
        return read(path)

    region, report = tmp_path / "region.png", tmp_path / "report.json"
    Image.fromarray(RGB).save(region)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    done = stylize(PHOTO, tmp_path / "out.png", "--region", str(region), "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert [reads.count(path) for path in (PHOTO, STYLE, region)] == [1, 1, 1]
    assert json.loads(report.read_text())["style_sha256"] == [hashlib.sha256(read(STYLE)).hexdigest()]


@pytest.mark.parametrize("suffix", [".csv", ".mat", ".v", ".dz", ".heic", ".bmp", ""])
def test_a_name_that_no_picture_can_have_is_refused(suffix: str) -> None:
    with pytest.raises(Refusal, match="cannot be written; choose a name that ends in"):
        pictures.check_name(Path(f"out{suffix}"))


@pytest.mark.parametrize("suffix", pictures.WRITTEN)
@pytest.mark.parametrize("deep", [False, True])
def test_every_other_name_gets_a_picture_that_is_read_again(tmp_path: Path, suffix: str, deep: bool) -> None:
    loaded = pictures.decode(encoded(Image.fromarray(np.dstack([RGB, RGB[..., 0] | 128])), "PNG"), "photo.png")
    like = pictures.Loaded(loaded.rgba, grey=False, has_alpha=True, deep=deep, profile=None)
    path = tmp_path / f"out{suffix}"
    pictures.check_name(path)
    pictures.save(loaded.rgba, path, like)
    again = pictures.load(path)
    assert again.rgba.shape == loaded.rgba.shape
