"""Several styles in one picture: each in its own region, or all of them blended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp, Gio

from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import (
    FOLDER,
    STYLE,
    Pixel,
    fill,
    mean_color,
    native,
    new_image,
    new_layer,
    recipe,
    samples,
    styled,
)

_PAINTED: dict[str, Any] = {
    "quality": "draft",
    "size": 64,
    "optimizer": "lbfgs",
    "iterations": 15,
    "strength": 90.0,
}
"""Settings for a picture in a second or two that has its styles' colors."""

_WIDTH, _HEIGHT = 96, 64
_LEFT, _RIGHT = range(40), range(56, 96)
"""Columns that are far enough from the middle to have the style of their own half alone."""


def _style(name: str, color: tuple[float, float, float]) -> Path:
    """A picture of stripes in one color, light and dark."""
    path = FOLDER / f"{name}.png"
    image = new_image(80, 80)

    def paint(x: int, y: int) -> Pixel:
        light = 1.0 if (x + y) // 6 % 2 else 0.6
        red, green, blue = (light * part for part in color)
        return red, green, blue, 1.0

    new_layer(image, name, width=80, height=80, paint=paint)
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(str(path)), None)
    image.delete()
    return path


def _blue_and_orange() -> tuple[Path, Path]:
    return _style("blue", (0.1, 0.3, 0.9)), _style("orange", (1.0, 0.5, 0.1))


def _grey(x: int, y: int) -> Pixel:
    """The content: grey shapes, so that every color comes from a style."""
    light = 0.35 + 0.3 * ((x // 16 + y // 16) % 2)
    return light, light, light, 1.0


def _image(kind: Gimp.ImageBaseType = Gimp.ImageBaseType.RGB) -> tuple[Gimp.Image, Gimp.Layer]:
    image = new_image(_WIDTH, _HEIGHT, kind)
    return image, new_layer(image, "source", width=_WIDTH, height=_HEIGHT, paint=_grey)


def _channel(image: Gimp.Image, name: str, white: Callable[[int, int], float]) -> None:
    channel = Gimp.Channel.new(image, name, image.get_width(), image.get_height(), 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    fill(channel, lambda x, y: (white(x, y), white(x, y), white(x, y), 1.0))


def _halves(image: Gimp.Image) -> list[str]:
    """The names of two channels that share the image."""
    middle = image.get_width() // 2
    _channel(image, "left", lambda x, y: float(x < middle))
    _channel(image, "right", lambda x, y: float(x >= middle))
    return ["left", "right"]


def _blueness(layer: Gimp.Layer, columns: range | None = None) -> float:
    """How much bluer than red: above 0 for the blue style, below for the orange one."""
    red, _, blue, _ = mean_color(layer, columns)
    return blue - red


def _is_blue_on_the_left_and_orange_on_the_right(layer: Gimp.Layer) -> None:
    left, right = _blueness(layer, _LEFT), _blueness(layer, _RIGHT)
    assert left > 0.15, (left, right)
    assert right < -0.15, (left, right)


def test_regions_from_channels_and_more_styles_by_their_uris() -> None:
    image, source = _image()
    blue, orange = _blue_and_orange()

    (layer,) = styled(image, [source], blue, [orange.as_uri()], _halves(image), **_PAINTED)

    _is_blue_on_the_left_and_orange_on_the_right(layer)
    assert layer.get_name() == "source — blue.png +1"
    assert [style["name"] for style in recipe(layer)["styles"]] == ["blue.png", "orange.png"]
    assert [style["region"] for style in recipe(layer)["styles"]] == ["left", "right"]


def test_regions_from_a_layer_mask_in_its_own_place_and_a_selection_which_is_not_what_is_styled() -> None:
    image = new_image(120, 90)
    source = new_layer(image, "source", x=15, y=10, width=_WIDTH, height=_HEIGHT, paint=_grey)
    blue, orange = _blue_and_orange()
    masked = new_layer(image, "left", x=-20, y=-5, width=83, height=90)
    masked.add_mask(masked.create_mask(Gimp.AddMaskType.WHITE))
    masked.set_visible(False)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 63, 0, 57, 90)

    (layer,) = styled(image, [source], blue, [orange], ["left", "selection"], **_PAINTED)

    _is_blue_on_the_left_and_orange_on_the_right(layer)
    assert layer.get_mask() is None
    assert recipe(layer)["box"] == [0, 0, _WIDTH, _HEIGHT]
    assert [style["region"] for style in recipe(layer)["styles"]] == ["left", "selection"]


def test_a_selection_with_nothing_in_it_is_everywhere() -> None:
    image, source = _image()
    (plain,) = styled(image, [source], iterations=2)
    (everywhere,) = styled(image, [source], iterations=2, regions=["selection"])
    assert native(everywhere) == native(plain)
    assert recipe(everywhere)["styles"][0]["region"] is None


def test_regions_within_a_selection() -> None:
    image, source = _image()
    blue, orange = _blue_and_orange()
    halves = _halves(image)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 8, 8, 80, 48)

    (layer,) = styled(image, [source], blue, [orange], halves, **_PAINTED)

    _, x, y, width, height = source.mask_intersect()
    assert recipe(layer)["box"] == [x, y, width, height] == [8, 8, 80, 48]
    assert _blueness(layer, range(12, 40)) > 0.08
    assert _blueness(layer, range(56, 84)) < -0.08


def test_outside_every_region_the_picture_stays_nearly_as_it_was() -> None:
    image, source = _image()
    blue, _ = _blue_and_orange()
    _halves(image)

    (layer,) = styled(image, [source], blue, regions=["left"], quality="draft", size=64, iterations=0)

    inside, outside = _change(source, layer, _LEFT), _change(source, layer, _RIGHT)
    assert inside > 0.15, (inside, outside)
    assert outside < inside / 3, (inside, outside)


def test_blended_styles_lie_between() -> None:
    image, source = _image()
    blue, orange = _blue_and_orange()

    def blueness(style: Path, more: Sequence[Path] = (), blend: str = "") -> float:
        (layer,) = styled(image, [source], style, more, blend=blend, **_PAINTED)
        return _blueness(layer)

    found = [
        blueness(orange),
        blueness(blue, [orange], "20, 80"),
        blueness(blue, [orange], "80,20"),
        blueness(blue),
    ]
    assert found == sorted(found)
    assert min(after - before for before, after in pairwise(found)) > 0.05, found


def test_script_fu_gives_styles_and_regions_as_lists() -> None:
    image, source = _image()
    blue, orange = _blue_and_orange()
    _halves(image)
    script = f"""
        (plug-in-neural-style #:run-mode RUN-NONINTERACTIVE #:image {image.get_id()}
            #:drawables (vector {source.get_id()}) #:style "{blue}" #:more-styles (list "{orange}")
            #:regions (list "left" "right")
            #:quality "draft" #:size 64 #:optimizer "lbfgs" #:iterations 15 #:strength 90.0
            #:normalize-gradients FALSE #:blend "1,1")
    """
    evaluate = Gimp.get_pdb().lookup_procedure("plug-in-script-fu-eval")
    config = evaluate.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("script", script)

    values = evaluate.run(config)

    assert values.index(0) == Gimp.PDBStatusType.SUCCESS, Gimp.get_pdb().get_last_error()
    _is_blue_on_the_left_and_orange_on_the_right(image.get_layers()[0])


def test_a_grey_picture_has_regions_too_and_stays_grey() -> None:
    image, source = _image(Gimp.ImageBaseType.GRAY)
    dark, light = _style("dark", (0.1, 0.1, 0.2)), _style("light", (1.0, 1.0, 0.9))

    (layer,) = styled(image, [source], dark, [light], _halves(image), **(_PAINTED | {"iterations": 45}))

    assert layer.is_gray()
    left, right = mean_color(layer, _LEFT)[0], mean_color(layer, _RIGHT)[0]
    assert left < right - 0.2, (left, right)


def test_regions_that_cannot_be() -> None:
    image, source = _image()
    other, _ = _image()
    blue, orange = _blue_and_orange()
    halves = _halves(image)
    _channel(image, "empty", lambda x, y: 0.0)
    _channel(other, "elsewhere", lambda x, y: 1.0)

    assert "no channel or layer “elsewhere”" in refused(image, [source], blue, regions=["elsewhere"])
    sentence = refused(image, [source], blue, regions=halves)
    assert "The number of regions is 2 and that of styles 1" in sentence
    assert "region of style 2 is empty" in refused(image, [source], blue, [orange], ["left", "empty"])


def test_a_style_whose_files_name_is_no_text_in_utf_8() -> None:
    path = FOLDER / os.fsdecode(b"b\xe4r.jpg")
    shutil.copy(STYLE, path)
    image = new_image()
    (layer,) = styled(image, [new_layer(image, "layer")], path)
    assert layer.get_name().startswith("layer — b") and layer.get_name().endswith("r.jpg")


def test_weights_that_do_not_fit_the_styles() -> None:
    image, source = _image()
    blue, orange = _blue_and_orange()
    sentence = refused(image, [source], blue, [orange], blend="60,30,10")
    assert "The number of styles is 2 and that of weights in “blend” 3" in sentence
    assert "must be a number above 0" in refused(image, [source], blue, [orange], blend="60,much")


def test_one_of_more_styles_that_is_not_there() -> None:
    image, source = _image()
    blue, _ = _blue_and_orange()
    assert "“nowhere.png” cannot be read" in refused(image, [source], blue, [FOLDER / "nowhere.png"])


def _change(before: Gimp.Layer, after: Gimp.Layer, columns: range) -> float:
    """The mean difference of the colors in some columns."""
    width = before.get_width()
    pairs = [
        abs(a - b)
        for place, (a, b) in enumerate(zip(samples(before), samples(after), strict=True))
        if place % 4 < 3 and place // 4 % width in columns
    ]
    return sum(pairs) / len(pairs)
