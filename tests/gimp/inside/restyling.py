"""A painted layer painted anew: where, from what, with what; and what stands in its way."""

from __future__ import annotations

import json
import shutil
from typing import Any

from gi.repository import Gimp, Gio

from plugin.gimp import procedure
from plugin.gimp.image import style_source
from tests.gimp.inside.stage import (
    ERROR,
    FAST,
    FOLDER,
    STYLE,
    SUCCESS,
    Outcome,
    call,
    difference,
    native,
    new_image,
    new_layer,
    recipe,
    styled,
    tree,
    unchanged,
)


def _restyle(layer: Gimp.Layer, **given: Any) -> Outcome:
    return call("plug-in-neural-style-restyle", layer.get_image(), [layer], **given)


def _restyled(layer: Gimp.Layer, **given: Any) -> Gimp.Layer:
    outcome = _restyle(layer, **given)
    assert outcome.status == SUCCESS, outcome.sentence
    (layer,) = outcome.layers
    return layer


def _refused(layer: Gimp.Layer, **given: Any) -> str:
    with unchanged(layer.get_image()):
        outcome = _restyle(layer, **given)
    assert outcome.status == ERROR
    print(f"sentence: {outcome.sentence}")
    assert outcome.sentence.count(". ") == 0 and outcome.sentence.endswith(".")
    return outcome.sentence


def _painted(**given: Any) -> Gimp.Layer:
    """A layer that was painted of a part of a layer, between two others."""
    image = new_image()
    source = new_layer(image, "source", x=5, y=3)
    new_layer(image, "cover")
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 4, 50, 40)
    (layer,) = styled(image, [source], **given)
    Gimp.Selection.none(image)
    return layer


def _tell(layer: Gimp.Layer, told: dict[str, Any]) -> None:
    """Write something else into the layer's parasite."""
    data = json.dumps(told).encode("ascii")
    layer.attach_parasite(Gimp.Parasite.new("neural-style", Gimp.PARASITE_PERSISTENT, list(data)))


def test_after_saving_and_opening_it_is_painted_anew_in_its_place() -> None:
    first = _painted(seed=3, iterations=3)
    first.set_opacity(60)
    first.set_mode(Gimp.LayerMode.SCREEN)
    first.set_color_tag(Gimp.ColorTag.GREEN)
    first.append_filter(Gimp.DrawableFilter.new(first, "gegl:gaussian-blur", "soft"))
    mask = native(first.get_mask())
    file = Gio.File.new_for_path(str(FOLDER / "painted.xcf"))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, first.get_image(), file, None)
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    _, layer, source = image.get_layers()
    source.set_name("renamed")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 20, 20)  # which is for what is painted next
    mark = layer.get_tattoo()

    layer = _restyled(layer)

    assert tree(image) == ["cover", f"renamed — {STYLE.name}", "renamed"]
    assert difference(first, layer) < 1e-3, "the same order, source and part did not give the same picture"
    assert native(layer.get_mask()) == mask
    assert round(layer.get_opacity()) == 60
    assert layer.get_mode() == Gimp.LayerMode.SCREEN
    assert layer.get_color_tag() == Gimp.ColorTag.GREEN
    assert [filter.get_name() for filter in layer.get_filters()] == ["soft"]
    assert layer.get_offsets()[1:] == (5, 3)
    assert layer.get_tattoo() == mark
    assert image.get_selected_layers() == [layer]
    told = recipe(layer)
    assert told["settings"] == recipe(first)["settings"]
    assert told["source"] == "renamed"

    before = native(layer)
    above = _restyled(layer, strength=80.0, iterations=9, replace=False)

    assert tree(image) == ["cover", f"renamed — {STYLE.name} #1", f"renamed — {STYLE.name}", "renamed"]
    assert native(layer) == before
    assert difference(above, layer) > 1e-3
    assert recipe(above)["settings"] == told["settings"] | {"strength": 80.0, "iterations": 9}


def test_another_style_changes_the_name_but_not_one_that_a_person_gave() -> None:
    layer = _painted()
    other = STYLE.with_name("hokusai_poppies.jpg")
    layer = _restyled(layer, style=Gio.File.new_for_path(str(other)))
    assert layer.get_name() == f"source — {other.name}"
    assert recipe(layer)["styles"][0]["uri"] == other.as_uri()
    layer.set_name("Wave")
    assert _restyled(layer).get_name() == "Wave"


def test_a_source_of_another_size_gives_the_layer_its_size() -> None:
    layer = _painted()
    image = layer.get_image()
    source = image.get_layer_by_name("source")
    source.scale(128, 96, True)
    source.set_offsets(1, 2)

    layer = _restyled(layer, defaults_from_layer=False, style=Gio.File.new_for_path(str(STYLE)), **FAST)

    assert (layer.get_width(), layer.get_height()) == (128, 96)
    assert layer.get_offsets()[1:] == (1, 2)
    x, y, width, height = recipe(layer)["box"]
    # The ellipse of 50 × 40 at 10, 4 in the image, in a layer at 5, 3 that is twice as large now.
    assert (x, y, width, height) == (10, 2, 100, 80)
    # Its mask has grown with it, as far as the image shows it.
    image.select_item(Gimp.ChannelOps.REPLACE, layer.get_mask())
    *_, left, top, right, bottom = Gimp.Selection.bounds(image)
    found, wanted = (left, top, right, bottom), (1 + 10, 2 + 2, min(1 + 10 + 100, 80), min(2 + 2 + 80, 64))
    assert all(abs(one - other) <= 2 for one, other in zip(found, wanted)), found


def test_an_open_layer_as_the_style_is_there_again_when_it_is_repeated() -> None:
    layer = _painted()
    image = layer.get_image()
    own = Gimp.get_pdb().lookup_procedure(procedure.RESTYLE)
    asked = own.create_config()
    asked.set_property("style-layer", new_layer(image, "open style"))
    style_source.remember_open(asked)

    repeated = own.create_config()
    for name, value in (FAST | {"defaults_from_layer": False}).items():
        repeated.set_property(name.replace("_", "-"), value)
    values = procedure.run(own, Gimp.RunMode.WITH_LAST_VALS, image, [layer], repeated, None)

    assert values.index(0) == SUCCESS, values.index(1)
    (layer,) = values.get_core_object_array(1)
    assert [told["name"] for told in recipe(layer)["styles"]] == ["open style"]


def test_what_stands_in_its_way_is_one_sentence() -> None:
    going = FOLDER / "going.jpg"
    shutil.copy(STYLE, going)
    layer = _painted(style=going)
    image = layer.get_image()
    cover, source = image.get_layer_by_name("cover"), image.get_layer_by_name("source")
    told = recipe(layer)

    assert "“cover” was not painted by Neural Style Transfer" in _refused(cover)
    outcome = call("plug-in-neural-style-restyle", image, [layer, cover])
    assert "Several layers are selected" in outcome.sentence
    going.unlink()
    assert "The style “going.jpg” cannot be read" in _refused(layer)
    changes: dict[str, Any]
    for changes in ({"box": [1, 2]}, {"box": [0, 0, 0, 0]}, {"settings": None}, {"styles": []}):
        _tell(layer, told | changes)
        assert "tells of how it was painted is damaged" in _refused(layer), changes
    layer.attach_parasite(Gimp.Parasite.new("neural-style", 0, list(b"{")))
    assert "is damaged" in _refused(layer)
    _tell(layer, told)
    image.remove_layer(source)
    assert "“source”, from which “source — going.jpg” was painted, is not in this image any more" in _refused(layer)


def test_a_layer_copied_to_another_image_finds_no_wrong_source() -> None:
    layer = _painted()
    image = new_image()
    new_layer(image, "one", width=48)
    new_layer(image, "two", width=48)
    copy = Gimp.Layer.new_from_drawable(layer, image)
    image.insert_layer(copy, None, 0)
    marks = [each.get_tattoo() for each in image.get_layers()]
    assert recipe(layer)["source_tattoo"] in marks, "this test means something only with the same tattoo in both"
    assert "is not in this image any more" in _refused(copy)
    image.get_layer_by_name("one").set_name("source")
    assert _restyled(copy).get_width() == 48
