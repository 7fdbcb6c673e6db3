"""What the tests inside GIMP share: images to style, the procedure, and ways to look at what it made."""

from __future__ import annotations

import json
import os
import subprocess
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gi

gi.require_version("Babl", "0.1")
gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Babl, Gegl, Gimp, Gio  # noqa: E402

from plugin.gimp.jobs import request as orders  # noqa: E402
from plugin.gimp.jobs.request import Order  # noqa: E402
from plugin.shared.settings import Settings  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]
STYLE = REPOSITORY / "plugin" / "data" / "styles" / "hokusai_great_wave.jpg"
PHOTOGRAPH = REPOSITORY / "plugin" / "data" / "samples" / "chelsea.jpg"
FOLDER = Path(os.environ["NEURAL_STYLE_TESTS"])
"""Where the tests may write."""

FAST = {"quality": "gatys", "size": 40, "iterations": 5}
"""Settings for a picture in half a second: what it looks like is the engine's tests' business."""

SUCCESS = Gimp.PDBStatusType.SUCCESS
ERROR = Gimp.PDBStatusType.EXECUTION_ERROR

Pixel = tuple[float, float, float, float]


@dataclass(frozen=True)
class Outcome:
    """What the procedure gave back: its status, its sentence and the new layers."""

    status: Gimp.PDBStatusType
    sentence: str
    layers: list[Gimp.Layer]


def photograph(x: int, y: int) -> Pixel:
    """Soft shapes with an edge, opaque: something to style at any size."""
    return (x % 50 / 50, y % 40 / 40, 0.8 if (x // 16 + y // 16) % 2 else 0.2, 1.0)


def torn(x: int, y: int) -> Pixel:
    """The same with an alpha channel that has every kind of value: none, all and a fine ramp between."""
    red, green, blue, _ = photograph(x, y)
    return (red, green, blue, min(1.0, max(0.0, (x * 64 + y) / 2500 - 0.3)))


def new_image(
    width: int = 80,
    height: int = 64,
    kind: Gimp.ImageBaseType = Gimp.ImageBaseType.RGB,
    precision: Gimp.Precision = Gimp.Precision.U8_NON_LINEAR,
) -> Gimp.Image:
    return Gimp.Image.new_with_precision(width, height, kind, precision)


def new_layer(
    image: Gimp.Image,
    name: str,
    *,
    x: int = 0,
    y: int = 0,
    width: int = 64,
    height: int = 48,
    paint: Callable[[int, int], Pixel] = photograph,
    alpha: bool = True,
    parent: Gimp.Layer | None = None,
) -> Gimp.Layer:
    """A painted layer on top of its parent."""
    plain = {
        Gimp.ImageBaseType.RGB: Gimp.ImageType.RGB_IMAGE,
        Gimp.ImageBaseType.GRAY: Gimp.ImageType.GRAY_IMAGE,
        Gimp.ImageBaseType.INDEXED: Gimp.ImageType.INDEXED_IMAGE,
    }[image.get_base_type()]
    kind = Gimp.ImageType(int(plain) + 1) if alpha else plain
    layer = Gimp.Layer.new(image, name, width, height, kind, 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(x, y)
    fill(layer, paint)
    return layer


def fill(drawable: Gimp.Drawable, paint: Callable[[int, int], Pixel]) -> None:
    """Set every pixel; ``paint`` gives R'G'B'A."""
    width, height = drawable.get_width(), drawable.get_height()
    samples = array("d", (sample for y in range(height) for x in range(width) for sample in paint(x, y)))
    buffer = drawable.get_buffer()
    buffer.set(_all(drawable), "R'G'B'A double", samples.tobytes())
    buffer.flush()
    drawable.update(0, 0, width, height)


def samples(drawable: Gimp.Drawable) -> array[float]:
    """Every pixel as R'G'B'A double."""
    found = array("d")
    found.frombytes(drawable.get_buffer().get(_all(drawable), 1.0, "R'G'B'A double", Gegl.AbyssPolicy.NONE))
    return found


def native(drawable: Gimp.Drawable) -> bytes:
    """Every pixel as it lies in memory."""
    return bytes(drawable.get_buffer().get(_all(drawable), 1.0, None, Gegl.AbyssPolicy.NONE))


def format_name(drawable: Gimp.Drawable) -> str:
    return Babl.get_name(drawable.get_format())


def native_alpha(drawable: Gimp.Drawable) -> list[bytes]:
    """The bits of every pixel's alpha."""
    format = drawable.get_format()
    pixel = Babl.format_get_bytes_per_pixel(format)
    sample = pixel // Babl.format_get_n_components(format)
    data = native(drawable)
    return [data[end - sample : end] for end in range(pixel, len(data) + 1, pixel)]


def mean_color(drawable: Gimp.Drawable, columns: range | None = None) -> Pixel:
    """The mean R'G'B'A of all or of some columns of a drawable."""
    width, found = drawable.get_width(), samples(drawable)
    wanted = columns or range(width)
    seen = [found[place : place + 4] for place in range(0, len(found), 4) if place // 4 % width in wanted]
    red, green, blue, alpha = (sum(channel) / len(seen) for channel in zip(*seen, strict=True))
    return red, green, blue, alpha


def difference(first: Gimp.Drawable, second: Gimp.Drawable) -> float:
    """The mean difference of the colors of two drawables of the same size, 0 to 1."""
    pairs = list(zip(samples(first), samples(second), strict=True))
    return sum(abs(a - b) for place, (a, b) in enumerate(pairs) if place % 4 < 3) / (len(pairs) * 3 / 4)


def stylize(
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    style: Path | None = STYLE,
    more_styles: Sequence[Path | str] = (),
    regions: Sequence[str] = (),
    **given: Any,
) -> Outcome:
    """Run the procedure as a script does; settings are named with underscores, more styles are paths or URIs."""
    given = {
        "style": Gio.File.new_for_path(str(style)) if style else None,
        "more_styles": [str(style) for style in more_styles],
        "regions": list(regions),
    } | (FAST | given)
    return call("plug-in-neural-style", image, drawables, **given)


def call(name: str, image: Gimp.Image, drawables: Sequence[Gimp.Drawable], **given: Any) -> Outcome:
    """Run one of the filter's procedures with some of its arguments, named with underscores."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", list(drawables))
    for name, value in given.items():
        config.set_property(name.replace("_", "-"), value)
    values = procedure.run(config)
    status = values.index(0)
    if status != SUCCESS:
        return Outcome(status, values.index(1) if values.length() > 1 else "", [])
    return Outcome(status, "", values.get_core_object_array(1))


def styled(image: Gimp.Image, drawables: Sequence[Gimp.Drawable], *more: Any, **given: Any) -> list[Gimp.Layer]:
    """The new layers of a run that must succeed; the arguments are those of :func:`stylize`."""
    outcome = stylize(image, drawables, *more, **given)
    assert outcome.status == SUCCESS, outcome.sentence
    return outcome.layers


def order(image: Gimp.Image, **given: Any) -> Order:
    """The order of a fast run with one style and some other settings, for tests that call the filter's own code."""
    return orders.of(image, [Gio.File.new_for_path(str(STYLE))], [], Settings.from_json(FAST | given))


def recipe(layer: Gimp.Layer) -> dict[str, Any]:
    """The JSON in a layer's parasite."""
    return json.loads(bytes(layer.get_parasite("neural-style").get_data()))


def tree(image: Gimp.Image) -> list[Any]:
    """The layers of an image as nested names, from top to bottom."""

    def names(layers: Sequence[Gimp.Layer]) -> list[Any]:
        return [
            [layer.get_name(), names(layer.get_children())] if layer.is_group() else layer.get_name()
            for layer in layers
        ]

    return names(image.get_layers())


@contextmanager
def unchanged(image: Gimp.Image, opens: int = 0) -> Iterator[None]:
    """Whatever happens in the block must leave the image's layers, pixels and state of undo as they were.

    And no image but so many that it is to open.
    """
    image.clean_all()
    before, images = _state(image), set(Gimp.get_images())
    yield
    assert _state(image) == before
    assert not image.is_dirty(), "something was done to the image"
    assert images <= set(Gimp.get_images())
    assert len(Gimp.get_images()) == len(images) + opens, "an image was left behind"


def engines() -> list[int]:
    """The process ids of the engines that run for these tests, and for nobody else on this computer."""
    found = subprocess.run(
        ["pgrep", "-f", "plugin serve|faulty_engine.py"], capture_output=True, text=True, check=False
    )
    mark = f"NEURAL_STYLE_TESTS={FOLDER}".encode()
    return [int(line) for line in found.stdout.split() if mark in _environment(int(line))]


def _environment(process: int) -> list[bytes]:
    try:
        return Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it has ended since


def _state(image: Gimp.Image) -> Any:
    def look(layers: Sequence[Gimp.Layer]) -> list[Any]:
        return [
            (layer.get_id(), layer.get_name(), layer.get_offsets()[1:], native(layer), look(layer.get_children()))
            for layer in layers
        ]

    return (
        look(image.get_layers()),
        image.get_selected_layers(),
        native(image.get_selection()),
        image.get_parasite_list(),
    )


def _all(drawable: Gimp.Drawable) -> Gegl.Rectangle:
    return Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
