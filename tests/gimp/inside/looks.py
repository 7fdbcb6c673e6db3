"""Groups, text, masks and live filters are styled as they look."""

from __future__ import annotations

import functools
from unittest import mock

from gi.repository import Gimp

from plugin.gimp.image import layers, style_source
from tests.gimp.inside.stage import (
    Pixel,
    difference,
    fill,
    native,
    native_alpha,
    new_image,
    new_layer,
    samples,
    styled,
    torn,
    tree,
    unchanged,
)


def _flattened(image: Gimp.Image, layer: Gimp.Layer) -> Gimp.Layer:
    """What GIMP shows of a layer alone, on the layer's own rectangle."""
    copy = image.duplicate()
    place = image.get_layers().index(layer)
    for number, other in enumerate(copy.get_layers()):
        other.set_visible(number == place)
    _, x, y = layer.get_offsets()
    copy.resize(layer.get_width(), layer.get_height(), -x, -y)
    shown = Gimp.Layer.new_from_visible(copy, image, "shown")
    copy.delete()
    return shown


def _same_style_as_flat(image: Gimp.Image, *sources: Gimp.Layer) -> list[Gimp.Layer]:
    """Style layers and what each looks like, as a plain layer above it; both must become the same painting."""
    flat = [_flattened(image, source) for source in sources]
    for source, shown in zip(sources, flat):
        image.insert_layer(shown, None, image.get_item_position(source))
        shown.set_offsets(*source.get_offsets()[1:])
    made = styled(image, [*sources, *flat])
    for source, shown, layer, expected in zip(sources, flat, made, made[len(sources) :]):
        name = source.get_name()
        assert (layer.get_width(), layer.get_height()) == (source.get_width(), source.get_height()), name
        assert layer.get_offsets() == source.get_offsets(), name
        assert native_alpha(layer) == native_alpha(shown), name
        assert native(layer) == native(expected), (name, difference(layer, expected))
        assert layer.get_mask() is None, name
        assert layer.get_filters() == [], name
    return made[: len(sources)]


def test_masks_and_live_filters_are_part_of_the_look_and_stay_on_the_source() -> None:
    image = new_image(120, 120)
    masked = new_layer(image, "masked", x=4, y=6)
    mask = masked.create_mask(Gimp.AddMaskType.WHITE)
    masked.add_mask(mask)
    fill(mask, lambda x, y: (x / 64, x / 64, x / 64, 1.0))
    before = native(masked), native(mask)
    filtered = new_layer(image, "filtered", x=4, y=6)
    filtered.append_filter(Gimp.DrawableFilter.new(filtered, "gegl:invert-gamma", ""))
    switched_off = Gimp.DrawableFilter.new(filtered, "gegl:mono-mixer", "")
    filtered.append_filter(switched_off)
    switched_off.set_visible(False)
    # It reaches beyond the layer and is cut to it.
    shadow = new_layer(image, "shadow", x=30, y=30)
    shadow.append_filter(Gimp.DrawableFilter.new(shadow, "gegl:dropshadow", ""))

    from_masked, *_ = _same_style_as_flat(image, masked, filtered, shadow)

    assert len(set(native_alpha(from_masked))) > 30
    assert (native(masked), native(masked.get_mask())) == before
    assert len(filtered.get_filters()) == 2


def test_a_group_is_styled_as_projected() -> None:
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    new_layer(image, "below", parent=group, x=-5, y=6)
    child = new_layer(image, "above", parent=group, x=20, y=20, paint=lambda x, y: (1.0, 0.2, 0.1, x / 64))
    child.set_mode(Gimp.LayerMode.DIFFERENCE)
    group.append_filter(Gimp.DrawableFilter.new(group, "gegl:invert-gamma", ""))
    (layer,) = _same_style_as_flat(image, group)

    assert not layer.is_group()
    assert tree(image)[2:] == [layer.get_name(), ["group", ["above", "below"]]]


def test_disabled_masks_and_text_and_groups_that_pass_through_become_ordinary_layers() -> None:
    image = new_image(200, 80)
    masked = new_layer(image, "masked")
    masked.add_mask(masked.create_mask(Gimp.AddMaskType.BLACK))
    masked.set_apply_mask(False)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    group.set_mode(Gimp.LayerMode.PASS_THROUGH)
    new_layer(image, "child", parent=group)
    text = Gimp.TextLayer.new(image, "Style", Gimp.fonts_get_list("")[0], 60, Gimp.Unit.pixel())
    image.insert_layer(text, None, 0)

    from_masked, from_group, from_text = styled(image, [masked, group, text])

    assert set(native_alpha(from_masked)) == {b"\xff"}
    assert from_group.get_mode() == Gimp.LayerMode.NORMAL
    assert group.get_mode() == Gimp.LayerMode.PASS_THROUGH
    assert not from_text.is_text_layer()
    assert native_alpha(from_text) == native_alpha(text)
    assert from_text.get_name().startswith(text.get_name())
    assert text.is_text_layer()
    assert text.get_text() == "Style"


def test_what_is_transparent_leaves_no_halo() -> None:
    """White that cannot be seen is not painted: the seen part is the same whatever lies under alpha 0."""
    image = new_image()
    sources = [new_layer(image, f"{hidden}", paint=functools.partial(_half_hidden, hidden)) for hidden in (0.0, 1.0)]
    dark, light = (samples(layer) for layer in styled(image, sources))
    seen = [place for place in range(0, len(dark), 4) if dark[place + 3] > 0]
    assert len(seen) == 32 * 48
    assert all(dark[place : place + 3] == light[place : place + 3] for place in seen)


def _half_hidden(hidden: float, x: int, y: int) -> Pixel:
    """Seen on the left; on the right a grey under alpha 0."""
    return (0.6, 0.2, y / 48, 1.0) if x < 32 else (hidden, hidden, hidden, 0.0)


def test_what_is_read_in_strips_is_what_is_read_at_once() -> None:
    image = new_image(90, 300)
    plain = new_layer(image, "plain", x=3, y=5, width=70, height=270, paint=torn)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    masked = new_layer(image, "masked", x=9, y=20, width=60, height=200, parent=group)
    masked.add_mask(masked.create_mask(Gimp.AddMaskType.WHITE))
    fill(masked.get_mask(), lambda x, y: (*(y % 70 / 70,) * 3, 1.0))
    blurred = new_layer(image, "blurred", y=11, width=64, height=210)
    blurred.append_filter(Gimp.DrawableFilter.new(blurred, "gegl:gaussian-blur", ""))
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 30, 50, 180)
    with unchanged(image):
        for layer in (plain, group, masked, blurred):
            pieces = list(layers.reading(image, layer))
            with mock.patch.object(layers, "_STRIP_AREA", 1):
                assert len(list(layers.reading(image, layer))) > len(pieces) + 2
                strips = layers.read(image, layer)
            look = layers.read(image, layer)
            assert strips.picture() == look.picture(), layer.get_name()
            assert (strips.selection, strips.format) == (look.selection, look.format), layer.get_name()
        with mock.patch.object(layers, "_STRIP_AREA", 1):
            shown = style_source.read(image).picture
        assert shown == style_source.read(image).picture
