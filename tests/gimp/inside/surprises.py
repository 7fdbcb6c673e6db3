"""What nobody asked for; the filter's own code runs here instead of in its process, so that it can be surprised."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from unittest import mock

from gi.repository import Gegl, Gimp, Gio, GLib, Gtk

from plugin.gimp import procedure
from plugin.gimp.image import changes, layers
from plugin.gimp.image.changes import NotDone
from plugin.gimp.image.layers import Refusal
from plugin.gimp.image.output import Output, Painted
from plugin.shared import log
from tests.gimp.inside.stage import ERROR, STYLE, engines, native, new_image, new_layer, order, tree, unchanged


def test_a_layer_that_is_deleted_while_it_is_painted() -> None:
    image = new_image()
    one, two = new_layer(image, "one"), new_layer(image, "two")

    def delete(value: float) -> None:
        if one.is_valid():
            image.remove_layer(one)

    sentence = ""
    with mock.patch.object(Gimp, "progress_update", delete):
        try:
            procedure.stylize([one, two], order(image))
        except Refusal as refusal:
            sentence = str(refusal)

    assert sentence == "“one” was deleted while it was being styled; nothing was added."
    assert tree(image) == ["two"]
    assert engines() == []


def test_a_layer_that_is_deleted_while_the_window_is_open() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    wanted = order(image)
    image.remove_layer(layer)
    sentence = ""
    try:
        wanted.look(layer)
    except Refusal as refusal:
        sentence = str(refusal)
    assert sentence == "The layer to style was deleted; select another one and start the filter anew."


def test_an_error_that_nobody_thought_of_is_one_sentence_and_a_traceback_in_the_log() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    own = Gimp.get_pdb().lookup_procedure(procedure.NAME)
    config = own.create_config()
    config.set_property("style", Gio.File.new_for_path(str(STYLE)))
    with unchanged(image), mock.patch.object(procedure, "stylize", side_effect=ZeroDivisionError("a surprise")):
        values = procedure.run(own, Gimp.RunMode.NONINTERACTIVE, image, [layer], config, None)

    assert values.index(0) == ERROR
    assert values.index(1) == f"Neural Style failed and added nothing; what happened is written in {log.file()}."
    assert "ZeroDivisionError: a surprise" in log.file().read_text(encoding="utf-8")


def test_the_log_of_a_process_that_goes_on_stays_however_many_begin_after_it() -> None:
    log.to_file()
    logging.getLogger("neural-style").info("still here")
    folder = log.file().parent
    old = folder / "neural-style-20200101-000000-1.log"
    others = [folder / f"neural-style-20991231-235959-{number}.log" for number in range(30)]
    for path in (old, *others):
        path.touch()
    os.utime(old, (1.6e9, 1.6e9))
    log._remove_old()
    assert "still here" in log.file().read_text(encoding="utf-8")
    assert not old.exists()
    for path in others:
        path.unlink()


def test_an_exception_that_no_callback_catches_is_in_the_log() -> None:
    log.to_file()
    told = mock.Mock(side_effect=ZeroDivisionError("in a timeout"))
    GLib.timeout_add(1, told)
    while not told.called:
        GLib.MainContext.default().iteration(True)
    button = Gtk.Button()
    button.connect("clicked", mock.Mock(side_effect=ZeroDivisionError("in a signal")))
    button.clicked()
    found = log.file().read_text(encoding="utf-8")
    assert "ZeroDivisionError: in a timeout" in found
    assert "ZeroDivisionError: in a signal" in found
    assert "Traceback" in found


def test_of_several_layers_all_are_added_or_none() -> None:
    """One of them is deleted in the last moment."""
    for group in ("", "group"):
        image = new_image()
        one, two = (new_layer(image, name) for name in ("one", "two"))
        painted = [
            Painted(layers.read(image, layer), f"new {layer.get_name()}", _note(), group) for layer in (one, two)
        ]
        image.remove_layer(two)
        image.set_selected_layers([one])
        assert not _succeeds(image, Output().deliver, image, painted)


def test_a_layer_is_painted_anew_or_left_as_it_was() -> None:
    """Whichever of GIMP's calls fails."""
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = new_layer(image, "layer", parent=group)
    source = new_layer(image, "source", width=40, height=36, x=7)
    image.set_selected_layers([source])
    look = layers.read(image, source)
    layer.set_lock_position(True)
    own, calls, fails = changes.must, 0, 0

    def count(call: Callable[..., object], *arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == fails:
            raise NotDone("a refusal")
        return own(call, *arguments)

    for replaces in (True, False):
        calls, fails = 0, 1
        with mock.patch.object(layers, "must", count), mock.patch.object(changes, "must", count):
            while not _succeeds(image, layers.revise, layer, look, "layer", _note(), replaces):
                calls, fails = 0, fails + 1
        assert fails > 10
        layer = image.get_layer_by_name("layer")
    assert tree(image) == ["source", ["group", ["layer #1", "layer"]]]


def test_nothing_escapes_the_procedure() -> None:
    """Not what fails before it begins, and not an image that is closed while it is painted."""
    own = Gimp.get_pdb().lookup_procedure(procedure.NAME)
    config = own.create_config()
    config.set_property("style", Gio.File.new_for_path(str(STYLE)))
    for name, value in {"quality": "gatys", "size": 40, "iterations": 2}.items():
        config.set_property(name, value)
    image = new_image()
    layer = new_layer(image, "layer")

    def close(value: float) -> None:
        if image.is_valid():
            image.delete()

    with unchanged(image), mock.patch.object(Gegl, "init", side_effect=RuntimeError("no GEGL")):
        values = procedure.run(own, Gimp.RunMode.NONINTERACTIVE, image, [layer], config, None)
    assert values.index(0) == ERROR
    assert values.index(1) == f"Neural Style failed and added nothing; what happened is written in {log.file()}."

    with mock.patch.object(Gimp, "progress_update", close):
        values = procedure.run(own, Gimp.RunMode.NONINTERACTIVE, image, [layer], config, None)
    assert values.index(0) == ERROR
    assert values.index(1) == "“layer” was deleted while it was being styled; nothing was added."
    assert engines() == []

    # As it was closed before.
    values = procedure.run(own, Gimp.RunMode.NONINTERACTIVE, image, [layer], config, None)
    assert values.index(0) == ERROR
    assert values.index(1).endswith(".")


def _note() -> Gimp.Parasite:
    return Gimp.Parasite.new("neural-style", Gimp.PARASITE_UNDOABLE, list(b"{}"))


def _succeeds(image: Gimp.Image, work: Callable[..., object], *arguments: object) -> bool:
    """Whether GIMP refused nothing; where it did, layers, names, pixels and what is selected must be as they were."""

    def state() -> object:
        every = list(layers.every_layer(image))
        return [(layer.get_id(), layer.get_name(), native(layer)) for layer in every], image.get_selected_layers()

    before = state()
    try:
        work(*arguments)
    except NotDone:
        assert state() == before
        return False
    finally:
        assert not image.undo_group_end(), "an undo group was open"
    return True
