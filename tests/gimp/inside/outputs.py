"""Where a painting goes: above its source with the opacity and mode that are asked for, or into a new image."""

from __future__ import annotations

from unittest import mock

from gi.repository import Gimp

from plugin.gimp.image import layers
from plugin.gimp.image.output import Output, Painted
from tests.gimp.inside.stage import (
    STYLE,
    difference,
    format_name,
    native,
    new_image,
    new_layer,
    recipe,
    styled,
    tree,
    unchanged,
)


def test_opacity_is_a_part_of_the_layers_and_the_mode_may_be_normal() -> None:
    image = new_image()
    source = new_layer(image, "source")
    source.set_opacity(50)
    source.set_mode(Gimp.LayerMode.MULTIPLY)
    source.set_composite_mode(Gimp.LayerCompositeMode.CLIP_TO_BACKDROP)
    (layer,) = styled(image, [source], opacity=40.0, layer_mode="normal")
    assert round(layer.get_opacity()) == 20
    assert layer.get_mode() == Gimp.LayerMode.NORMAL
    assert layer.get_composite_mode() == Gimp.LayerCompositeMode.AUTO


def test_a_new_image_has_what_was_painted_alone_and_all_that_makes_it_look_the_same() -> None:
    image = new_image(precision=Gimp.Precision.U16_NON_LINEAR)
    image.set_resolution(300, 200)
    image.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())
    source = new_layer(image, "source", x=9, y=4)
    source.set_mode(Gimp.LayerMode.MULTIPLY)
    source.set_opacity(50)
    new_layer(image, "cover")
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 20, 8, 40, 36)
    _, x, y, width, height = source.mask_intersect()
    look = layers.read(image, source)

    with unchanged(image, opens=1):
        (layer,) = styled(image, [source], output="new-image", opacity=70.0)

    new = layer.get_image()
    assert new != image
    assert tree(new) == [f"source — {STYLE.name}"]
    assert (new.get_width(), new.get_height()) == (layer.get_width(), layer.get_height()) == (width, height)
    assert layer.get_offsets()[1:] == (0, 0)
    assert new.get_precision() == image.get_precision()
    assert new.get_resolution() == image.get_resolution()
    assert new.get_color_profile().is_equal(image.get_color_profile())
    assert format_name(layer) == format_name(source)
    assert layer.get_mode() == Gimp.LayerMode.NORMAL
    assert round(layer.get_opacity()) == 70
    assert new.is_dirty(), "closing it would lose it without a question"
    assert recipe(layer)["box"] == [x, y, width, height]

    assert difference(layer, plain := layers.in_new_image(image, look, "plain", 100)) > 0.02
    above = look.make_layer(image, "above")
    image.insert_layer(above, None, 0)
    above.resize(width, height, -x, -y)
    assert native(plain) == native(above)
    assert native(layer.get_mask()) == native(above.get_mask())
    assert len(set(native(above.get_mask()))) > 2


def test_layers_of_an_indexed_image_go_to_an_image_each_with_its_palette() -> None:
    image = new_image()
    one, two = new_layer(image, "one"), new_layer(image, "two", width=40, height=40)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")

    made = styled(image, [one, two], output="new-image")

    assert [layer.get_name() for layer in made] == [f"{name} — {STYLE.name}" for name in ("one", "two")]
    assert len({layer.get_image().get_id() for layer in made} | {image.get_id()}) == 3
    for source, layer in zip((one, two), made, strict=True):
        new = layer.get_image()
        assert new.get_base_type() == Gimp.ImageBaseType.INDEXED
        assert [color.get_rgba() for color in new.get_palette().get_colors()] == [
            color.get_rgba() for color in image.get_palette().get_colors()
        ]
        assert difference(source, layer) > 0.02


def test_of_several_new_images_all_are_made_or_none() -> None:
    image = new_image()
    looks = [layers.read(image, new_layer(image, name)) for name in ("one", "two")]
    note = Gimp.Parasite.new("neural-style", 0, list(b"{}"))
    before, own = Gimp.get_images(), layers.in_new_image
    surprised = mock.patch.object(layers, "in_new_image", side_effect=[own(image, looks[0], "one", 100), OSError])
    with surprised:
        try:
            Output(new_image=True).deliver(image, [Painted(look, look.name, note) for look in looks])
        except OSError:
            pass
        else:
            raise AssertionError("there was no surprise")
    assert Gimp.get_images() == before
