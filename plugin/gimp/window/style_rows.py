"""The styles that are chosen, with what each counts and where it is wanted: as one list, and as rows of the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gi.repository import Gimp, GimpUi, Gio, GLib, GObject, Gtk, Pango

from plugin.gimp.image import layers, style_source
from plugin.gimp.image.layers import Refusal
from plugin.gimp.image.style_source import Source
from plugin.gimp.window import pixbufs
from plugin.gimp.window.thumbnails import Background, Thumbnail
from plugin.shared import settings, starter_styles
from plugin.shared.i18n import _

_ARGUMENTS = ("style", "style-layer", "style-image", "more-styles", "blend", "regions")
_EVEN = 50.0
"""What every style counts where nobody said otherwise."""

_LEAST, _MOST = 1.0, 100.0
"""What a row's scale goes from and to."""

_SIZE = 32
"""Pixels of a row's picture."""

_MOST_ROWS = 3
"""Rows that are seen without scrolling."""


@dataclass(frozen=True)
class Entry:
    """One style: where it comes from, how much it counts beside the others, and its region's name.

    ``share`` is a number above 0 as the argument ``blend`` has it, which only means something beside the others'.
    """

    source: Source
    share: float = _EVEN
    region: str = ""

    @property
    def key(self) -> str:
        """The same for the same style."""
        return style_source.key(self.source)


class StyleList(GObject.Object):
    """The styles among the arguments as one list of entries, at least one. It says ``changed`` whoever changes them.

    ``row`` is the entry that :meth:`take` gives another style. Nothing is written before something is changed, but the
    first of the starter styles where there is none.
    """

    __gsignals__ = {"changed": (GObject.SignalFlags.RUN_FIRST, None, ())}  # noqa: RUF012

    def __init__(self, config: Gimp.ProcedureConfig) -> None:
        super().__init__()
        self.row = 0
        self._config = config
        for name in _ARGUMENTS:
            config.connect(f"notify::{name}", self._notice)
        self._notice()

    @property
    def entries(self) -> list[Entry]:
        """The styles in their order."""
        sources = style_source.chosen(self._config)
        shares = self._shares()
        if shares is None or len(shares) != len(sources):
            shares = [_EVEN] * len(sources)
        regions = [*(self._config.get_property("regions") or []), *[""] * len(sources)]
        return [
            Entry(source or Gio.File.new_for_path(str(starter_styles.FIRST)), share, region)
            for source, share, region in zip(sources, shares, regions)
        ]

    @entries.setter
    def entries(self, entries: Sequence[Entry]) -> None:
        current = entries[min(self.row, len(entries) - 1)]
        ordered = sorted(entries, key=lambda entry: isinstance(entry.source, Gio.File))  # what is open goes first
        first, *more = ordered
        if any(not isinstance(entry.source, Gio.File) for entry in more):
            raise Refusal(_("Only one style can be an open layer or image; save the other one as a file first."))
        self.row = ordered.index(current)
        shares = [entry.share for entry in ordered]
        shortest = [] if set(shares) == {_EVEN} else shares
        with self._config.freeze_notify():
            style_source.choose(self._config, first.source)
            self._config.set_property("more-styles", [entry.source.get_uri() for entry in more])
            if self._shares() not in (shares, shortest):
                self._config.set_property("blend", settings.blend_text(shortest))
            self._config.set_property("regions", [entry.region for entry in ordered])

    def take(self, source: Source) -> None:
        """Put a style in the place of the one in ``row``.

        Raises:
            Refusal: there would be two that are open in GIMP.
        """
        self.change(self.row, source=source)

    def add(self, sources: Sequence[Source]) -> None:
        """Add styles at the end.

        Raises:
            Refusal: there would be two that are open in GIMP.
        """
        entries = self.entries
        share = _EVEN / _scale_of(entries)
        self.entries = [*entries, *(Entry(source, share) for source in sources)]

    def remove(self, row: int) -> None:
        """Take a style off the list, which has another one."""
        if self.row > row:
            self.row -= 1
        self.entries = [entry for place, entry in enumerate(self.entries) if place != row]

    def change(self, row: int, **values: Source | float | str) -> None:
        """Give an entry other values.

        Raises:
            Refusal: there would be two that are open in GIMP.
        """
        entries = self.entries
        entries[row] = replace(entries[row], **values)  # type: ignore[arg-type]
        self.entries = entries

    def _shares(self) -> list[float] | None:
        """The numbers in ``blend``, which may be more or fewer than the styles; None where it has something else."""
        try:
            return settings.parse_blend(self._config.get_property("blend") or "")
        except ValueError:
            return None

    def _notice(self, *_: object) -> None:
        sources = style_source.chosen(self._config)
        self.row = min(self.row, len(sources) - 1)
        if sources[0] is None:  # after a reset
            GLib.idle_add(self._begin)
        self.emit("changed")

    def _begin(self) -> bool:
        if style_source.chosen(self._config)[0] is None:
            self._config.set_property("style", Gio.File.new_for_path(str(starter_styles.FIRST)))
        return GLib.SOURCE_REMOVE


def _scale_of(entries: Sequence[Entry]) -> float:
    """What shares are multiplied with, so that the largest one is on a row's scale."""
    largest = max(entry.share for entry in entries)
    return 1.0 if _LEAST <= largest <= _MOST else _MOST / largest


class StyleRows(Gtk.ScrolledWindow):
    """A row for each style; the selected one is what a click in the gallery changes."""

    def __init__(self, styles: StyleList, image: Gimp.Image, background: Background) -> None:
        super().__init__(shadow_type=Gtk.ShadowType.IN)
        self._styles, self._background = styles, background
        names = [item.get_name() for item in (*image.get_channels(), *layers.every_layer(image))]
        self._places = {"": _("Everywhere"), layers.SELECTION: _("Selection")} | {name: name for name in names}
        self._shown: list[Entry] = []
        self._scale = 1.0
        """Of their shares, the same for as long as the person moves one."""
        self._list = Gtk.ListBox(selection_mode=Gtk.SelectionMode.BROWSE)
        self._list.connect("row-selected", self._select)
        self.add(self._list)
        self.connect("map", self._fit)  # the theme's sizes are not known before
        handler = styles.connect("changed", self._show)
        self.connect("destroy", lambda rows: styles.disconnect(handler))
        self._show()
        self.show_all()

    def _show(self, *_: object) -> None:
        entries = self._styles.entries
        if _alike(entries, self._shown):
            return
        if len(entries) > max(len(self._shown), _MOST_ROWS):
            GLib.idle_add(self._show_last, priority=GLib.PRIORITY_LOW)  # what was added is seen
        self._shown, self._scale = entries, _scale_of(entries)
        for child in self._list.get_children():
            child.destroy()
        for row, entry in enumerate(entries):
            self._list.add(self._make(row, entry, len(entries) > 1))
        self._list.show_all()
        self._list.select_row(self._list.get_row_at_index(self._styles.row))
        self._fit()

    def _fit(self, *_: object) -> None:
        """Be as high as the rows that are to be seen, and no higher."""
        many = len(self._shown) > _MOST_ROWS
        self.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC if many else Gtk.PolicyType.NEVER)
        height = self._list.get_preferred_height().natural_height * _MOST_ROWS // len(self._shown)
        self.set_min_content_height(height if many else -1)

    def _show_last(self) -> bool:
        self.get_vadjustment().set_value(self.get_vadjustment().get_upper())
        return GLib.SOURCE_REMOVE

    def _make(self, row: int, entry: Entry, several: bool) -> Gtk.ListBoxRow:
        box = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6, border_width=2)
        picture = Gtk.Image(width_request=_SIZE, height_request=_SIZE)
        size = _SIZE * picture.get_scale_factor()
        self._background.thumbnail(entry.source, lambda small: _put(small, picture), size, urgent=True)
        title = style_source.title(entry.source)
        name = Gtk.Label(label=title, xalign=0, ellipsize=Pango.EllipsizeMode.END, tooltip_text=title, width_chars=18)
        box.pack_start(picture, False, False, 0)
        box.pack_start(name, True, True, 0)
        if several:
            box.pack_start(self._share(row, entry.share), False, False, 0)
        box.pack_start(self._region(row, entry.region), False, False, 0)
        if several:
            remove = Gtk.Button.new_from_icon_name(GimpUi.ICON_LIST_REMOVE, Gtk.IconSize.BUTTON)
            remove.set_relief(Gtk.ReliefStyle.NONE)
            remove.set_tooltip_text(_("Remove this style"))
            remove.get_accessible().set_name(_("Remove this style"))
            remove.connect("clicked", lambda button: self._styles.remove(row))
            box.pack_start(remove, False, False, 0)
        made = Gtk.ListBoxRow()
        made.add(box)
        made.get_accessible().set_name(title)
        return made

    def _share(self, row: int, share: float) -> Gtk.Widget:
        value = share * self._scale
        adjustment = Gtk.Adjustment(value=value, lower=_LEAST, upper=_MOST, step_increment=1, page_increment=10)
        scale = Gtk.Scale(adjustment=adjustment, digits=0, value_pos=Gtk.PositionType.RIGHT, width_request=120)
        scale.set_tooltip_text(_("How much this style counts beside the others"))
        scale.get_accessible().set_name(_("How much this style counts beside the others"))
        adjustment.connect("value-changed", self._change_share, row)
        return scale

    def _change_share(self, adjustment: Gtk.Adjustment, row: int) -> None:
        self._change(row, share=float(f"{adjustment.get_value() / self._scale:.4g}"))

    def _region(self, row: int, region: str) -> Gtk.Widget:
        place = Gtk.ComboBoxText(tooltip_text=_("Where this style is wanted"))
        place.connect("changed", _say_place)
        (text,) = place.get_cells()
        text.set_property("ellipsize", Pango.EllipsizeMode.END)
        text.set_property("width-chars", 10)
        # What was chosen for another image may not be here; who paints it refuses, until the person chooses another.
        missing = {} if region in self._places else {region: _("Missing: {name}").format(name=region)}
        for name, label in (self._places | missing).items():
            place.append(name, label)
        place.set_active_id(region)
        place.connect("changed", lambda place: self._change(row, region=place.get_active_id()))
        return place

    def _change(self, row: int, **values: float | str) -> None:
        # What the person does is shown already, and must not be made anew under the pointer.
        self._shown[row] = replace(self._shown[row], **values)  # type: ignore[arg-type]
        self._styles.change(row, **values)

    def _select(self, rows: Gtk.ListBox, row: Gtk.ListBoxRow | None) -> None:
        if row is not None and row.get_index() != self._styles.row:
            self._styles.row = row.get_index()
            self._styles.emit("changed")


def _alike(first: Sequence[Entry], second: Sequence[Entry]) -> bool:
    """Whether two lists show the same."""
    return [(entry.key, entry.share, entry.region) for entry in first] == [
        (entry.key, entry.share, entry.region) for entry in second
    ]


def _say_place(place: Gtk.ComboBoxText) -> None:
    """Let a screen reader say what the choice is about, too."""
    text = _("{setting} {value}").format(setting=place.get_tooltip_text(), value=place.get_active_text())
    place.get_accessible().set_name(text)


def _put(thumbnail: Thumbnail, picture: Gtk.Image) -> None:
    if thumbnail.pixbuf is not None:
        pixbufs.show(picture, thumbnail.pixbuf)
    else:
        picture.set_from_icon_name("image-missing", Gtk.IconSize.LARGE_TOOLBAR)
        picture.set_tooltip_text(thumbnail.sentence)
