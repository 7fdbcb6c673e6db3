"""A layer or an image that is open in GIMP as the style: the same painting as from a file of the same picture."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from gi.repository import Gimp, Gio

from plugin.gimp.image import open_styles, style_source
from plugin.gimp.image.open_styles import Mark
from plugin.gimp.window.style_rows import StyleList
from plugin.shared.protocol import Picture
from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import (
    ERROR,
    FOLDER,
    STYLE,
    SUCCESS,
    call,
    fill,
    native,
    new_image,
    new_layer,
    recipe,
    styled,
    unchanged,
)


def _open() -> tuple[Gimp.Image, Gimp.Layer]:
    """An image of a style and its layer; the file ``open.png`` is the same picture."""
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(STYLE)))
    image.scale(128, 88)
    file = Gio.File.new_for_path(str(FOLDER / "open.png"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    (layer,) = image.get_layers()
    layer.set_name("wave")
    image.clean_all()
    return image, layer


def _pixels(layer: Gimp.Layer) -> bytes:
    """What the engine would get."""
    picture = style_source.read(layer).picture
    assert isinstance(picture, Picture)
    return bytes(picture.pixels)


def test_an_open_layer_or_image_paints_what_its_file_does() -> None:
    image, layer = _open()
    cover = new_layer(image, "cover", width=128, height=88)
    cover.set_visible(False)
    content = new_image()
    source = new_layer(content, "source")
    with unchanged(image):
        (from_layer,) = styled(content, [source], style_layer=layer)  # although ``style`` is given, too
        (from_image,) = styled(content, [source], None, style_image=image)
    (from_file,) = styled(content, [source], FOLDER / "open.png")
    assert native(from_layer) == native(from_image) == native(from_file)
    assert from_layer.get_name() == "source — wave"
    digest = hashlib.sha256(_pixels(layer)).hexdigest()
    for made, source in ((from_layer, layer), (from_image, image)):
        told = {"name": source.get_name(), "uri": None, "sha256": digest, "region": None}
        mark = Mark.of(source, content)
        assert recipe(made)["styles"] == [told | {"open": mark.to_json()}]
        assert open_styles.find("", "", mark, content) == source


def test_a_script_can_name_a_layer_which_is_taken_as_it_looks_beside_other_styles() -> None:
    image, layer = _open()
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    fill(mask, lambda x, y: (*(float(x < 64),) * 3, 1.0))
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.reorder_item(layer, group, 0)
    alpha = memoryview(_pixels(group)).cast("f")[3::4]
    assert (alpha[10], alpha[100]) == (1, 0)

    content = new_image()
    source = new_layer(content, "source")
    script = f"""
        (plug-in-neural-style #:run-mode RUN-NONINTERACTIVE #:image {content.get_id()}
            #:drawables (vector {source.get_id()}) #:style-layer {group.get_id()} #:more-styles (list "{STYLE}")
            #:quality "gatys" #:size 40 #:iterations 5)
    """
    evaluate = Gimp.get_pdb().lookup_procedure("plug-in-script-fu-eval")
    config = evaluate.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("script", script)
    assert evaluate.run(config).index(0) == Gimp.PDBStatusType.SUCCESS, Gimp.get_pdb().get_last_error()
    assert [each["name"] for each in recipe(content.get_layers()[0])["styles"]] == ["group", STYLE.name]


def test_layers_that_cannot_be_a_style() -> None:
    image, _ = _open()
    content = new_image()
    source = new_layer(content, "source")
    small = new_layer(image, "small", width=20, height=20)
    sentence = refused(content, [source], None, style_layer=small)
    assert "“small” is 20 × 20 pixels" in sentence
    empty = Gimp.GroupLayer.new(image, "empty")
    image.insert_layer(empty, None, 0)
    assert "“empty” is empty" in refused(content, [source], None, style_layer=empty)
    clear = new_layer(image, "clear", paint=lambda x, y: (0.0, 0.0, 0.0, 0.0))
    assert "transparent everywhere" in refused(content, [source], None, style_layer=clear)
    assert "No style is chosen" in refused(content, [source], None)


def test_restyle_takes_a_style_that_is_still_open_and_says_which_one_is_not() -> None:
    image, layer = _open()
    content = new_image()
    (painted,) = styled(content, [new_layer(content, "source")], None, style_layer=layer, seed=3, regions=["source"])
    layer.set_name("renamed")
    outcome = call("plug-in-neural-style-restyle", content, [painted])
    assert outcome.status == SUCCESS, outcome.sentence
    (painted,) = outcome.layers
    told = recipe(painted)
    assert [(each["name"], each["region"]) for each in told["styles"]] == [("renamed", "source")]

    image.delete()
    with unchanged(content):
        outcome = call("plug-in-neural-style-restyle", content, [painted])
    assert outcome.status == ERROR
    assert outcome.sentence == (
        "The style “renamed” was a layer or image that is not open any more; choose another style."
    )
    config = Gimp.get_pdb().lookup_procedure("plug-in-neural-style").create_config()
    config.set_property("style", style_source.gone("a / b"))
    (entry,) = StyleList(config).entries
    assert style_source.title(entry.source) == "a / b"


def test_a_style_of_an_earlier_session_is_found_by_its_name_and_pixels_or_by_its_place_in_the_image() -> None:
    image, layer = _open()
    other = new_layer(image, "wave")
    digest = style_source.read(layer).sha256
    mark = replace(Mark.of(layer, image), session="another")
    assert replace(Mark.of(layer, new_image()), session="another").tattoo is None
    assert open_styles.find("wave", digest, None, new_image()) == layer
    assert open_styles.find("wave", digest, replace(mark, tattoo=other.get_tattoo()), image) == layer
    fill(layer, lambda x, y: (1.0, x / 128, 0.0, 1.0))
    assert open_styles.find("wave", digest, mark, image) == layer
    assert open_styles.find("wave", digest, mark, new_image()) is None
    layer.set_name("sea")
    assert open_styles.find("wave", digest, mark, image) is None
