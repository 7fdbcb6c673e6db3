"""One or many layers selected: one new layer each."""

from __future__ import annotations

from gi.repository import Gimp

from tests.gimp.inside.stage import STYLE, difference, native, new_image, new_layer, recipe, styled, tree


def test_each_layer_gets_a_styled_one_directly_above_itself() -> None:
    image = new_image()
    low = new_layer(image, "low", x=3, y=5)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    deep = new_layer(image, "deep", parent=group, x=-7, y=20, width=40, height=60)
    new_layer(image, "cover", parent=group)
    top = new_layer(image, "top", alpha=False)
    before = [native(layer) for layer in (low, deep, top)]

    new = styled(image, [top, deep, low])

    assert tree(image) == [
        f"top — {STYLE.name}",
        "top",
        ["group", ["cover", f"deep — {STYLE.name}", "deep"]],
        f"low — {STYLE.name}",
        "low",
    ], tree(image)
    assert [layer.get_name() for layer in new] == [f"{name} — {STYLE.name}" for name in ("top", "deep", "low")]
    assert set(image.get_selected_layers()) == set(new)
    for source, layer, pixels in zip((low, deep, top), reversed(new), before, strict=True):
        assert native(source) == pixels, "a source was touched"
        assert layer.get_offsets() == source.get_offsets()
        assert (layer.get_width(), layer.get_height()) == (source.get_width(), source.get_height())
        assert layer.type() == source.type()
        assert layer.get_mask() is None
        assert difference(source, layer) > 0.02, "the new layer looks like its source"
        assert recipe(layer)["source"] == source.get_name()
    assert len(Gimp.get_images()) == 1, "a scratch image was left behind"


def test_a_group_and_its_child_may_both_be_selected_and_opacity_and_mode_move_and_are_not_painted_in() -> None:
    image = new_image()
    plain = new_layer(image, "plain")
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    child, faint = (new_layer(image, name, parent=group) for name in ("child", "faint"))
    faint.set_mode(Gimp.LayerMode.MULTIPLY)
    faint.set_opacity(30)
    faint.set_composite_mode(Gimp.LayerCompositeMode.CLIP_TO_BACKDROP)
    faint.set_visible(False)

    *_, from_faint, from_plain = styled(image, [group, child, faint, plain])

    new = {name: f"{name} — {STYLE.name}" for name in ("group", "child", "faint", "plain")}
    in_group = [new["faint"], "faint", new["child"], "child"]
    assert tree(image) == [new["group"], ["group", in_group], new["plain"], "plain"], tree(image)
    assert round(from_faint.get_opacity()) == 30
    assert from_faint.get_mode() == Gimp.LayerMode.MULTIPLY
    assert from_faint.get_composite_mode() == Gimp.LayerCompositeMode.CLIP_TO_BACKDROP
    assert from_plain.get_mode() == Gimp.LayerMode.NORMAL
    assert native(from_faint) == native(from_plain)


def test_where_a_mask_is_active_its_layer_is_painted() -> None:
    """As after painting on a mask, while GIMP highlights the layer."""
    image = new_image()
    one, two = new_layer(image, "one"), new_layer(image, "two")
    for layer in (one, two):
        layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    image.set_selected_layers([one])
    one.set_edit_mask(True)
    (mask,) = image.get_selected_drawables()
    assert isinstance(mask, Gimp.LayerMask)

    made = styled(image, [mask, two, two.get_mask()])

    assert [layer.get_name() for layer in made] == [f"{name} — {STYLE.name}" for name in ("one", "two")]
    assert native(made[0]) == native(made[1])
    assert difference(one, made[0]) > 0.02
    assert one.get_edit_mask()
