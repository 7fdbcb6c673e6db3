"""What a region is: the values of a channel, mask, selection or layer, in its own place. No engine is needed."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable
from typing import Any

from gi.repository import Gegl, Gimp

from plugin.gimp.image import layers
from tests.gimp.inside.stage import Pixel, fill, format_name, new_image, new_layer

_HALVES: dict[Gimp.Precision, array[Any]] = {
    Gimp.Precision.U8_NON_LINEAR: array("B", [128]),
    Gimp.Precision.U16_LINEAR: array("H", [32768]),
    Gimp.Precision.U32_PERCEPTUAL: array("I", [2**31]),
    Gimp.Precision.FLOAT_NON_LINEAR: array("f", [0.5]),
    Gimp.Precision.DOUBLE_LINEAR: array("d", [0.5]),
}
"""For each precision a sample half way between nothing and all, as it lies in memory."""


def _region(source: Gimp.Layer, drawable: Gimp.Drawable) -> Callable[[int, int], float]:
    """The samples that the engine would get, by their place in the styled layer."""
    mask = layers.region(layers.read(source.get_image(), source, whole=True), drawable)
    assert (mask.width, mask.height) == (source.get_width(), source.get_height())
    found = array("f")
    found.frombytes(mask.samples)
    return lambda x, y: round(found[y * mask.width + x], 2)


def _set_half(drawable: Gimp.Drawable, half: array[Any]) -> None:
    width, height = drawable.get_width(), drawable.get_height()
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), format_name(drawable), (half * (width * height)).tobytes())
    buffer.flush()


def test_half_is_half_in_every_precision() -> None:
    for precision, half in _HALVES.items():
        image = new_image(precision=precision)
        source = new_layer(image, "source")
        channel = Gimp.Channel.new(image, "channel", 80, 64, 50, Gegl.Color.new("red"))
        image.insert_channel(channel, None, 0)
        masked = new_layer(image, "masked")
        masked.add_mask(masked.create_mask(Gimp.AddMaskType.WHITE))
        _set_half(masked.get_mask(), half)
        for drawable in (channel, image.get_selection()):
            _set_half(drawable, half)
        for drawable in (channel, masked, image.get_selection()):
            assert _region(source, drawable)(20, 20) == 0.5, (precision, drawable)


def test_a_region_lies_where_it_lies_in_the_image() -> None:
    image = new_image(120, 100)
    source = new_layer(image, "source", x=10, y=20)
    other = new_layer(image, "other", x=30, y=-8, width=40, height=50, paint=lambda x, y: (1.0, 1.0, 1.0, 1.0))
    other.add_mask(other.create_mask(Gimp.AddMaskType.WHITE))
    masked = _region(source, other)
    other.remove_mask(Gimp.MaskApplyMode.DISCARD)
    for region in (masked, _region(source, other)):
        assert [region(19, 5), region(20, 5), region(59, 5), region(60, 5)] == [0, 1, 1, 0]
        assert [region(30, 0), region(30, 21), region(30, 22)] == [1, 1, 0]


def test_a_layer_with_a_mask_counts_with_the_mask_alone() -> None:
    image = new_image()
    source = new_layer(image, "source")
    other = new_layer(image, "other", paint=lambda x, y: (0.0, 0.0, 0.0, 0.0))
    assert _region(source, other)(20, 20) == 0
    other.add_mask(other.create_mask(Gimp.AddMaskType.WHITE))
    assert _region(source, other)(20, 20) == 1


def test_a_layer_without_a_mask_counts_with_its_lightness_and_its_alpha() -> None:
    for precision in (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.FLOAT_LINEAR):
        image = new_image(precision=precision)
        source = new_layer(image, "source")
        for grey, alpha, expected in ((1, 1, 1), (0.5, 1, 0.5), (0, 1, 0), (1, 0.5, 0.5), (1, 0, 0)):
            other = new_layer(image, "other")
            fill(other, functools.partial(_plain, grey, alpha))
            assert _region(source, other)(20, 20) == expected, (precision, grey, alpha)
            image.remove_layer(other)


def test_a_group_counts_with_what_it_shows() -> None:
    image = new_image()
    source = new_layer(image, "source")
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    new_layer(image, "child", parent=group, x=20, width=20, paint=lambda x, y: (1.0, 1.0, 1.0, 1.0))
    region = _region(source, group)
    assert [region(19, 9), region(20, 9), region(39, 9), region(40, 9)] == [0, 1, 1, 0]


def test_a_name_is_a_channels_or_a_layers_and_selection_is_the_selection() -> None:
    image = new_image()
    selection = image.get_selection()
    assert layers.find_region(image, "selection") == selection
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = new_layer(image, "sky", parent=group)
    assert layers.find_region(image, "sky") == layer
    channel = Gimp.Channel.new(image, "sky", 80, 64, 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    assert layers.find_region(image, "sky") == channel
    own = new_layer(image, "selection")
    assert layers.find_region(image, "selection") == own


def _plain(grey: float, alpha: float, x: int, y: int) -> Pixel:
    return grey, grey, grey, alpha
