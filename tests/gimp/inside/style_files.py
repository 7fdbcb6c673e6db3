"""Styles from files: whatever GIMP opens, in the colors that GIMP shows."""

from __future__ import annotations

import json
import subprocess
from array import array
from pathlib import Path
from unittest import mock

from gi.repository import Gimp, Gio

from plugin.gimp.image import style_source
from plugin.gimp.image.layers import Refusal
from plugin.shared import engine_client, paths
from plugin.shared.protocol import Picture, PictureFile
from tests.gimp.inside.stage import FOLDER, REPOSITORY, STYLE, difference, new_image, new_layer, samples, styled

_FOLDER = FOLDER / "style-files"
_OF_GIMP = ("bmp", "tga", "pcx", "dds", "psd", "ppm", "xcf", "ico", "sgi", "jxl", "ora", "exr")
_FLOATS = {
    "float-linear": Gimp.Precision.FLOAT_LINEAR,
    "float-perceptual": Gimp.Precision.FLOAT_PERCEPTUAL,
    "half-linear": Gimp.Precision.HALF_LINEAR,
    "half-perceptual": Gimp.Precision.HALF_PERCEPTUAL,
    "half-non-linear": Gimp.Precision.HALF_NON_LINEAR,
    "u32-linear": Gimp.Precision.U32_LINEAR,
}

# Run by the engine's Python: how far each picture is from the first one, a mean of R'G'B', 0 to 1.
_APART = """
import json, sys
from pathlib import Path
from plugin.engine import pictures
first, *others = [pictures.load(Path(path)).rgba[:3] for path in sys.argv[1:]]
print(json.dumps([float((first - other).abs().mean()) for other in others]))
"""


def test_what_gimp_exports_is_a_style() -> None:
    png = _exported()
    expected = samples(_opened(png).get_layers()[0])
    for ending in _OF_GIMP:
        path = _FOLDER / f"style.{ending}"
        before = set(Gimp.get_images())
        picture = style_source.read(_file(path)).picture
        assert isinstance(picture, Picture), ending
        assert set(Gimp.get_images()) == before, ending
        found = array("f")
        found.frombytes(bytes(picture.pixels))
        assert len(found) == len(expected), ending
        assert _apart(found, expected) < (0.03 if ending == "jxl" else 0.01), ending  # JPEG XL is lossy
        assert style_source.is_picture(
            _file(path).query_info(style_source.PICTURE_ATTRIBUTES, Gio.FileQueryInfoFlags.NONE, None)
        )


def test_a_style_paints_the_same_in_every_format_and_precision() -> None:
    png = _exported()

    def painted(path: Path) -> Gimp.Layer:
        image = new_image()
        return styled(image, [new_layer(image, "source")], style=path, iterations=3, device="cpu", precision="float32")[
            0
        ]

    expected = painted(png)
    for name in ("style.bmp", "style.pcx", "float-linear.tif", "half-perceptual-without-profile.tif"):
        assert difference(painted(_FOLDER / name), expected) < 0.02, name


def test_the_engine_decodes_every_tiff_of_gimps() -> None:
    png = _exported()
    tiffs = sorted(_FOLDER.glob("*.tif"))
    assert len(tiffs) == 2 * len(_FLOATS) + 2
    for path in tiffs:
        assert isinstance(style_source.read(_file(path)).picture, PictureFile)
    for path, apart in zip(tiffs, _decoded_apart(png, *tiffs), strict=True):
        assert apart < 0.005, (path.name, apart)


def test_inks_have_the_colors_that_gimp_shows() -> None:
    """A JPEG of C, M, Y and K, of Adobe's and not; GIMP's own PNG of it is what it shows."""
    plain = _FOLDER / "inks.jpg"
    _exported()
    code = """
import sys
from plugin.engine import pictures
import pyvips
from PIL import Image
image = pyvips.Image.new_from_file(sys.argv[1])
profile = bytes(pyvips.Operation.call("profile_load", "cmyk"))
inks = Image.fromarray(image.icc_transform("cmyk", input_profile="srgb", intent="relative").numpy(), "CMYK")
inks.save(sys.argv[2], quality=95)
inks.save(sys.argv[3], quality=95, icc_profile=profile)
inks.save(sys.argv[4], quality=95, icc_profile=b"no profile" * 20)
"""
    inks = [plain, _FOLDER / "inks-with-profile.jpg", _FOLDER / "inks-with-damage.jpg"]
    _python(code, _FOLDER / "style.png", *inks)
    for path in inks:
        shown = path.with_suffix(".png")
        image = _opened(path)
        _export(image, shown)
        image.delete()
        (apart,) = _decoded_apart(shown, path)
        assert apart < 0.006, (path.name, apart)


def test_what_gimp_cannot_open_is_one_sentence_and_no_window() -> None:
    _FOLDER.mkdir(exist_ok=True)
    for name, data in (
        ("letter.bmp", b"Dear Sir or Madam"),
        ("letter.xyz", b"Dear Sir or Madam"),
        ("letter.jpg", b"Dear Sir or Madam"),
        ("half.jxl", b"\xff\x0a" + bytes(40)),
        ("letter.pcx", b"Dear Sir or Madam"),
        ("letter.eps", b"%!PS-Adobe-3.0 EPSF-3.0\nDear Sir or Madam\n"),
    ):
        path = _FOLDER / name
        path.write_bytes(data)
        before = set(Gimp.get_images())
        handler = Gimp.get_plug_in().get_pdb_error_handler()

        sentence, asked = _refused(path)
        assert sentence.startswith(f"The style “{name}” cannot be opened by GIMP ("), sentence
        assert sentence.endswith("); choose another picture."), sentence
        assert "\n" not in sentence, sentence
        assert asked == [Gimp.PDBErrorHandler.PLUGIN]  # so that GIMP opens no window of its own
        assert Gimp.get_plug_in().get_pdb_error_handler() == handler
        assert set(Gimp.get_images()) == before


def _refused(path: Path) -> tuple[str, list[Gimp.PDBErrorHandler]]:
    """The sentence of a file that is no style, and who dealt with errors while GIMP opened it."""
    asked, load = [], Gimp.file_load

    def file_load(*args: object) -> Gimp.Image | None:
        asked.append(Gimp.get_plug_in().get_pdb_error_handler())
        return load(*args)

    with mock.patch.object(Gimp, "file_load", file_load):
        try:
            style_source.read(_file(path))
        except Refusal as refusal:
            return str(refusal), asked
    raise AssertionError(f"{path.name} was read")


def _exported() -> Path:
    """A small style in every format and precision, made once; the path of its PNG."""
    png = _FOLDER / "style.png"
    if png.is_file():
        return png
    _FOLDER.mkdir(exist_ok=True)
    image = _opened(STYLE)
    image.scale(120, 84)
    _export(image, png)
    for ending in _OF_GIMP:
        _export(image, _FOLDER / f"style.{ending}")
    _export(image, _FOLDER / "eight-bits-with-thumbnail.tif", include_thumbnail=True)
    _export(image, _FOLDER / "eight-bits.tif", include_color_profile=True, include_thumbnail=False)
    for name, precision in _FLOATS.items():
        deep = image.duplicate()
        deep.convert_precision(precision)
        _export(deep, _FOLDER / f"{name}.tif", include_color_profile=True, include_thumbnail=False)
        _export(deep, _FOLDER / f"{name}-without-profile.tif", include_color_profile=False, include_thumbnail=True)
        deep.delete()
    image.delete()
    return png


def _export(image: Gimp.Image, path: Path, **options: bool) -> None:
    if not options:
        assert Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, _file(path), None), path
        return
    procedure = Gimp.get_pdb().lookup_procedure("file-tiff-export")
    config = procedure.create_config()
    given = {"run-mode": Gimp.RunMode.NONINTERACTIVE, "image": image, "file": _file(path)}
    for name, value in (given | options).items():
        config.set_property(name.replace("_", "-"), value)
    assert procedure.run(config).index(0) == Gimp.PDBStatusType.SUCCESS, path


def _opened(path: Path) -> Gimp.Image:
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, _file(path))


def _file(path: Path) -> Gio.File:
    return Gio.File.new_for_path(str(path))


def _apart(found: array[float], expected: array[float]) -> float:
    """The mean difference of the colors of two pictures of R'G'B'A."""
    differences = [abs(a - b) for place, (a, b) in enumerate(zip(found, expected, strict=True)) if place % 4 < 3]
    return sum(differences) / len(differences)


def _decoded_apart(*files: Path) -> list[float]:
    return json.loads(_python(_APART, *files))


def _python(code: str, *files: Path) -> str:
    """Run it where the engine's packages are."""
    command = [str(paths.python_of(paths.engine_folder())), "-c", code, *map(str, files)]
    done = subprocess.run(
        command,
        env=engine_client.environment(),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
