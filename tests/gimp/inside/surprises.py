"""What nobody asked for; the filter's own code runs here instead of in its process, so that it can be surprised."""

from __future__ import annotations

import logging
import os
from unittest import mock

from gi.repository import Gimp, Gio, GLib, Gtk

from plugin import log
from plugin.gimp import procedure
from plugin.gimp.layers import Refusal
from tests.gimp.inside.stage import ERROR, STYLE, engines, new_image, new_layer, order, tree, unchanged


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
