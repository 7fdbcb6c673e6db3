"""The window with small variations, with the real engine, and the layers that are made of what is chosen in it."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from typing import Any
from unittest import mock

from gi.repository import GdkPixbuf, Gimp, GimpUi, Gio, GLib, Gtk

from plugin.gimp import procedure
from plugin.gimp.jobs.session import Studio
from plugin.gimp.jobs.variation import Variation
from plugin.gimp.window.explore import Explore, _Cell
from plugin.gimp.window.time_label import Forecast, Subject
from plugin.shared import engine_client
from plugin.shared.protocol import Estimate, Estimated
from tests.gimp.inside.stage import FAST, STYLE, engines, native, new_image, new_layer, order, recipe, tree, unchanged
from tests.gimp.inside.studio import wait

_WEAK, _STRONG = Variation({"strength": 20.0, "style_scale": 50.0}), Variation({"strength": 80.0})


def _subject(image: Gimp.Image, sources: list[Gimp.Layer]) -> Subject:
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    config.set_property("style", Gio.File.new_for_path(str(STYLE)))
    for name, value in (FAST | {"iterations": 5}).items():
        config.set_property(name, value)
    return Subject(image, sources, None, config)


def _explored(subject: Subject, use: Callable[[Explore], None]) -> list[Variation]:
    """Use the window, which somebody must close, and return what was chosen in it."""
    failures: list[BaseException] = []

    def used(window: Explore) -> bool:
        try:
            use(window)
        except BaseException as failure:
            failures.append(failure)
            window._dialog.response(Gtk.ResponseType.CLOSE)
        return GLib.SOURCE_REMOVE

    GimpUi.init("neural-style")
    with Studio() as studio:
        window = Explore(Gtk.Window(), subject, studio)
        GLib.idle_add(used, window)
        chosen = window.run()
    assert not failures, failures
    assert engines() == []
    return chosen


def test_variations_become_layers_of_a_group_painted_as_a_normal_run_does() -> None:
    image = new_image()
    below, above = new_layer(image, "below"), new_layer(image, "above", x=8, y=8)
    above.set_opacity(60)
    above.set_mode(Gimp.LayerMode.MULTIPLY)
    wanted = order(image)
    wanted = dataclasses.replace(wanted, settings=dataclasses.replace(wanted.settings, iterations=5))
    (layer,) = procedure.stylize([above], _WEAK.of(wanted))
    alone = native(layer)
    image.remove_layer(layer)

    made = procedure.stylize([above, below], wanted, variations=[_WEAK, _STRONG])

    names = ["Strength 20, Stroke size 50 %", "Strength 80"]
    style = wanted.styles[0].name
    again = [f"{name} #1" for name in names]  # by GIMP, whose names are unique
    assert tree(image) == [[f"above — {style}", names], "above", [f"below — {style}", again], "below"], tree(image)
    assert [layer.get_name() for layer in made] == [*names, *again]
    assert native(made[0]) == alone
    assert native(made[1]) != native(made[0])
    assert recipe(made[0])["settings"]["strength"] == 20
    assert recipe(made[1])["settings"]["style_scale"] == wanted.settings.style_scale
    group = made[0].get_parent()
    assert (group.get_opacity(), group.get_mode()) == (60, Gimp.LayerMode.MULTIPLY)
    assert (made[0].get_opacity(), made[0].get_mode()) == (100, Gimp.LayerMode.NORMAL)
    assert made[0].get_offsets() == above.get_offsets()
    assert {*image.get_selected_layers()} == {group, made[2].get_parent()}


def test_cells_fill_in_from_the_present_settings_a_click_takes_theirs_and_checked_ones_are_returned() -> None:
    image = new_image()
    subject = _subject(image, [new_layer(image, "one")])
    config = subject.config
    config.set_property("strength", 60.0)
    arrived: list[dict[str, Any]] = []
    show = _Cell.show

    def show_and_count(cell: _Cell, picture: GdkPixbuf.Pixbuf) -> None:
        arrived.append(dict(cell.variation.changed))
        show(cell, picture)

    def use(window: Explore) -> None:
        assert list(window._vary.values()) == [[71, 100, 140], [20, 40, 60, 80, 100]]
        wait(lambda: len(arrived) == 4, "the first cells")
        assert (config.get_property("strength"), config.get_property("style-scale")) == (60, 100)
        window._cells[0, 3]._button.clicked()
        assert (config.get_property("strength"), config.get_property("style-scale")) == (80, 71)
        wait(lambda: len(arrived) == 15, "all cells")
        wait(lambda: not window._status.get_text(), "the end")
        window._cells[2, 1]._check.set_active(True)
        window._cells[0, 3]._check.set_active(True)
        wait(lambda: window._add.get_tooltip_text(), "the time that they take")
        window._dialog.response(Gtk.ResponseType.ACCEPT)

    with unchanged(image), mock.patch.object(_Cell, "show", show_and_count):
        chosen = _explored(subject, use)

    assert [one.changed for one in chosen] == [
        {"style_scale": 71, "strength": 80},
        {"style_scale": 140, "strength": 40},
    ]
    assert arrived[0] == {"style_scale": 100, "strength": 60}
    assert {"style_scale": 71, "strength": 60} in arrived[:5]
    assert len(set(map(str, arrived))) == 15


def test_other_settings_can_be_varied_and_what_goes_wrong_is_said() -> None:
    image = new_image()
    subject = _subject(image, [new_layer(image, "one")])

    def use(window: Explore) -> None:
        window._down.set_active_id("preserve_colors")
        assert list(window._vary) == ["preserve_colors", "strength"]
        window._across.set_active_id("preserve_colors")
        assert list(window._vary) == ["strength", "preserve_colors"]
        assert len(window._cells) == 9
        subject.config.set_property("style", Gio.File.new_for_path("/nowhere.png"))
        window._down.set_active_id("tileable")
        assert "nowhere.png" in window._status.get_text()
        subject.config.set_property("style", Gio.File.new_for_path(str(STYLE)))
        window._across.set_active_id("pooling")
        wait(lambda: window._studio._engine, "the engine")
        wait(lambda: window._cells[1, 1]._large, "the last cell")
        window._cells[1, 1]._check.set_active(True)
        window._dialog.response(Gtk.ResponseType.CLOSE)

    assert _explored(subject, use) == []


def test_an_engine_that_dies_before_it_has_said_how_long_a_cell_takes_is_told() -> None:
    image = new_image()
    subject = _subject(image, [new_layer(image, "one")])
    estimate = engine_client.Engine.estimate

    def dying(engine: engine_client.Engine, question: Estimate) -> Estimated:
        engine.kill()
        return estimate(engine, question)

    def use(window: Explore) -> None:
        with mock.patch.object(engine_client.Engine, "estimate", dying):
            wait(lambda: "stopped unexpectedly" in window._status.get_text(), "word of the engine's death")
        assert window._status.get_tooltip_text() == window._status.get_text()
        window._down.set_active_id("tileable")  # begins anew
        wait(lambda: not window._waiting, "all cells")
        assert "stopped" not in (window._status.get_tooltip_text() or "")
        with mock.patch.object(_Cell, "show", side_effect=ZeroDivisionError("a surprise")):
            window._down.set_active_id("style_scale")
            wait(lambda: "(ZeroDivisionError: a surprise)" in window._status.get_text(), "word of a surprise")
        window._dialog.response(Gtk.ResponseType.CLOSE)

    assert _explored(subject, use) == []


def test_the_forecast_says_when_it_cannot_be_had_and_asks_again_when_there_is_an_engine() -> None:
    image = new_image()
    subject = _subject(image, [new_layer(image, "one")])
    told: list[str] = []
    with Studio() as studio, mock.patch("plugin.gimp.window.time_label._AGAIN_SECONDS", 1):
        with mock.patch.object(engine_client, "command", side_effect=engine_client.EngineError("It does not start.")):
            forecast = Forecast(subject, studio, told.append)
            wait(lambda: told, "word that it cannot be had")
        assert told == ["How long it takes is not known. It does not start."]
        studio.start()  # as who presses Try Again does
        wait(lambda: told[-1].startswith("About "), "a sentence about time")

        (engine,) = engines()
        os.kill(engine, signal.SIGKILL)
        os.waitid(os.P_PID, engine, os.WEXITED | os.WNOWAIT)
        subject.config.set_property("quality", "high")
        subject.config.set_property("size", 2000)
        wait(lambda: told[-1].endswith((" min on this computer's CPU", " h on this computer's CPU")), "another engine")
        forecast.close()
    assert engines() == []


def test_the_forecast_follows_the_settings() -> None:
    image = new_image()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 40, 40)
    subject = _subject(image, [new_layer(image, "one")])
    assert subject.estimate().contents == [[40, 40]]
    subject.config.set_property("regions", ["selection"])
    assert subject.estimate().contents == [[64, 48]]
    twice = dataclasses.replace(subject, sources=[*subject.sources, *subject.sources])
    assert twice.estimate().contents == [[64, 48]] * 2
    told: list[str] = []
    with Studio() as studio, mock.patch("plugin.gimp.window.time_label._AGAIN_SECONDS", 1):
        forecast = Forecast(subject, studio, told.append)
        wait(lambda: told and told[-1], "the first sentence")
        assert told[-1].startswith("About ") and told[-1].endswith(" on this computer's CPU")
        first = told[-1]
        subject.config.set_property("quality", "high")
        subject.config.set_property("size", 2000)
        wait(lambda: told[-1] != first, "another sentence")
        assert told[-1].endswith((" min on this computer's CPU", " h on this computer's CPU")), told[-1]
        subject.config.set_property("style-layers", "nonsense")
        wait(lambda: not told[-1], "nothing to say")
        forecast.close()
    assert engines() == []
