"""Pages of small pictures to choose a style from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from gi.repository import Gio, GLib, Gtk, Pango

from plugin.gimp.image import open_styles, style_source
from plugin.gimp.image.style_source import Source, key
from plugin.gimp.window import pixbufs
from plugin.gimp.window.thumbnails import Background, Thumbnail
from plugin.shared import recent_styles
from plugin.shared.i18n import _

SIZE = 96
"""Pixels of the long side of a picture."""

_ROW = SIZE + 10
"""Pixels of a row of pictures."""

_MOST = 500
"""Pictures of a folder that are shown; more would take long to make, and be hard to look through."""


class Tile(Gtk.FlowBoxChild):
    """One style's small picture, or why there is none."""

    def __init__(self, source: Source, background: Background, on_shown: Callable[[], None]) -> None:
        super().__init__()
        self.source = source
        self.trouble = ""
        """A sentence where the style is not there."""
        self._on_shown = on_shown
        self._box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=3, width_request=SIZE, height_request=SIZE)
        self._box.set_valign(Gtk.Align.CENTER)
        self.add(self._box)
        title = style_source.title(source)
        if not isinstance(source, Gio.File):  # of what is open much looks alike
            self._box.pack_end(_caption(source.get_name()), False, False, 0)
        self.set_tooltip_text(title)
        self.get_accessible().set_name(title)
        self.show_all()
        background.thumbnail(source, self._show, SIZE * self.get_scale_factor())

    def _show(self, thumbnail: Thumbnail) -> None:
        if thumbnail.pixbuf is not None:
            picture = Gtk.Image()
            pixbufs.show(picture, thumbnail.pixbuf)
            self._box.pack_start(picture, True, True, 0)
        else:
            icon = Gtk.Image.new_from_icon_name("image-missing", Gtk.IconSize.DND)
            words = _caption(thumbnail.problem)
            icon.set_valign(Gtk.Align.END)
            words.set_valign(Gtk.Align.START)
            self._box.pack_start(icon, True, True, 0)
            self._box.pack_start(words, True, True, 0)
            self.set_tooltip_text(f"{style_source.title(self.source)}\n{thumbnail.sentence}")
            self.get_accessible().set_description(thumbnail.sentence)
        self.trouble = "" if thumbnail.is_usable else thumbnail.sentence
        self._box.show_all()
        self._on_shown()


class Page(Gtk.Box):
    """Small pictures in rows, one of them selected where it is the style.

    Args:
        on_take: called with a source when a person selects its picture.
        on_trouble: called with a sentence when that, or what is taken, is not there; with an empty one when it is.
        hint: what is said where there is no picture.
    """

    def __init__(
        self,
        background: Background,
        on_take: Callable[[Source], None],
        on_trouble: Callable[[str], None],
        hint: str = "",
    ) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._background, self._on_take, self._on_trouble = background, on_take, on_trouble
        self._taken = ""
        self.flow = Gtk.FlowBox(homogeneous=True, valign=Gtk.Align.START, min_children_per_line=3)
        self.flow.connect("child-activated", lambda flow, tile: self._choose(tile))
        self.flow.connect("toggle-cursor-child", lambda flow: self._choose(flow.get_focus_child()))
        # GTK also selects what merely gets the focus; what is selected here is what is taken.
        self._handler = self.flow.connect("selected-children-changed", lambda flow: GLib.idle_add(self._select_again))
        self._hint = Gtk.Label(label=hint, wrap=True, max_width_chars=30, justify=Gtk.Justification.CENTER, margin=12)
        self._hint.get_style_context().add_class(Gtk.STYLE_CLASS_DIM_LABEL)
        self._hint.set_no_show_all(True)
        content = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        content.pack_start(self._hint, True, True, 0)
        content.pack_start(self.flow, False, False, 0)
        scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN, hscrollbar_policy=Gtk.PolicyType.NEVER)
        scrolled.set_min_content_height(_ROW)
        scrolled.set_max_content_height(2 * _ROW)
        scrolled.set_propagate_natural_height(True)
        scrolled.add(content)
        # When there is less room, what is taken is still to be seen.
        scrolled.get_vadjustment().connect("changed", self._scroll_to_taken)
        self.pack_start(scrolled, True, True, 0)
        self._show_hint()

    @property
    def tiles(self) -> list[Tile]:
        """The pictures in their order."""
        return self.flow.get_children()

    def fill(self, sources: Iterable[Source]) -> None:
        """Show these and nothing else."""
        for tile in self.tiles:
            tile.destroy()
        for source in sources:
            self._add(source, -1)
        self._show_hint()

    def add_first(self, source: Source) -> None:
        """Show this one before the others, and once."""
        self.remove(key(source))
        self._add(source, 0)
        self._show_hint()

    def remove(self, gone: str) -> None:
        """Do not show the one with this key any more."""
        for tile in self.tiles:
            if key(tile.source) == gone:
                tile.destroy()
        self._show_hint()

    def has(self, wanted: str) -> bool:
        """Whether the one with this key is here."""
        return any(key(tile.source) == wanted for tile in self.tiles)

    def select(self, taken: str) -> None:
        """Show which one is the style, by its key."""
        self._taken = taken
        with self.flow.handler_block(self._handler):
            self.flow.unselect_all()
            for tile in self.tiles:
                if key(tile.source) == taken:
                    self.flow.select_child(tile)
        self._tell_trouble()

    def _add(self, source: Source, place: int) -> None:
        tile = Tile(source, self._background, self._tell_trouble)
        self.flow.insert(tile, place)
        if key(source) == self._taken:
            self.select(self._taken)

    def _show_hint(self) -> None:
        self._hint.set_visible(not self.tiles and bool(self._hint.get_label()))
        self.flow.set_visible(bool(self.tiles))

    def _scroll_to_taken(self, adjustment: Gtk.Adjustment) -> None:
        for tile in self.flow.get_selected_children():
            place = tile.get_allocation()
            adjustment.clamp_page(place.y, place.y + place.height)

    def _tell_trouble(self) -> None:
        for tile in self.flow.get_selected_children():
            if tile.trouble:
                self._on_trouble(tile.trouble)

    def _choose(self, tile: Tile) -> None:
        if tile.trouble:
            self._on_trouble(tile.trouble)
        elif key(tile.source) != self._taken:
            self._on_take(tile.source)
        else:
            self._on_trouble("")

    def _select_again(self) -> bool:
        self.select(self._taken)
        return GLib.SOURCE_REMOVE


class FolderPage(Page):
    """The pictures of a folder of one's own, which is remembered."""

    def __init__(
        self, background: Background, on_take: Callable[[Source], None], on_trouble: Callable[[str], None]
    ) -> None:
        super().__init__(background, on_take, on_trouble, _("Choose a folder of pictures."))
        chooser = Gtk.FileChooserButton(
            title=_("Choose a Folder of Styles"), action=Gtk.FileChooserAction.SELECT_FOLDER
        )
        chooser.get_accessible().set_name(_("Folder of styles"))
        chooser.connect("file-set", self._choose)
        self._rest = Gtk.Label(xalign=0, wrap=True, max_width_chars=40, no_show_all=True)
        self._rest.get_style_context().add_class(Gtk.STYLE_CLASS_DIM_LABEL)
        self.pack_start(self._rest, False, False, 0)
        self.pack_start(chooser, False, False, 0)
        self.folder = recent_styles.load().folder
        if self.folder:
            chooser.set_uri(self.folder)
            self._list()

    def _choose(self, chooser: Gtk.FileChooserButton) -> None:
        self.folder = chooser.get_uri() or ""
        recent_styles.choose_folder(self.folder)
        self._list()

    def _list(self) -> None:
        asked = self.folder
        self._hint.set_label(_("Looking for pictures…"))
        self.fill([])
        self._rest.set_visible(False)

        def show(found: list[Gio.File] | str) -> None:
            if self.folder == asked:
                self._hint.set_label(found if isinstance(found, str) else _("There is no picture in this folder."))
                files = [] if isinstance(found, str) else found
                self.fill(files[:_MOST])
                sentence = _("The first {shown} of {count} pictures; open or drop the others.")
                self._rest.set_text(sentence.format(shown=_MOST, count=len(files)))
                self._rest.set_visible(len(files) > _MOST)

        self._background.ask(partial(_pictures_in, Gio.File.new_for_uri(asked)), show, lambda error: show(str(error)))


class OpenPage(Page):
    """What is open in GIMP: each image as it is shown, and its layers."""

    def __init__(
        self, background: Background, on_take: Callable[[Source], None], on_trouble: Callable[[str], None]
    ) -> None:
        super().__init__(background, on_take, on_trouble, _("No image is open."))
        self.connect("map", self._refresh)

    def _refresh(self, *_: object) -> None:
        sources = list(open_styles.everything())
        if list(map(key, sources)) != [key(tile.source) for tile in self.tiles]:
            self.fill(sources)
            self.select(self._taken)


def _caption(text: str) -> Gtk.Label:
    return Gtk.Label(label=text, ellipsize=Pango.EllipsizeMode.END, max_width_chars=12)


def _pictures_in(folder: Gio.File) -> list[Gio.File] | str:
    """The pictures in a folder by their names, or the sentence that says why they cannot be had."""
    found = []
    try:
        wanted = f"standard::name,{style_source.PICTURE_ATTRIBUTES}"
        for info in folder.enumerate_children(wanted, Gio.FileQueryInfoFlags.NONE, None):
            if style_source.is_picture(info):
                found.append(folder.get_child(info.get_name()))
    except GLib.Error as error:
        return _("This folder cannot be read ({reason}); choose another one.").format(reason=error.message)
    return sorted(found, key=lambda file: file.get_basename().casefold())
