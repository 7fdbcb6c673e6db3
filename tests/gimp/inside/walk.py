"""Walks through a window that is open in this process, and says what there is in it for whoever uses it.

What Atk says of a widget is what a screen reader hears.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import gi

gi.require_version("Atk", "1.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Atk, Gdk, GimpUi, GLib, Gtk  # noqa: E402

_USED = (
    *(Gtk.Button, Gtk.Entry, Gtk.Scale, Gtk.ComboBox, Gtk.Expander, Gtk.Notebook),
    *(Gtk.FlowBoxChild, Gtk.ListBoxRow, Gtk.IconView, Gtk.TreeView, Gtk.TextView),
)
"""What a person uses."""


@dataclass
class Page:
    """A window, with one page of its notebooks in front where it has any."""

    mnemonics: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)
    tabbed: set[str] = field(default_factory=set)
    nameless: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    """Texts that there is no room for, and that are in no tooltip."""
    size: tuple[int, int] = (0, 0)


def through(show: Callable[[], object], is_ready: Callable[[Gtk.Dialog], object] = bool) -> list[Page]:
    """Walk through every dialog that ``show`` opens, one after the other, as soon as it is ready, and cancel it."""
    found: list[Page] = []
    failures: list[BaseException] = []

    def look() -> bool:
        dialogs = [each for each in Gtk.Window.list_toplevels() if isinstance(each, Gtk.Dialog) and each.get_mapped()]
        for dialog in dialogs:
            try:
                if not is_ready(dialog):
                    continue
                found.extend(_walk(dialog))
            except BaseException as error:
                failures.append(error)
            dialog.response(Gtk.ResponseType.CANCEL)
        return GLib.SOURCE_CONTINUE

    timer = GLib.timeout_add(100, look)
    show()
    GLib.source_remove(timer)
    for failure in failures:
        raise failure
    assert found
    return found


def _walk(window: Gtk.Window) -> Iterator[Page]:
    window.get_window().focus(Gdk.CURRENT_TIME)
    while not window.is_active():  # else Tab would not leave a button
        Gtk.main_iteration()
    for expander in below(window, Gtk.Expander):
        expander.set_expanded(True)
    pages = [book.get_nth_page(number) for book in below(window, Gtk.Notebook) for number in range(book.get_n_pages())]
    for page in pages or [window]:
        _bring_to_front(page)
        while Gtk.events_pending():
            Gtk.main_iteration()
        yield _look_at(window)


def _look_at(window: Gtk.Window) -> Page:
    page = Page(texts={window.get_title() or ""})
    for widget in below(window, Gtk.Widget):
        if widget.get_mapped():
            page.texts.add(widget.get_tooltip_text() or "")
            if isinstance(widget, Gtk.Label):
                _read(widget, page)
            if isinstance(widget, GimpUi.SpinScale) and "_" in widget.get_label():  # its label is no widget
                page.mnemonics[widget.get_label().partition("_")[2][0].lower()] += 1
            if isinstance(widget, _USED) and widget.is_sensitive():
                _use(widget, page)
    if isinstance(window, Gtk.FileChooserDialog):
        return Page(page.mnemonics, texts=page.texts)  # all else is GTK's own, and the same everywhere
    page.size = window.get_size()
    page.tabbed = {_described(widget) for widget in _tabbed(window)}
    return page


def _read(label: Gtk.Label, page: Page) -> None:
    page.texts.add(label.get_text())
    if label.get_layout().is_ellipsized() and not _is_told(label):
        page.cut.add(label.get_text())
    if (key := label.get_mnemonic_keyval()) != Gdk.KEY_VoidSymbol:
        page.mnemonics[Gdk.keyval_name(key)] += 1


def _use(widget: Gtk.Widget, page: Page) -> None:
    if widget.get_can_focus() or isinstance(widget, Gtk.ComboBox):
        page.used.add(_described(widget))
        if not isinstance(widget, Gtk.Notebook) and not _accessible_name(widget):  # its tabs have names
            page.nameless.append(_described(widget))


def _tabbed(window: Gtk.Window) -> Iterator[Gtk.Widget]:
    """Every widget that Tab comes to until it comes to one again, and what is in the same group of radio buttons."""
    window.set_focus(None)
    known: set[Gtk.Widget] = set()
    while True:
        window.child_focus(Gtk.DirectionType.TAB_FORWARD)
        widget = window.get_focus()
        if widget is None or widget in known:
            return
        known.add(widget)
        yield widget
        if isinstance(widget, Gtk.RadioButton):
            yield from _led_to(window, widget)
            widget.grab_focus()
        while (widget := widget.get_parent()) is not None:  # a combo box has the focus in a button of its own
            yield widget


def _led_to(window: Gtk.Window, radio: Gtk.RadioButton) -> Iterator[Gtk.Widget]:
    """The radio buttons of a group that arrow keys come to from one of them, and what is one Tab behind each."""
    directions = (Gtk.DirectionType.UP, Gtk.DirectionType.DOWN, Gtk.DirectionType.LEFT, Gtk.DirectionType.RIGHT)
    reached = [radio]
    for each in reached:  # which grows
        for direction in directions:
            each.grab_focus()
            window.child_focus(direction)
            if (found := window.get_focus()) in radio.get_group() and found not in reached:
                reached.append(found)
        each.grab_focus()
        window.child_focus(Gtk.DirectionType.TAB_FORWARD)
        yield from (each, window.get_focus())


def _accessible_name(widget: Gtk.Widget) -> str:
    """What a screen reader calls a widget: its label or, where it has none, its name."""
    box = widget.get_ancestor(Gtk.ComboBox)
    accessible = (box or widget).get_accessible()
    labels = accessible.ref_relation_set().get_relation_by_type(Atk.RelationType.LABELLED_BY)
    named = [label.get_name() for label in labels.get_target()] if labels else [accessible.get_name()]
    # A combo box that has been given no name says what is chosen in it.
    chosen = box.get_active_text() if isinstance(box, Gtk.ComboBoxText) else None
    return " ".join(name for name in named if name and name != chosen)


def _is_told(label: Gtk.Label) -> bool:
    """Whether what a label has no room for is in the tooltip that one sees when the pointer is on it."""
    widget = label
    while widget is not None and not widget.get_has_tooltip():
        widget = widget.get_parent()
    return widget is not None and label.get_text() in (widget.get_tooltip_text() or "")


def _described(widget: Gtk.Widget) -> str:
    """A widget by its place in the window and what is written on it."""
    path, each = [], widget
    while (parent := each.get_parent()) is not None:
        path.append(_children(parent).index(each))
        each = parent
    words = [label.get_text() for label in below(widget, Gtk.Label)]
    return f"{type(widget).__name__} {''.join(map('.{}'.format, reversed(path)))} {' '.join(words)}".strip()


def _bring_to_front(widget: Gtk.Widget) -> None:
    """Turn every notebook around a widget to the page that it is on."""
    while (parent := widget.get_parent()) is not None:
        if isinstance(parent, Gtk.Notebook) and (number := parent.page_num(widget)) >= 0:
            parent.set_current_page(number)
        widget = parent


def below(widget: Gtk.Widget, kind: type[Gtk.Widget]) -> Iterator[Gtk.Widget]:
    """A widget and everything in it, of one kind."""
    if isinstance(widget, kind):
        yield widget
    for child in _children(widget):
        yield from below(child, kind)


def _children(widget: Gtk.Widget) -> list[Gtk.Widget]:
    found: list[Gtk.Widget] = []
    if isinstance(widget, Gtk.Container):
        widget.forall(found.append)
    return found
