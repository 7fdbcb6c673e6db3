"""Opening the window writes nothing: what nobody touches there is painted as it was given."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from gi.repository import Gimp, Gio, GLib, Gtk

from plugin.gimp import procedure
from plugin.gimp.window import dialog
from plugin.gimp.window.preview_pane import Preview
from plugin.gimp.window.style_rows import StyleRows
from plugin.shared import starter_styles
from plugin.shared.settings import TABLE, Setting
from tests.gimp.inside.stage import STYLE, new_image, new_layer
from tests.gimp.inside.walk import below

_POPPIES = starter_styles.FOLDER / "hokusai_poppies.jpg"
_NO_ENGINE = {"NEURAL_STYLE_ENGINE": "sleep 600"}
"""One that never says a word."""


def own_procedure() -> Gimp.Procedure:
    """The filter with the arguments for the window alone, which GIMP's own lacks."""
    return procedure.NeuralStyle.do_create_procedure(Gimp.get_plug_in(), f"{procedure.NAME}-opening")


def opened(
    config: Gimp.ProcedureConfig,
    image: Gimp.Image,
    layers: Sequence[Gimp.Layer],
    use: Callable[[Preview], None] = lambda preview: None,
) -> None:
    """Open the window for some layers, use it as soon as all of it is there, and press OK."""
    failures: list[BaseException] = []

    def used() -> bool:
        for window in Gtk.Window.list_toplevels():
            for preview in below(window, Preview):
                if preview.get_mapped():
                    try:
                        use(preview)
                    except BaseException as failure:
                        failures.append(failure)
                    window.response(Gtk.ResponseType.OK)
                    return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    GLib.timeout_add(300, used)
    answer = dialog.run(config.get_procedure(), config, image, layers)
    assert not failures, failures
    assert answer is not None, "it was cancelled"
    answer[0].close()


def _odd(setting: Setting) -> Any:
    """A value that a script may give and a widget may round, or not show at all."""
    if setting.choices:
        return setting.choices[-1].value
    if setting.kind is bool:
        return not setting.default
    if setting.kind is str:
        return {"blend": " 0.2, 0.8", "content_layers": "relu4_2:0.123456789"}.get(setting.name, "")
    assert setting.minimum is not None and setting.maximum is not None
    return setting.kind(setting.minimum + (setting.maximum - setting.minimum) / 7)


def _arguments(config: Gimp.ProcedureConfig) -> dict[str, Any]:
    """Every argument, with what is the same for the same file in its place."""
    values = {
        each.name: config.get_property(each.name) for each in config.list_properties() if each.name != "procedure"
    }
    return {name: value.get_uri() if isinstance(value, Gio.File) else value for name, value in values.items()}


def test_ok_without_a_touch_leaves_every_argument_as_it_was() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    for blend, regions in (
        (" 0.2, 0.8", ["", "layer"]),
        ("1000,1", ["of another image", "selection"]),
        ("60,much", ["", "", "one too many"]),
        ("", []),
    ):
        config = own_procedure().create_config()
        config.set_property("style", Gio.File.new_for_path(str(STYLE)))
        config.set_property("more-styles", [str(_POPPIES)])
        for setting in TABLE:
            config.set_property(setting.dashed, _odd(setting))
        config.set_property("blend", blend)
        config.set_property("regions", regions)
        config.set_property("opacity", 100 / 7)
        before = _arguments(config)
        with mock.patch.dict(os.environ, _NO_ENGINE):
            opened(config, image, [layer])
        assert _arguments(config) == before


def test_where_no_style_is_given_the_first_starter_is_chosen_and_all_else_stays() -> None:
    image = new_image()
    config = own_procedure().create_config()
    config.set_property("more-styles", [str(_POPPIES)])
    config.set_property("blend", "1,3")
    before = _arguments(config)

    def look(preview: Preview) -> None:
        (rows,) = below(preview.get_toplevel(), StyleRows)
        assert len(rows._shown) == 2

    with mock.patch.dict(os.environ, _NO_ENGINE):
        opened(config, image, [new_layer(image, "layer")], look)
    assert _arguments(config) == before | {"style": starter_styles.FIRST.as_uri()}
