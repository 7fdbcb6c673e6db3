"""The window for a screen reader: names for the widgets that GIMP gives a label beside them and no name."""

from __future__ import annotations

from gi.repository import GimpUi, Gtk


def name_widgets(widget: Gtk.Widget, label: str = "") -> None:
    """Name everything below a widget that can be used and says nothing of itself after the label that stands by it."""
    if isinstance(widget, GimpUi.Labeled):
        label = widget.get_label().get_text()
    elif isinstance(widget, GimpUi.SpinScale):
        label = widget.get_label()
    accessible = widget.get_accessible()
    if isinstance(widget, (Gtk.Scale, Gtk.SpinButton)) and label and not accessible.get_name():
        accessible.set_name(label)
    if isinstance(widget, Gtk.Container):
        widget.forall(name_widgets, label)
