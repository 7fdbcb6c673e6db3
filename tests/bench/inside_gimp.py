"""Takes times inside GIMP, for ``in_gimp.py``: what is measured comes with the seconds of every try.

The window opens in this process instead of the filter's own, as in ``tests/gimp/inside/walk.py``, so that the moments
are seen where they happen: a picture counts as soon as GTK has drawn it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from gi.repository import Gegl, Gimp, Gio, GLib, Gtk

import plugin.gimp  # noqa: F401  it asks for the versions of GTK and the others
from plugin.gimp import procedure
from plugin.gimp.jobs.session import Event, Studio
from plugin.gimp.window import progress
from plugin.shared import engine_client
from plugin.shared.protocol import Job, Progress, Result, Sweep
from plugin.shared.settings import Settings
from tests.gimp.inside import stage

ECHO = Path(__file__).with_name("echo_engine.py")

WINDOW, OPENING = "opening to the window", "opening to the first proof picture"
CHANGE, OK = "a changed setting to its first proof picture", "OK to the first progress"
"""What is timed of the window."""

IDLE_SECONDS = 10.0

_PAUSE_MILLISECONDS = 1500
"""Between a moment and the next thing that a person does."""

_PATIENCE_SECONDS = 180

Rows = dict[str, list[float]]


def run(report: str, tries: int, width: int, height: int) -> None:
    """Write to ``report`` the seconds of everything, with a small layer and with one of these pixels."""
    Gegl.init(None)
    rows: Rows = {"GIMP starts the filter's process": [_process() for _number in range(tries)]}
    small, large = _photograph(), _photograph(width, height)
    for image in (small, large):
        layer = image.get_layers()[0]
        of = f", layer of {layer.get_width()} × {layer.get_height()}"
        for number in range(tries):
            for name, seconds in _Visit(image, strength=70.0 - number).moments().items():
                rows.setdefault(name + of, []).append(seconds)
    for kind in ("RGB", "RGBA"):
        name = f"{width} × {height}, {kind}: out of GIMP, through a pipe and back as a new layer"
        rows[name] = [_there_and_back(large, kind == "RGBA") for _number in range(tries)]
    rows[f"processor time of an idle engine in {IDLE_SECONDS:.0f} s"] = [_idle()]
    Path(report).write_text(json.dumps(rows), encoding="utf-8")


def paint_for_long(note: str) -> None:
    """Write this process's id and its engine's to ``note`` and paint until somebody ends one of them."""
    Gegl.init(None)
    image = _photograph()
    order = stage.order(image)
    look = order.look(image.get_layers()[0])
    job = order.job(look, order.masks(look))
    with engine_client.Engine() as engine:
        for event in engine.run(dataclasses.replace(job, settings=Settings(quality="high", size=256))):
            if isinstance(event, Progress) and event.iteration == 5:
                partial = Path(f"{note}.partial")
                partial.write_text(f"{os.getpid()} {engine.process_id}", encoding="ascii")
                partial.rename(note)


class _Visit:
    """A person opens the window, waits for a picture, changes the strength, waits again and presses OK."""

    def __init__(self, image: Gimp.Image, strength: float) -> None:
        self._image, self._strength = image, strength
        self._since = 0.0
        self._studio: Studio | None = None
        self._has_changed = False
        self._moments: dict[str, float] = {}

    def moments(self) -> dict[str, float]:
        """The seconds from what the person does to what they see."""
        own = procedure.NeuralStyle.do_create_procedure(Gimp.get_plug_in(), f"{procedure.NAME}-bench")
        self._config = own.create_config()
        self._config.set_property("style", Gio.File.new_for_path(str(stage.STYLE)))
        ask, tell = Studio.ask, progress.Window.tell
        visit = self

        def asked(studio: Studio, work: Job | Sweep, on_event: Callable[[Event], None], *more: Any) -> None:
            visit._studio, is_new = studio, visit._has_changed

            def heard(event: Event) -> None:
                on_event(event)
                if isinstance(event, Result) or (isinstance(event, Progress) and event.preview):
                    _when_drawn(lambda: visit._picture(is_new))

            ask(studio, work, heard, *more)

        def told(window: progress.Window, event: Progress, place: int) -> None:
            tell(window, event, place)
            _when_drawn(visit._told)

        patience = GLib.timeout_add_seconds(_PATIENCE_SECONDS, self._lose_patience)
        GLib.timeout_add(10, self._look)
        with mock.patch.object(Studio, "ask", asked), mock.patch.object(progress.Window, "tell", told):
            self._since = time.perf_counter()
            procedure.run(own, Gimp.RunMode.INTERACTIVE, self._image, self._image.get_layers()[:1], self._config, None)
        GLib.source_remove(patience)
        assert set(self._moments) == {WINDOW, OPENING, CHANGE, OK}, self._moments
        return self._moments

    def _look(self) -> bool:
        """Whether the window is there."""
        self._window = next((each for each in Gtk.Window.list_toplevels() if each.get_mapped()), None)
        if self._window is None:
            return GLib.SOURCE_CONTINUE
        self._note(WINDOW)
        return GLib.SOURCE_REMOVE

    def _picture(self, is_new: bool) -> None:
        """GTK has drawn a picture that was asked for before the change, or after it."""
        name = CHANGE if is_new else OPENING
        if name not in self._moments:
            self._note(name)
            GLib.timeout_add(_PAUSE_MILLISECONDS, self._click if is_new else self._change)

    def _change(self) -> bool:
        self._since, self._has_changed = time.perf_counter(), True
        self._config.set_property("strength", self._strength)
        return GLib.SOURCE_REMOVE

    def _click(self) -> bool:
        self._since = time.perf_counter()
        assert self._window is not None
        self._window.response(Gtk.ResponseType.OK)
        return GLib.SOURCE_REMOVE

    def _told(self) -> None:
        """GTK has drawn how far the painting is."""
        if OK not in self._moments:
            self._note(OK)
            assert self._studio is not None
            self._studio.give_up()

    def _lose_patience(self) -> bool:
        print(f"It was waited too long; this is what came: {self._moments}", file=sys.stderr, flush=True)
        os._exit(1)

    def _note(self, name: str) -> None:
        self._moments[name] = time.perf_counter() - self._since


def _when_drawn(then: Callable[[], None]) -> None:
    """Call when GTK has nothing to draw any more."""

    def call() -> bool:
        then()
        return GLib.SOURCE_REMOVE

    GLib.idle_add(call, priority=GLib.PRIORITY_LOW)


def _photograph(width: int = 0, height: int = 0) -> Gimp.Image:
    """The sample photograph, at its own size or another."""
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(stage.PHOTOGRAPH)))
    if width:
        image.scale(width, height)
    return image


def _process() -> float:
    """Until GIMP has the filter's answer that no style is chosen."""
    image = stage.new_image()
    layer = stage.new_layer(image, "layer")
    start = time.perf_counter()
    outcome = stage.stylize(image, [layer], None)
    seconds = time.perf_counter() - start
    assert outcome.status == stage.ERROR
    image.delete()
    return seconds


def _there_and_back(image: Gimp.Image, alpha: bool) -> float:
    (layer,) = image.get_layers()
    if alpha and not layer.has_alpha():
        layer.add_alpha()
    order = stage.order(image)
    echo = f"{shlex.quote(sys.executable)} {shlex.quote(str(ECHO))}"
    with mock.patch.dict(os.environ, {"NEURAL_STYLE_ENGINE": echo}):
        start = time.perf_counter()
        (made,) = procedure.stylize([layer], order)
        seconds = time.perf_counter() - start
    image.remove_layer(made)
    return seconds


def _idle() -> float:
    """Processor seconds, user and system, of an engine that has painted and is asked for nothing more."""
    image = _photograph()
    order = stage.order(image)
    look = order.look(image.get_layers()[0])
    with engine_client.Engine() as engine:
        for _event in engine.run(order.job(look, order.masks(look))):
            pass
        time.sleep(1)
        before = _processor_seconds(engine.process_id)
        time.sleep(IDLE_SECONDS)
        return _processor_seconds(engine.process_id) - before


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
