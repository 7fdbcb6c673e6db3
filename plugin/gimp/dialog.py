"""The window in which a person chooses the style and the settings."""

from __future__ import annotations

from gi.repository import Gimp, GimpUi, Gio, GObject, Gtk

from plugin import locations

_FIRST_STYLE = locations.PLUG_IN_ROOT / "plugin" / "styles" / "van_gogh_village_street_in_auvers.jpg"
"""What the window opens with the first time, so that it also shows where the starter styles are."""

_IN_FRONT = ("quality", "strength", "style-scale", "preserve-colors")
_ADVANCED = ("size", "seed", "device")


def run(procedure: Gimp.Procedure, config: Gimp.ProcedureConfig) -> bool:
    """Show the window until it is closed; ``config`` has what was chosen. False when it was cancelled."""
    GimpUi.init(procedure.get_name())
    if config.get_property("style") is None:
        config.set_property("style", Gio.File.new_for_path(str(_FIRST_STYLE)))
    window = GimpUi.ProcedureDialog.new(procedure, config, "Neural Style Transfer")
    for name in ("strength", "style-scale"):
        window.get_scale_entry(name, 1.0)
    window.get_label("advanced-title", "_Advanced", False, True)
    window.fill_box("advanced-settings", _ADVANCED)
    expander = window.fill_expander("advanced", "advanced-title", False, "advanced-settings")
    expander.set_expanded(False)
    window.fill([*_IN_FRONT, "advanced"])
    style = _style_chooser(config)
    labels = Gtk.SizeGroup.new(Gtk.SizeGroupMode.HORIZONTAL)
    labels.add_widget(style.get_label_widget())
    labels.add_widget(window.get_widget("quality", GObject.TYPE_NONE).get_label())
    box = window.get_content_area()
    box.pack_start(style, False, False, 0)
    box.reorder_child(style, 0)
    confirmed = window.run()
    window.destroy()
    return confirmed


def _style_chooser(config: Gimp.ProcedureConfig) -> GimpUi.FileChooser:
    """GIMP makes such a widget only for arguments that it checks itself, with a sentence that nobody understands."""
    chooser = GimpUi.FileChooser.new(Gimp.FileChooserAction.OPEN, "St_yle", "Choose the Style", None)
    both_ways = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
    config.bind_property("style", chooser, "file", both_ways)
    chooser.set_spacing(6)
    chooser.show()
    return chooser
