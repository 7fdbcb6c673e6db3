"""Layers whose position, pixels, alpha or visibility are locked: painted like others, and never painted into."""

from __future__ import annotations

from gi.repository import Gimp

from plugin.gimp.image import layers
from tests.gimp.inside.stage import (
    ERROR,
    STYLE,
    SUCCESS,
    call,
    difference,
    fill,
    native,
    new_image,
    new_layer,
    recipe,
    styled,
    tree,
    unchanged,
)

RESTYLE = "plug-in-neural-style-restyle"


def _lock(layer: Gimp.Layer, *locks: str) -> None:
    for lock in locks:
        assert getattr(layer, f"set_lock_{lock}")(True), lock


def _locks(layer: Gimp.Layer) -> set[str]:
    names = ("position", "content", "alpha", "visibility")
    return {lock for lock in names if getattr(layer, f"get_lock_{lock}")()}


def _masked(image: Gimp.Image, name: str) -> Gimp.Layer:
    layer = new_layer(image, name, x=120, y=80, width=90, height=60)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    fill(layer.get_mask(), lambda x, y: (*(x / 90,) * 3, 1.0))
    return layer


def _blurred(image: Gimp.Image, name: str) -> Gimp.Layer:
    layer = new_layer(image, name, x=120, y=80, width=90, height=60)
    layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:gaussian-blur", ""))
    return layer


def _grouped(image: Gimp.Image, name: str) -> Gimp.Layer:
    """A group cannot be moved where a layer in it is locked."""
    group = Gimp.GroupLayer.new(image, name)
    image.insert_layer(group, None, 0)
    _lock(new_layer(image, "child", x=60, y=70, width=90, height=60, parent=group), "position", "content")
    group.append_filter(Gimp.DrawableFilter.new(group, "gegl:gaussian-blur", ""))
    return group


def _painted(parent: Gimp.Layer | None = None, image: Gimp.Image | None = None) -> Gimp.Layer:
    """A painted layer above its source, at a place of its own."""
    (layer,) = styled(image := image or new_image(), [new_layer(image, "source", x=5, y=3, parent=parent)])
    return layer


def _restyle(layer: Gimp.Layer, replace: bool) -> Gimp.Layer:
    outcome = call(RESTYLE, layer.get_image(), [layer], strength=80.0, replace=replace)
    assert outcome.status == SUCCESS, outcome.sentence
    return outcome.layers[0]


def test_a_locked_layer_looks_as_it_does_without_its_locks() -> None:
    image = new_image(300, 200)
    for make in (_masked, _blurred):
        layer = make(image, make.__name__)
        expected = layers.read(image, layer).picture()
        layer.set_visible(False)
        for locks in (["position"], ["content"], ["alpha"], ["visibility"], ["position", "content", "visibility"]):
            _lock(layer, *locks)
            with unchanged(image):
                assert layers.read(image, layer).picture() == expected, (make.__name__, locks)
            for lock in locks:
                getattr(layer, f"set_lock_{lock}")(False)
    group = _grouped(image, "group")
    locked = layers.read(image, group).picture()
    for lock in ("position", "content"):
        getattr(group.get_children()[0], f"set_lock_{lock}")(False)
    assert locked == layers.read(image, group).picture()


def test_locked_layers_are_painted_as_others_are_and_what_is_new_has_no_locks() -> None:
    image = new_image(300, 200)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    free, held, inside = _masked(image, "free"), _masked(image, "held"), _masked(image, "inside")
    image.reorder_item(inside, group, 0)
    held.set_visible(False)
    _lock(held, "position", "content", "alpha", "visibility")
    _lock(group, "position", "content", "visibility")

    from_free, *others = styled(image, [free, held, inside])

    for layer in others:
        assert native(layer) == native(from_free)
        assert layer.get_offsets() == from_free.get_offsets()
        assert _locks(layer) == set()
    assert tree(image)[-1] == ["group", [f"inside — {STYLE.name}", "inside"]]


def test_a_painting_whose_pixels_are_locked_is_not_replaced() -> None:
    layer = _painted()
    _lock(layer, "content")
    with unchanged(layer.get_image()):
        outcome = call(RESTYLE, layer.get_image(), [layer])
    assert outcome.status == ERROR
    assert outcome.sentence == (
        f"The pixels of “{layer.get_name()}” are locked; unlock them, or switch “Replace this layer” off to add the "
        "new painting above."
    )


def test_a_painting_in_a_group_whose_pixels_are_locked_is_not_replaced() -> None:
    image = new_image()
    outer, inner = Gimp.GroupLayer.new(image, "outer"), Gimp.GroupLayer.new(image, "inner")
    image.insert_layer(outer, None, 0)
    image.insert_layer(inner, outer, 0)
    layer = _painted(inner, image)
    _lock(outer, "content")
    with unchanged(image):
        outcome = call(RESTYLE, image, [layer])
    assert outcome.status == ERROR
    assert outcome.sentence.startswith("The pixels of “outer” are locked; unlock them, "), outcome.sentence


def test_above_a_locked_painting_a_new_one_is_added() -> None:
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = _painted(group, image)
    before, name = native(layer), layer.get_name()
    _lock(layer, "position", "content", "alpha", "visibility")
    _lock(group, "position", "content", "visibility")

    added = _restyle(layer, replace=False)

    assert tree(image) == [["group", [f"{name} #1", name, "source"]]]
    assert native(layer) == before
    assert difference(added, layer) > 1e-3
    assert _locks(added) == set()
    assert _locks(layer) == {"position", "content", "alpha", "visibility"}
    assert image.get_selected_layers() == [added]
    assert recipe(added)["settings"]["strength"] == 80

    source = image.get_layer_by_name("source")
    group.set_lock_content(False)
    group.set_lock_position(False)
    source.scale(96, 72, False)
    _lock(group, "position", "content")
    larger = _restyle(layer, replace=False)
    assert (larger.get_width(), larger.get_height()) == (96, 72)
    assert larger.get_offsets()[1:] == source.get_offsets()[1:]
    assert group.get_children()[1] == larger


def test_what_replaces_a_painting_has_its_locks() -> None:
    layer = _painted()
    image = layer.get_image()
    source = image.get_layer_by_name("source")
    source.scale(96, 72, False)
    source.set_offsets(1, 2)
    layer.set_visible(False)
    _lock(layer, "position", "alpha", "visibility")

    layer = _restyle(layer, replace=True)

    assert _locks(layer) == {"position", "alpha", "visibility"}
    assert (layer.get_width(), layer.get_height()) == (96, 72)
    assert layer.get_offsets()[1:] == (1, 2)
    assert not layer.get_visible()
    assert tree(image) == [f"source — {STYLE.name}", "source"]
