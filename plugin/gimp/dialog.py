"""The window in which a person chooses the styles and the settings."""

from __future__ import annotations

from collections.abc import Sequence

from gi.repository import Gimp, GimpUi, Gtk

from plugin.gimp.gallery import Gallery
from plugin.gimp.presets import PresetBar
from plugin.gimp.preview import Preview
from plugin.gimp.studio import Studio
from plugin.gimp.styles import StyleList, StyleRows
from plugin.gimp.thumbnails import Background
from plugin.settings import TABLE, Group
from plugin.words import _

_IN_FRONT = ("quality", "strength", "style-scale", "preserve-colors")
_PAGES = (Group.OBJECTIVE, Group.SEARCH, Group.PICTURE, Group.MACHINE)
"""The advanced pages by the groups of settings that they show, which are their titles."""

_SETTINGS_WIDTH = 440
"""Pixels; with less there are not four styles in a row, and the scales are too short to be dragged finely."""


def run(
    procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, image: Gimp.Image, sources: Sequence[Gimp.Layer]
) -> Studio | None:
    """Show the window until it is closed; ``config`` has what was chosen.

    Returns:
        The window's studio, whose engine is warm and now the caller's to close; None when the window was cancelled.
    """
    GimpUi.init(procedure.get_name())
    studio = Studio()
    preview = Preview(image, sources, config, studio)
    background = Background()
    styles = StyleList(config)
    gallery = Gallery(styles, background)
    window = GimpUi.ProcedureDialog.new(procedure, config, _("Neural Style Transfer"))
    panes = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12, visible=True)
    panes.pack_start(preview, True, True, 0)
    side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, visible=True)
    side.pack_start(PresetBar(window, config), False, False, 0)
    side.pack_start(_settings(window, gallery, StyleRows(styles, image, background)), True, True, 0)
    panes.pack_start(side, False, False, 0)
    window.get_content_area().pack_start(panes, True, True, 0)
    confirmed = window.run()
    preview.close()
    if confirmed:
        gallery.remember()
    window.destroy()
    background.close()
    while Gtk.events_pending():
        Gtk.main_iteration()  # the window is gone at once, however long the engine takes to end
    if confirmed:
        return studio
    studio.close()
    return None


def _settings(window: GimpUi.ProcedureDialog, *styles: Gtk.Widget) -> Gtk.Notebook:
    """The styles and what matters most on one page, all the rest on the other."""
    for name in ("strength", "style-scale"):
        window.get_scale_entry(name, 1.0)
    for setting in TABLE:
        if setting.maximum is not None and setting.maximum <= 1:
            window.get_spin_scale(setting.dashed, 1.0)  # a spin button cuts the digits of so small a range
    front = window.fill_box("front", list(_IN_FRONT))
    front.set_spacing(6)
    for place, widget in enumerate(styles):
        front.pack_start(widget, place == 0, True, 0)
        front.reorder_child(widget, place)
    book = Gtk.Notebook(width_request=_SETTINGS_WIDTH)
    for page, title in ((front, _("Painting")), (_advanced(window), _("_Advanced"))):
        page.set_border_width(6)
        page.show()
        book.append_page(page, Gtk.Label.new_with_mnemonic(title))
    book.show()
    return book


def _advanced(window: GimpUi.ProcedureDialog) -> Gtk.Notebook:
    """A page for each group of settings that are not in front."""
    for group in _PAGES:
        window.get_label(f"{group}-title", group, False, False)
        page = window.fill_box(f"{group}-page", [setting.dashed for setting in TABLE if setting.group == group])
        page.set_border_width(6)
        scrolled = window.fill_scrolled_window(f"{group}-scrolled", f"{group}-page")
        scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
    titles, pages = ([f"{group}-{part}" for group in _PAGES] for part in ("title", "scrolled"))
    return window.fill_notebook("pages", titles, pages)
