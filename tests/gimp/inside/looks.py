"""Groups, text, masks and live filters are styled as they look."""

from __future__ import annotations

import functools

from gi.repository import Gimp

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
    tree,
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


def _same_style_as_flat(image: Gimp.Image, source: Gimp.Layer) -> Gimp.Layer:
    """Style a layer and what it looks like, as a plain layer above it; both must become the same painting."""
    flat = _flattened(image, source)
    image.insert_layer(flat, None, 0)
    flat.set_offsets(*source.get_offsets()[1:])
    layer, expected = styled(image, [source, flat])
    assert (layer.get_width(), layer.get_height()) == (source.get_width(), source.get_height())
    assert layer.get_offsets() == source.get_offsets()
    assert native_alpha(layer) == native_alpha(flat)
    assert native(layer) == native(expected), difference(layer, expected)
    assert layer.get_mask() is None
    assert layer.get_filters() == []
    return layer


def test_a_layer_mask_is_part_of_the_look() -> None:
    image = new_image()
    source = new_layer(image, "source", x=4, y=6)
    mask = source.create_mask(Gimp.AddMaskType.WHITE)
    source.add_mask(mask)
    fill(mask, lambda x, y: (x / 64, x / 64, x / 64, 1.0))
    before = native(source), native(mask)

    layer = _same_style_as_flat(image, source)

    assert len(set(native_alpha(layer))) > 30
    assert (native(source), native(source.get_mask())) == before


def test_a_disabled_mask_is_not() -> None:
    image = new_image()
    source = new_layer(image, "source")
    source.add_mask(source.create_mask(Gimp.AddMaskType.BLACK))
    source.set_apply_mask(False)

    (layer,) = styled(image, [source])

    assert set(native_alpha(layer)) == {b"\xff"}


def test_live_filters_are_merged_into_the_look_and_stay_live_on_the_source() -> None:
    image = new_image()
    source = new_layer(image, "source", x=4, y=6)
    source.append_filter(Gimp.DrawableFilter.new(source, "gegl:invert-gamma", ""))
    switched_off = Gimp.DrawableFilter.new(source, "gegl:mono-mixer", "")
    source.append_filter(switched_off)
    switched_off.set_visible(False)

    _same_style_as_flat(image, source)

    assert len(source.get_filters()) == 2


def test_a_filter_that_reaches_beyond_the_layer_is_cut_to_it() -> None:
    image = new_image(120, 120)
    source = new_layer(image, "source", x=30, y=30)
    source.append_filter(Gimp.DrawableFilter.new(source, "gegl:dropshadow", ""))

    _same_style_as_flat(image, source)


def test_a_group_is_styled_as_projected() -> None:
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    new_layer(image, "below", parent=group, x=-5, y=6)
    child = new_layer(image, "above", parent=group, x=20, y=20, paint=lambda x, y: (1.0, 0.2, 0.1, x / 64))
    child.set_mode(Gimp.LayerMode.DIFFERENCE)
    group.append_filter(Gimp.DrawableFilter.new(group, "gegl:invert-gamma", ""))
    layer = _same_style_as_flat(image, group)

    assert not layer.is_group()
    assert tree(image)[2:] == [layer.get_name(), ["group", ["above", "below"]]]


def test_a_group_that_passes_through_becomes_a_normal_layer() -> None:
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    group.set_mode(Gimp.LayerMode.PASS_THROUGH)
    new_layer(image, "child", parent=group)

    (layer,) = styled(image, [group])

    assert layer.get_mode() == Gimp.LayerMode.NORMAL
    assert group.get_mode() == Gimp.LayerMode.PASS_THROUGH


def test_a_text_layer_becomes_an_ordinary_layer() -> None:
    image = new_image(200, 80)
    text = Gimp.TextLayer.new(image, "Style", Gimp.fonts_get_list("")[0], 60, Gimp.Unit.pixel())
    image.insert_layer(text, None, 0)

    (layer,) = styled(image, [text])

    assert not layer.is_text_layer()
    assert native_alpha(layer) == native_alpha(text)
    assert layer.get_name().startswith(text.get_name())
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
