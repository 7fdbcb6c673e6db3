"""The window in which a person chooses the style and the settings."""

from __future__ import annotations

from gi.repository import Gimp, GimpUi, Gio

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
    window.fill(["style", *_IN_FRONT, "advanced"])
    confirmed = window.run()
    window.destroy()
    return confirmed
