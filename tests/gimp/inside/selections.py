"""A selection: its bounding box is styled, and it becomes the new layer's mask."""

from __future__ import annotations

from gi.repository import Gegl, Gimp

from tests.gimp.inside.stage import format_name, native, new_image, new_layer, recipe, samples, styled

_SELECTION = (20, 16, 40, 36)
"""x, y, width, height in the image; feathered, it has every value between nothing and all at its edges."""


def _select_softly(image: Gimp.Image) -> None:
    image.select_ellipse(Gimp.ChannelOps.REPLACE, *_SELECTION)
    Gimp.Selection.feather(image, 6)


def test_selection_becomes_the_new_layers_mask() -> None:
    for precision in (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.FLOAT_LINEAR, Gimp.Precision.U32_PERCEPTUAL):
        image = new_image(precision=precision)
        source = new_layer(image, "source", x=9, y=-4, width=64, height=60)
        _select_softly(image)
        expected = source.create_mask(Gimp.AddMaskType.SELECTION)

        (layer,) = styled(image, [source])

        mask = layer.get_mask()
        assert format_name(mask) == format_name(expected)
        assert native(mask) == native(expected), "GIMP's own mask from the selection is another one"
        assert len(set(native(mask))) > 10, "the soft edges are gone"
        assert layer.get_apply_mask()
        assert not layer.get_show_mask()
        assert (layer.get_width(), layer.get_height()) == (64, 60)
        assert layer.get_offsets() == source.get_offsets()
        assert not Gimp.Selection.is_empty(image), "the selection itself is gone"


def test_only_the_bounding_box_is_styled_and_the_mask_can_be_edited() -> None:
    image = new_image()
    source = new_layer(image, "source", x=9, y=4, width=64, height=52)
    _select_softly(image)
    _, x, y, width, height = source.mask_intersect()

    (layer,) = styled(image, [source])

    assert recipe(layer)["box"] == [x, y, width, height]
    before, after = samples(source), samples(layer)
    changed = 0
    for place in range(64 * 52):
        row, column = divmod(place, 64)
        same = before[place * 4 : place * 4 + 4] == after[place * 4 : place * 4 + 4]
        if not (y <= row < y + height and x <= column < x + width):
            assert same, f"a pixel outside the box changed: {column}, {row}"
        elif not same:
            changed += 1
    assert changed > width * height * 0.8, "the box looks like the source"

    mask = layer.get_mask()
    Gimp.Selection.none(image)
    mask.fill(Gimp.FillType.WHITE)
    assert set(native(mask)) == {255}


def test_selection_cuts_each_layer_and_group_in_its_own_place() -> None:
    image = new_image(120, 120)
    left = new_layer(image, "left", width=60, height=60)
    right = new_layer(image, "right", x=50, y=50, width=60, height=60)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    new_layer(image, "child", parent=group, x=5, y=7)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 20, 70, 70)

    from_left, from_right, from_group = styled(image, [left, right, group])

    assert recipe(from_left)["box"] == [20, 20, 40, 40]
    assert recipe(from_right)["box"] == [0, 0, 40, 40]
    assert _white(from_left) == (20, 20, 40, 40)
    assert _white(from_right) == (0, 0, 40, 40)
    assert from_group.get_offsets()[1:] == (5, 7)
    assert _white(from_group) == (15, 13, 49, 35)


def _white(layer: Gimp.Layer) -> tuple[int, int, int, int]:
    """The rectangle of a mask's white pixels: x, y, width, height."""
    mask = layer.get_mask()
    width, height = mask.get_width(), mask.get_height()
    data = mask.get_buffer().get(Gegl.Rectangle.new(0, 0, width, height), 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    white = [divmod(place, width) for place, value in enumerate(data) if value == 255]
    rows, columns = [row for row, _ in white], [column for _, column in white]
    found = (min(columns), min(rows), max(columns) - min(columns) + 1, max(rows) - min(rows) + 1)
    assert len(white) == found[2] * found[3], "the white of the mask is no rectangle"
    return found
