"""Every window of the filter, opened in this process instead of the filter's own, walked through and cancelled.

Layers, styles and presets have long names. No engine answers: a window is shown as it opens, or as it is made to be.
"""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from unittest import mock

from gi.repository import GdkPixbuf, Gimp, GimpUi, Gio, GLib, Gtk

from plugin.gimp import procedure
from plugin.gimp.image.layers import Refusal
from plugin.gimp.jobs import provenance
from plugin.gimp.jobs.session import Studio
from plugin.gimp.window import questions
from plugin.gimp.window.explore import Explore
from plugin.gimp.window.preset_bar import PresetBar
from plugin.gimp.window.preview_pane import Preview
from plugin.gimp.window.progress import Window
from plugin.gimp.window.thumbnails import Background
from plugin.gimp.window.time_label import Subject
from plugin.shared import preset_files
from plugin.shared.i18n import _
from plugin.shared.preset_files import Preset
from plugin.shared.protocol import Progress, Result
from plugin.shared.settings import Settings
from tests.gimp.inside import stage, walk
from tests.gimp.inside.walk import Page

LONG = "a name of the kind that cameras, archives and careful people give to their pictures and layers, 2026-11-22"

_OWN = "-tour"
"""At the end of the names of procedures that this process makes for itself."""

SILENT = {"NEURAL_STYLE_ENGINE": "sleep 600"}
_MISSING = {"NEURAL_STYLE_ENGINE_DIR": "/nowhere"}


@functools.cache
def pages() -> list[Page]:
    """What was seen."""
    style = stage.FOLDER / f"{LONG}.jpg"
    shutil.copy(stage.STYLE, style)
    image = stage.new_image()
    layer = stage.new_layer(image, LONG)
    GimpUi.init("neural-style")
    found = []
    with mock.patch.dict(os.environ, {"XDG_CONFIG_HOME": str(stage.FOLDER / "config")}):
        with mock.patch.dict(os.environ, _MISSING):
            found += walk.through(lambda: _filter(image, layer, style), _misses_engine)
        with mock.patch.dict(os.environ, SILENT):
            found += walk.through(lambda: _filter(image, layer, style), _show_both)
            found += walk.through(lambda: _filter(image, layer, style), _fail)
            found += walk.through(lambda: restyle(image, _painted(image, layer)))
            found += walk.through(lambda: _explore(image, layer, style))
            found += walk.through(lambda: _paint(image, layer))
        found += walk.through(_ask)
    return found


def _filter(image: Gimp.Image, layer: Gimp.Layer, style: Path) -> None:
    own = _own_procedure(procedure.NAME)
    config = own.create_config()
    config.set_property("style", Gio.File.new_for_path(str(style)))
    config.set_property("more-styles", [str(style)])
    _cancelled(own, image, layer, config)


def _painted(image: Gimp.Image, layer: Gimp.Layer) -> Gimp.Layer:
    """A layer that a version has painted which had a setting more, with a long name."""
    wanted, painted = stage.order(image), stage.new_layer(image, "painted")
    look = wanted.look(layer)
    result = Result(0, look.picture(), "cpu", seconds=0, trace=[], report={"settings": {LONG: 1}})
    painted.attach_parasite(provenance.make(look, wanted, result))
    return painted


def restyle(image: Gimp.Image, painted: Gimp.Layer) -> None:
    """Open the window of *Restyle…*; it must be cancelled."""
    with mock.patch.object(procedure, "RESTYLE", f"{procedure.RESTYLE}{_OWN}"):
        own = _own_procedure("plug-in-neural-style-restyle")
        _cancelled(own, image, painted, own.create_config())


def _own_procedure(name: str) -> Gimp.Procedure:
    """One like that which GIMP knows, and which lacks the arguments for the window alone."""
    return procedure.NeuralStyle.do_create_procedure(Gimp.get_plug_in(), f"{name}{_OWN}")


def _cancelled(own: Gimp.Procedure, image: Gimp.Image, layer: Gimp.Layer, config: Gimp.ProcedureConfig) -> None:
    values = procedure.run(own, Gimp.RunMode.INTERACTIVE, image, [layer], config, None)
    assert values.index(0) == Gimp.PDBStatusType.CANCEL, values.index(1)


def _show_both(window: Gtk.Dialog) -> bool:
    """Show a proof, with the line before it, and how long the painting takes on a device with a long name."""
    (preview,) = walk.below(window, Preview)
    picture = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, 64, 48)
    preview._view.show_pictures(picture, picture)
    preview.set_time(LONG)
    return True


def _fail(window: Gtk.Dialog) -> bool:
    """Say that it cannot be painted, for a long reason."""
    (preview,) = walk.below(window, Preview)
    preview.fail(Refusal(f"{LONG}: {LONG}."))
    return preview._failure.get_mapped()


def _misses_engine(window: Gtk.Dialog) -> bool:
    """Whether it is said that there is no engine."""
    (preview,) = walk.below(window, Preview)
    return preview._missing.get_mapped()


def _explore(image: Gimp.Image, layer: Gimp.Layer, style: Path) -> None:
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    config.set_property("style", Gio.File.new_for_path(str(style)))
    with Studio() as studio:
        assert not Explore(Gtk.Window(), Subject(image, [layer], None, config), studio).run()


def _paint(image: Gimp.Image, layer: Gimp.Layer) -> None:
    look = stage.order(image).look(layer)
    with Studio() as studio, Window([look, look], studio) as window:
        window.tell(Progress(0, 2, 3, 1024, 768, 120, 500, 0.4, 100.0, 4000.0), 0)
        while window._dialog.get_visible():
            GLib.MainContext.default().iteration(True)


def _ask() -> None:
    """What the entries of the menu of presets ask, what else is asked, and that something is wrong."""
    preset_files.save(Preset(LONG, Settings(strength=80.0)))
    config = Gimp.get_pdb().lookup_procedure(procedure.NAME).create_config()
    config.set_property("strength", 80.0)
    window = Gtk.Window()
    bar = PresetBar(window, config)
    window.add(bar)
    (button,) = walk.below(bar, Gtk.MenuButton)
    for entry in button.get_popup().get_children():
        entry.activate()
    bar._may_have(preset_files.clean_name(LONG))
    questions.tell(window, f"{LONG}: {LONG}.")
    background = Background()
    questions.pictures(window, _("Add Styles"), background)
    background.close()
    window.destroy()
