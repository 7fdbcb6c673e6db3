"""The window in which a person chooses the styles and the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gi.repository import Atk, Gimp, GimpUi, Gio, GObject, Gtk, Pango

from plugin import locations
from plugin.gimp import access, layers, output, restyle
from plugin.gimp.explore import Explore
from plugin.gimp.forecast import Forecast, Subject
from plugin.gimp.layers import Box
from plugin.gimp.preview import Preview
from plugin.gimp.studio import Studio
from plugin.gimp.variation import Variation
from plugin.settings import TABLE, Group
from plugin.words import _, without_mnemonic

_FIRST_STYLE = locations.PLUG_IN_ROOT / "plugin" / "styles" / "van_gogh_village_street_in_auvers.jpg"
"""What the window opens with the first time, so that it also shows where the starter styles are."""

_IN_FRONT = ("quality", "strength", "style-scale", "preserve-colors")
_PAGES = {_("Styles"): Group.FRONT} | {
    _(group): group for group in (Group.OBJECTIVE, Group.SEARCH, Group.PICTURE, Group.MACHINE)
}
"""The titles of the advanced pages, each with the group of settings that it shows."""

_PAGE_HEIGHT = 270
"""Pixels before an advanced page scrolls: with it the window has 635 and stays on a screen of 720."""

_SETTINGS_WIDTH = 390
"""Pixels; with less the scales are too short to be dragged finely."""


def run(
    procedure: Gimp.Procedure,
    config: Gimp.ProcedureConfig,
    image: Gimp.Image,
    sources: Sequence[Gimp.Layer],
    part: Box | None = None,
) -> tuple[Studio, Sequence[Variation]] | None:
    """Show the window until it is closed; ``config`` has what was chosen.

    ``part`` is what is painted of the layer, whatever is selected.

    Returns:
        The window's studio, whose engine is warm and now the caller's to close, and what is to be painted besides as
        variations of what is in ``config``, if any; None when the window was cancelled.
    """
    GimpUi.init(procedure.get_name())
    if config.get_property("style") is None:
        config.set_property("style", Gio.File.new_for_path(str(_FIRST_STYLE)))
    studio = Studio()
    preview = Preview(image, sources, part, config, studio)
    title = without_mnemonic(procedure.get_menu_label()).rstrip("…")
    window = GimpUi.ProcedureDialog.new(procedure, config, title)
    panes = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12, visible=True)
    panes.pack_start(preview, True, True, 0)
    panes.pack_start(_settings(window, config, image), False, False, 0)
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
    access.name_widgets(window)
    confirmed = window.run()
    preview.close()
    forecast.close()
    window.destroy()
    while Gtk.events_pending():
        Gtk.main_iteration()  # the window is gone at once, however long the engine takes to end
    if confirmed:
        return studio, variations
    studio.close()
    return None


def _settings(window: GimpUi.ProcedureDialog, config: Gimp.ProcedureConfig, image: Gimp.Image) -> Gtk.Box:
    """The right side: the style, what matters most, and all the rest under *Advanced*."""
    for name in ("strength", "style-scale"):
        window.get_scale_entry(name, 1.0)
    for setting in TABLE:
        if setting.choices:
            window.get_widget(setting.dashed, Gtk.ComboBox)  # GIMP 3.2 would make radio buttons of up to three
        if setting.maximum is not None and setting.maximum <= 1:
            window.get_spin_scale(setting.dashed, 1.0)  # a spin button cuts the digits of so small a range
    _advanced(window, config, image)
    box = window.fill_box("settings", [*_IN_FRONT, *_among(config, restyle.NAMES), "advanced"])
    style = _style_chooser(config)
    labels = Gtk.SizeGroup.new(Gtk.SizeGroupMode.HORIZONTAL)
    labels.add_widget(style.get_label_widget())
    labels.add_widget(window.get_widget("quality", GObject.TYPE_NONE).get_label())
    box.pack_start(style, False, False, 0)
    box.reorder_child(style, 0)
    box.set_size_request(_SETTINGS_WIDTH, -1)
    box.show()
    return box


def _advanced(window: GimpUi.ProcedureDialog, config: Gimp.ProcedureConfig, image: Gimp.Image) -> None:
    """Make the expander ``advanced`` with a page for each group of settings."""
    pages = {title: [name for name in _names(group) if name not in _IN_FRONT] for title, group in _PAGES.items()}
    if result := _among(config, output.NAMES):
        pages[_("Result")] = result
    for title, names in pages.items():
        window.get_label(f"{title}-title", title, False, False)
        page = window.fill_box(f"{title}-page", names)
        page.set_border_width(6)
        if title == _("Styles"):
            styles = _Styles(window, config, image)
            page.pack_start(styles, False, False, 0)
            page.reorder_child(styles, 0)
        scrolled = window.fill_scrolled_window(f"{title}-scrolled", f"{title}-page")
        scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
        scrolled.set_min_content_height(_PAGE_HEIGHT)
    window.fill_notebook("pages", [f"{title}-title" for title in pages], [f"{title}-scrolled" for title in pages])
    window.get_label("advanced-title", _("_Advanced"), False, True)
    advanced = window.fill_expander("advanced", "advanced-title", False, "pages")
    advanced.set_resize_toplevel(False)  # the window has room for much of it, and grows by itself for the rest
    # Nobody should wonder about a style that was added another time and is out of sight.
    advanced.set_expanded(bool(config.get_property("more-styles")))


def _among(config: Gimp.ProcedureConfig, names: Sequence[str]) -> list[str]:
    """Those of the names that the procedure has as arguments."""
    return [name for name in names if config.find_property(name)]


def _names(group: str) -> list[str]:
    return [setting.dashed for setting in TABLE if setting.group == group]


def _style_chooser(config: Gimp.ProcedureConfig) -> GimpUi.FileChooser:
    """GIMP makes such a widget only for arguments that it checks itself, with a sentence that nobody understands."""
    chooser = GimpUi.FileChooser.new(Gimp.FileChooserAction.OPEN, _("St_yle"), _("Choose the Style"), None)
    both_ways = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
    config.bind_property("style", chooser, "file", both_ways)
    chooser.set_spacing(6)
    chooser.show()
    return chooser


class _Styles(Gtk.Box):
    """Every style with the region where it is wanted: the arguments ``more-styles`` and ``regions``."""

    def __init__(self, window: Gtk.Window, config: Gimp.ProcedureConfig, image: Gimp.Image) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._window, self._config = window, config
        names = [item.get_name() for item in (*image.get_channels(), *_all_layers(image.get_layers()))]
        self._places = {"": _("Everywhere"), layers.SELECTION: _("Selection")} | {name: name for name in names}
        # What was chosen for another image may not be here, and what is not shown must not be asked for.
        config.set_property("regions", self._regions())
        self._shown: tuple[str | None, list[str], list[str]] | None = None
        self._rows = Gtk.Grid(row_spacing=6, column_spacing=6)
        add = Gtk.Button.new_with_mnemonic(_("A_dd a Style…"))
        add.set_halign(Gtk.Align.START)
        add.connect("clicked", self._add)
        self.pack_start(self._rows, False, False, 0)
        self.pack_start(add, False, False, 0)
        for name in ("style", "more-styles", "regions"):
            config.connect(f"notify::{name}", self._show)
        self._show()

    def _show(self, *_changed: object) -> None:
        file, more, regions = self._config.get_property("style"), self._more(), self._regions()
        now = (file.get_uri() if file else None, more, regions)
        if self._shown == now:
            return
        self._shown = now
        for child in self._rows.get_children():
            child.destroy()
        for row, (style, region) in enumerate(zip([file, *map(Gio.File.new_for_commandline_arg, more)], regions)):
            name = Gtk.Label(label=style.get_basename() if style else "", xalign=0, hexpand=True, width_chars=18)
            name.set_ellipsize(Pango.EllipsizeMode.MIDDLE)
            place = Gtk.ComboBoxText(tooltip_text=_("Where this style is wanted"))
            (text,) = place.get_cells()
            text.set_property("ellipsize", Pango.EllipsizeMode.END)
            text.set_property("width-chars", 10)
            for key, label in self._places.items():
                place.append(key, label)
            place.set_active_id(region)
            place.connect("changed", self._move, row)
            place.get_accessible().add_relationship(Atk.RelationType.LABELLED_BY, name.get_accessible())
            self._rows.attach(name, 0, row, 1, 1)
            self._rows.attach(place, 1, row, 1, 1)
            if row:
                remove = Gtk.Button(label=_("Remove"))
                remove.connect("clicked", self._remove, row)
                self._rows.attach(remove, 2, row, 1, 1)
        self.show_all()

    def _more(self) -> list[str]:
        return list(self._config.get_property("more-styles") or [])

    def _regions(self) -> list[str]:
        """One for each style; those that this image does not have are left out."""
        given = [name if name in self._places else "" for name in self._config.get_property("regions") or []]
        count = 1 + len(self._more())
        return (given + [""] * count)[:count]

    def _add(self, _button: Gtk.Button) -> None:
        chooser = Gtk.FileChooserNative.new(_("Add Styles"), self._window, Gtk.FileChooserAction.OPEN, None, None)
        chooser.set_select_multiple(True)
        chooser.set_current_folder(str(_FIRST_STYLE.parent))
        if chooser.run() == Gtk.ResponseType.ACCEPT:
            self._config.set_property("more-styles", [*self._more(), *chooser.get_uris()])
        chooser.destroy()

    def _remove(self, _button: Gtk.Button, row: int) -> None:
        more, regions = self._more(), self._regions()
        del more[row - 1], regions[row]
        self._config.set_property("regions", regions)
        self._config.set_property("more-styles", more)

    def _move(self, place: Gtk.ComboBoxText, row: int) -> None:
        regions = self._regions()
        regions[row] = place.get_active_id()
        if self._shown:  # what the person did is shown already, and must not be made anew under the pointer
            self._shown = (*self._shown[:2], regions)
        self._config.set_property("regions", regions)


def _all_layers(tree: Sequence[Gimp.Layer]) -> Iterator[Gimp.Layer]:
    for layer in tree:
        yield layer
        if layer.is_group():
            yield from _all_layers(layer.get_children())
