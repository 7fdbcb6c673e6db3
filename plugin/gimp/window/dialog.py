"""The window in which a person chooses the styles and the settings."""

from __future__ import annotations

from collections.abc import Sequence

from gi.repository import Gimp, GimpUi, Gtk, Pango

from plugin.gimp import restyle
from plugin.gimp.image import output
from plugin.gimp.image.layers import Box
from plugin.gimp.jobs.session import Studio
from plugin.gimp.jobs.variation import Variation
from plugin.gimp.window import accessibility, surprises
from plugin.gimp.window.explore import Explore
from plugin.gimp.window.gallery import Gallery
from plugin.gimp.window.preset_bar import PresetBar
from plugin.gimp.window.preview_pane import Preview
from plugin.gimp.window.style_rows import StyleList, StyleRows
from plugin.gimp.window.thumbnails import Background
from plugin.gimp.window.time_label import Forecast, Subject
from plugin.shared.i18n import _, without_mnemonic
from plugin.shared.settings import TABLE, Group

_IN_FRONT = ("quality", "strength", "style-scale", "preserve-colors")
_PAGES = (Group.OBJECTIVE, Group.SEARCH, Group.PICTURE, Group.MACHINE)
"""The advanced pages by the groups of settings that they show, which are their titles."""

_SETTINGS_WIDTH = 440
"""Pixels; with less there are not four styles in a row, and the scales are too short to be dragged finely."""

_MOST_HEIGHT = 700
"""Pixels that the window opens with, so that it is whole on a screen of 720; the gallery gives way."""


def run(
    procedure: Gimp.Procedure,
    config: Gimp.ProcedureConfig,
    image: Gimp.Image,
    sources: Sequence[Gimp.Layer],
    part: Box | None = None,
    note: str = "",
) -> tuple[Studio, Sequence[Variation]] | None:
    """Show the window until it is closed; ``config`` has what was chosen.

    ``part`` is what is painted of the layer, whatever is selected; ``note`` stands above the settings.

    Returns:
        The window's studio, whose engine is warm and now the caller's to close, and what is to be painted besides as
        variations of what is in ``config``, if any; None when the window was cancelled.
    """
    GimpUi.init(procedure.get_name())
    studio = Studio()
    preview = Preview(image, sources, part, config, studio)
    background = Background()
    styles = StyleList(config)
    gallery = Gallery(styles, background)
    title = without_mnemonic(procedure.get_menu_label()).rstrip("…")
    window = GimpUi.ProcedureDialog.new(procedure, config, title)
    panes = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12, visible=True)
    panes.pack_start(preview, True, True, 0)
    side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, visible=True)
    if note:
        side.pack_start(_note(note), False, False, 0)
    side.pack_start(PresetBar(window, config), False, False, 0)
    side.pack_start(_settings(window, config, gallery, StyleRows(styles, image, background)), True, True, 0)
    panes.pack_start(side, False, False, 0)
    window.get_content_area().pack_start(panes, True, True, 0)
    subject = Subject(image, sources, part, config)
    forecast = Forecast(subject, studio, preview.set_time)
    variations: list[Variation] = []

    def explore(_button: Gtk.Button) -> None:
        preview.pause()
        variations.extend(Explore(window, subject, studio).run())
        if variations:
            window.response(Gtk.ResponseType.OK)
        else:
            preview.resume()

    button = Gtk.Button.new_with_mnemonic(_("E_xplore…"))
    button.set_tooltip_text(_("Small paintings with other settings, to choose from"))
    button.connect("clicked", explore)
    preview.add_button(button)
    accessibility.name_widgets(window)
    size = window.get_preferred_size()[1]
    window.set_default_size(size.width, min(size.height, _MOST_HEIGHT))
    with surprises.told_to(preview.fail):
        confirmed = window.run()
    preview.close()
    forecast.close()
    if confirmed:
        gallery.remember()
    window.destroy()
    background.close()
    while Gtk.events_pending():
        Gtk.main_iteration()  # the window is gone at once, however long the engine takes to end
    if confirmed:
        return studio, variations
    studio.close()
    return None


def _note(sentence: str) -> Gtk.Widget:
    """A bar with a sentence; GimpUi.HintBox would make the window as wide as that."""
    bar = Gtk.InfoBar(message_type=Gtk.MessageType.WARNING, tooltip_text=sentence)
    label = Gtk.Label(label=sentence, wrap=True, wrap_mode=Pango.WrapMode.WORD_CHAR, max_width_chars=40, xalign=0)
    label.set_ellipsize(Pango.EllipsizeMode.END)
    label.set_lines(3)
    bar.get_content_area().add(label)
    bar.show_all()
    return bar


def _settings(window: GimpUi.ProcedureDialog, config: Gimp.ProcedureConfig, *styles: Gtk.Widget) -> Gtk.Notebook:
    """The styles and what matters most on one page, all the rest on the other."""
    for name in ("strength", "style-scale"):
        window.get_scale_entry(name, 1.0)
    choices = [setting.dashed for setting in TABLE if setting.choices]
    for name in (*choices, *_among(config, output.CHOICES)):
        window.get_widget(name, Gtk.ComboBox)  # GIMP 3.2 would make radio buttons of up to three
    for setting in TABLE:
        if setting.maximum is not None and setting.maximum <= 1:
            window.get_spin_scale(setting.dashed, 1.0)  # a spin button cuts the digits of so small a range
    front = window.fill_box("front", [*_IN_FRONT, *_among(config, restyle.NAMES)])
    front.set_spacing(6)
    for place, widget in enumerate(styles):
        front.pack_start(widget, place == 0, True, 0)
        front.reorder_child(widget, place)
    book = Gtk.Notebook(width_request=_SETTINGS_WIDTH)
    for page, title in ((front, _("Painting")), (_advanced(window, config), _("_Advanced"))):
        page.set_border_width(6)
        page.show()
        book.append_page(page, Gtk.Label.new_with_mnemonic(title))
    book.show()
    return book


def _advanced(window: GimpUi.ProcedureDialog, config: Gimp.ProcedureConfig) -> Gtk.Notebook:
    """A page for each group of settings that are not in front, and one for what becomes of the painting."""
    pages = {_(group): [setting.dashed for setting in TABLE if setting.group == group] for group in _PAGES}
    if result := _among(config, output.NAMES):
        pages[_("Result")] = result
        window.get_scale_entry("opacity", 1.0)
    for title, names in pages.items():
        window.get_label(f"{title}-title", title, False, False)
        page = window.fill_box(f"{title}-page", names)
        page.set_border_width(6)
        frame = window.fill_scrolled_window(f"{title}-scrolled", f"{title}-page")
        frame.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
    return window.fill_notebook(
        "pages", [f"{title}-title" for title in pages], [f"{title}-scrolled" for title in pages]
    )


def _among(config: Gimp.ProcedureConfig, names: Sequence[str]) -> list[str]:
    """Those of the names that the procedure has as arguments."""
    return [name for name in names if config.find_property(name)]
