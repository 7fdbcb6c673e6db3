"""The window while it paints, with the real engine: enough is enough, and what is there is kept."""

from __future__ import annotations

import dataclasses
from unittest import mock

from gi.repository import Gimp, GimpUi, Gtk

from plugin.gimp import procedure
from plugin.gimp.jobs.session import Studio
from plugin.gimp.window.progress import Window
from plugin.shared import engine_client
from plugin.shared.protocol import Progress
from plugin.shared.settings import Settings
from tests.gimp.inside.stage import difference, engines, new_image, new_layer, order, recipe, tree, unchanged


def _paint(image: Gimp.Image, names: list[str], press: Gtk.ResponseType, place: int) -> list[Gimp.Layer]:
    """Paint these layers in a window in which a button is pressed in the middle of the layer at ``place``."""
    tell = Window.tell

    def tell_and_press(window: Window, event: Progress, now: int) -> None:
        tell(window, event, now)
        if now == place and event.scale == 2 and not window.has_enough:
            window._dialog.response(press)

    wanted = order(image)
    wanted = dataclasses.replace(wanted, settings=Settings(size=160, iterations=10))
    with mock.patch.object(Window, "tell", tell_and_press), Studio() as studio:
        sources = [image.get_layer_by_name(name) for name in names]
        return procedure.stylize(sources, wanted, studio=studio)


def test_stop_here_and_keep_keeps_what_is_painted_and_begins_no_other_layer() -> None:
    image = new_image(240, 180)
    for name in ("three", "two", "one"):
        new_layer(image, name, width=200, height=150)

    made = _paint(image, ["one", "two", "three"], Gtk.ResponseType.ACCEPT, place=1)

    names = [layer.get_name() for layer in made]
    assert len(names) == 2
    assert tree(image) == [names[0], "one", names[1], "two", "three"]
    whole, stopped = made
    assert recipe(whole)["stopped"] is None
    told = recipe(stopped)["stopped"]
    assert (told["scale"], told["scales"]) == (2, 2)
    assert told["iteration"] < told["iterations"] == 10
    # The layers look alike; so the first one is what the second one would have been.
    assert difference(whole, stopped) > 0.003
    assert difference(stopped, image.get_layer_by_name("two")) > 0.02
    assert engines() == []


def test_cancel_leaves_nothing() -> None:
    image = new_image(240, 180)
    new_layer(image, "one", width=200, height=150)
    for press in (Gtk.ResponseType.CANCEL, Gtk.ResponseType.DELETE_EVENT):
        with unchanged(image):
            try:
                _paint(image, ["one"], press, place=0)
            except engine_client.JobCancelled:
                pass
            else:
                raise AssertionError("it went on")
        assert engines() == []
    assert not [window for window in Gtk.Window.list_toplevels() if isinstance(window, GimpUi.Dialog)]
