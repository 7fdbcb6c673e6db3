"""The styles at hand, as small pictures: starters, those used last, a folder of one's own, and what is open in GIMP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gi.repository import Gdk, GimpUi, Gio, GLib, Gtk

from plugin.gimp.image import style_source
from plugin.gimp.image.layers import Refusal
from plugin.gimp.image.style_source import Source, key
from plugin.gimp.window import questions
from plugin.gimp.window.gallery_pages import FolderPage, OpenPage, Page, Tile
from plugin.gimp.window.style_rows import StyleList
from plugin.gimp.window.thumbnails import Background
from plugin.shared import recent_styles, starter_styles
from plugin.shared.i18n import _


class Gallery(Gtk.Box):
    """Pages of small pictures; a click takes the style. Files can be dropped on it."""

    def __init__(self, styles: StyleList, background: Background) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._styles, self._background = styles, background
        self._starters = Page(background, self.take, self.say)
        self._recent = Page(background, self.take, self.say, _("Styles that you open or drop here will be here."))
        pages = {
            _("Starters"): self._starters,
            _("Recent"): self._recent,
            _("Folder"): FolderPage(background, self.take, self.say),
            _("Open"): OpenPage(background, self.take, self.say),
        }
        self._pages = list(pages.values())
        self._stack = Gtk.Stack()
        for title, page in pages.items():
            self._stack.add_titled(page, title, title)
            page.flow.connect("button-press-event", self._press)
            page.flow.connect("popup-menu", self._pop_up)
        self._message = Gtk.Label(xalign=0, wrap=True, max_width_chars=40, no_show_all=True, selectable=True)
        self.pack_start(self._bar(), False, False, 0)
        self.pack_start(self._stack, True, True, 0)
        self.pack_start(self._message, False, False, 0)
        self.show_all()
        self._starters.fill(Gio.File.new_for_path(str(path)) for path in starter_styles.titles())
        self._recent.fill(style_source.present(Gio.File.new_for_uri(uri)) for uri in recent_styles.load().styles)
        self.drag_dest_set(Gtk.DestDefaults.ALL, [], Gdk.DragAction.COPY)
        self.drag_dest_add_uri_targets()
        self.connect("drag-data-received", self._drop)
        handler = styles.connect("changed", self._follow)
        self.connect("destroy", lambda gallery: styles.disconnect(handler))
        self._follow()
        self._turn()

    def take(self, source: Source) -> None:
        """Make this the style."""
        self._try(partial(self._styles.take, source))

    def add(self, source: Source) -> None:
        """Make this one more style."""
        self._try(partial(self._styles.add, [source]))

    def say(self, sentence: str) -> None:
        """Show a sentence below the pictures; an empty one takes it away."""
        self._message.set_text(sentence)
        self._message.set_visible(bool(sentence))

    def remember(self) -> None:
        """Note the styles as used."""
        files = [entry.source for entry in self._styles.entries if isinstance(entry.source, Gio.File)]
        _remember(files)

    def _bar(self) -> Gtk.Widget:
        bar = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        bar.pack_start(Gtk.StackSwitcher(stack=self._stack), False, False, 0)
        buttons = (
            (GimpUi.ICON_LIST_ADD, _("Add Styles"), _("Add pictures as further styles, blended or in regions"), False),
            (GimpUi.ICON_DOCUMENT_OPEN, _("Open a Style"), _("Open a picture as the style, or drop it below"), True),
        )
        for icon, title, help, take in buttons:
            button = Gtk.Button.new_from_icon_name(icon, Gtk.IconSize.BUTTON)
            button.set_tooltip_text(help)
            button.get_accessible().set_name(title)
            button.connect("clicked", self._ask, title, take)
            bar.pack_end(button, False, False, 0)
        return bar

    def _ask(self, button: Gtk.Button, title: str, take: bool) -> None:
        self._offer(questions.pictures(self.get_toplevel(), title, self._background), take)

    def _drop(
        self, widget: Gtk.Widget, context: Gdk.DragContext, x: int, y: int, data: Gtk.SelectionData, *more: object
    ) -> None:
        self._offer(list(map(Gio.File.new_for_uri, data.get_uris())), take=True)

    def _offer(self, files: Sequence[Gio.File], take: bool) -> None:
        """Use files once it is known which are pictures; ``take`` makes the first one the style. The rest is told."""

        def use(problems: list[str]) -> None:
            good = [file for file, problem in zip(files, problems) if not problem]
            _remember(good)
            for file in reversed([file for file in good if not _is_starter(file)]):
                self._recent.add_first(file)
            if take and good:
                self.take(good[0])
            if more := good[take:]:
                self._try(partial(self._styles.add, more))
            self._turn()
            if bad := list(filter(None, problems)):
                self.say(bad[0])

        if files:
            self._background.ask(
                lambda: list(map(_problem, files)), use, lambda error: self.say(str(error)), urgent=True
            )

    def _try(self, change: Callable[[], None]) -> None:
        self.say("")
        try:
            change()
        except Refusal as refusal:
            self.say(str(refusal))
            self._follow()

    def _follow(self, *_: object) -> None:
        """Show on every page which style is taken."""
        current = self._styles.entries[self._styles.row].source
        if isinstance(current, Gio.File) and not any(page.has(key(current)) for page in self._pages):
            self._recent.add_first(current)
        for page in self._pages:
            page.select(key(current))

    def _turn(self) -> None:
        """Turn to a page that has the style."""
        current = self._styles.entries[self._styles.row].source
        pages = [self._stack.get_visible_child(), *self._pages]
        # The page of what is open is filled when one turns to it.
        other = pages[0] if isinstance(current, Gio.File) else pages[-1]
        self._stack.set_visible_child(next((page for page in pages if page.has(key(current))), other))

    def _press(self, flow: Gtk.FlowBox, event: Gdk.EventButton) -> bool:
        tile = flow.get_child_at_pos(int(event.x), int(event.y))
        if tile is None or not event.triggers_context_menu():
            return False
        self._menu(tile).popup_at_pointer(event)
        return True

    def _pop_up(self, flow: Gtk.FlowBox) -> bool:
        tile = flow.get_focus_child()
        if tile is None:
            return False
        self._menu(tile).popup_at_widget(tile, Gdk.Gravity.SOUTH_WEST, Gdk.Gravity.NORTH_WEST, None)
        return True

    def _menu(self, tile: Tile) -> Gtk.Menu:
        """What can be done with a style besides taking it."""
        menu = Gtk.Menu()
        add = Gtk.MenuItem.new_with_mnemonic(_("_Add as Another Style"))
        add.set_sensitive(not tile.trouble)
        add.connect("activate", lambda item: self.add(tile.source))
        menu.append(add)
        if tile.get_parent() is self._recent.flow:
            forget = Gtk.MenuItem.new_with_mnemonic(_("_Remove from Recent"))
            forget.connect("activate", lambda item: self._forget(key(tile.source)))
            menu.append(forget)
        menu.attach_to_widget(tile)
        menu.show_all()
        return menu

    def _forget(self, gone: str) -> None:
        recent_styles.forget(gone)
        self._recent.remove(gone)


def _remember(files: Sequence[Gio.File]) -> None:
    if own := [file.get_uri() for file in files if not _is_starter(file) and not style_source.is_gone(file)]:
        recent_styles.use(*own)


def _is_starter(file: Gio.File) -> bool:
    return any(file.equal(Gio.File.new_for_path(str(path))) for path in starter_styles.titles())


def _problem(file: Gio.File) -> str:
    """Why a file cannot be a style, as a sentence; empty where it may be one."""
    try:
        info = file.query_info(style_source.PICTURE_ATTRIBUTES, Gio.FileQueryInfoFlags.NONE, None)
    except GLib.Error as error:
        sentence = _("“{name}” cannot be read ({reason}); choose another picture.")
        return sentence.format(name=style_source.title(file), reason=error.message)
    if style_source.is_picture(info):
        return ""
    return _("“{name}” is no picture; choose another file.").format(name=style_source.title(file))
