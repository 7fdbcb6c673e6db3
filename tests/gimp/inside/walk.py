"""Walks through the filter's window: it opens in this process instead of the filter's own, so that it can be looked at.

What Atk says of a widget is what a screen reader hears.
"""

from __future__ import annotations

import functools
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import gi

gi.require_version("Atk", "1.0")
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Atk, Gdk, Gimp, Gio, GLib, Gtk  # noqa: E402

from plugin.gimp import procedure  # noqa: E402
from tests.gimp.inside.stage import FOLDER, STYLE, new_image, new_layer  # noqa: E402

LONG = "a name of the kind that cameras, archives and careful people give to their pictures and layers, 2026-11-22"

_USED = (
    *(Gtk.Button, Gtk.Entry, Gtk.Scale, Gtk.ComboBox, Gtk.Expander, Gtk.Notebook),
    *(Gtk.FlowBoxChild, Gtk.ListBoxRow, Gtk.IconView, Gtk.TreeView, Gtk.TextView),
)
"""What a person uses."""


@dataclass
class Page:
    """The window with one page of its notebooks in front."""

    mnemonics: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)
    tabbed: set[str] = field(default_factory=set)
    nameless: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    size: tuple[int, int] = (0, 0)


@functools.cache
def pages() -> list[Page]:
    """Open the window for a layer and a style with long names, show every page of it and cancel."""
    image = new_image()
    layer = new_layer(image, LONG)
    style = FOLDER / f"{LONG}.jpg"
    shutil.copy(STYLE, style)
    # Not the one that GIMP knows: that lacks the arguments for the window alone.
    own = procedure.NeuralStyle.do_create_procedure(Gimp.get_plug_in(), f"{procedure.NAME}-walk")
    config = own.create_config()
    config.set_property("style", Gio.File.new_for_path(str(style)))
    config.set_property("more-styles", [str(style)])
    found: list[Page] = []
    failures: list[BaseException] = []

    def look() -> bool:
        window = next((each for each in Gtk.Window.list_toplevels() if each.get_mapped()), None)
        if window is None:
            return GLib.SOURCE_CONTINUE
        try:
            found.extend(_walk(window))
        except BaseException as error:
            failures.append(error)
        window.response(Gtk.ResponseType.CANCEL)
        return GLib.SOURCE_REMOVE

    GLib.timeout_add(500, look)
    values = procedure.run(own, Gimp.RunMode.INTERACTIVE, image, [layer], config, None)
    for failure in failures:
        raise failure
    assert values.index(0) == Gimp.PDBStatusType.CANCEL, values.index(1)
    assert found
    return found


def _walk(window: Gtk.Window) -> Iterator[Page]:
    window.get_window().focus(Gdk.CURRENT_TIME)
    while not window.is_active():  # else Tab would not leave a button
        Gtk.main_iteration()
    for expander in _below(window, Gtk.Expander):
        expander.set_expanded(True)
    for book in _below(window, Gtk.Notebook):
        for number in range(book.get_n_pages()):
            _bring_to_front(book.get_nth_page(number))
            while Gtk.events_pending():
                Gtk.main_iteration()
            yield _look_at(window)


def _look_at(window: Gtk.Window) -> Page:
    page = Page(size=window.get_size())
    for widget in _below(window, Gtk.Widget):
        if not widget.get_mapped() or not widget.is_sensitive():
            continue
        if isinstance(widget, Gtk.Label):
            page.texts.add(widget.get_text())
            if (key := widget.get_mnemonic_keyval()) != Gdk.KEY_VoidSymbol:
                page.mnemonics[Gdk.keyval_name(key)] += 1
        page.texts.add(widget.get_tooltip_text() or "")
        if isinstance(widget, _USED) and (widget.get_can_focus() or isinstance(widget, Gtk.ComboBox)):
            page.used.add(_described(widget))
            if not isinstance(widget, Gtk.Notebook) and not _accessible_name(widget):  # its tabs have names
                page.nameless.append(_described(widget))
    page.tabbed = {_described(widget) for widget in _tabbed(window)}
    return page


def _tabbed(window: Gtk.Window) -> Iterator[Gtk.Widget]:
    """Every widget that Tab comes to, until it comes to one again."""
    window.set_focus(None)
    known: set[Gtk.Widget] = set()
    while True:
        window.child_focus(Gtk.DirectionType.TAB_FORWARD)
        widget = window.get_focus()
        if widget is None or widget in known:
            return
        known.add(widget)
        yield widget
        while (widget := widget.get_parent()) is not None:  # a combo box has the focus in a button of its own
            yield widget


def _accessible_name(widget: Gtk.Widget) -> str:
    """What a screen reader calls a widget: its label or, where it has none, its name."""
    box = widget.get_ancestor(Gtk.ComboBox)
    accessible = (box or widget).get_accessible()
    labels = accessible.ref_relation_set().get_relation_by_type(Atk.RelationType.LABELLED_BY)
    named = [label.get_name() for label in labels.get_target()] if labels else [accessible.get_name()]
    # A combo box that has been given no name says what is chosen in it.
    chosen = box.get_active_text() if isinstance(box, Gtk.ComboBoxText) else None
    return " ".join(name for name in named if name and name != chosen)


def _described(widget: Gtk.Widget) -> str:
    """A widget by its place in the window and what is written on it."""
    path, each = [], widget
    while (parent := each.get_parent()) is not None:
        path.append(_children(parent).index(each))
        each = parent
    words = [label.get_text() for label in _below(widget, Gtk.Label)]
    return f"{type(widget).__name__} {''.join(map('.{}'.format, reversed(path)))} {' '.join(words)}".strip()


def _bring_to_front(widget: Gtk.Widget) -> None:
    """Turn every notebook around a widget to the page that it is on."""
    while (parent := widget.get_parent()) is not None:
        if isinstance(parent, Gtk.Notebook) and (number := parent.page_num(widget)) >= 0:
            parent.set_current_page(number)
        widget = parent


def _below(widget: Gtk.Widget, kind: type[Gtk.Widget]) -> Iterator[Gtk.Widget]:
    if isinstance(widget, kind):
        yield widget
    for child in _children(widget):
        yield from _below(child, kind)


def _children(widget: Gtk.Widget) -> list[Gtk.Widget]:
    found: list[Gtk.Widget] = []
    if isinstance(widget, Gtk.Container):
        widget.forall(found.append)
    return found
