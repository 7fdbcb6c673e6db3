"""The window for a screen reader: names for widgets that say nothing of themselves, or not what is seen."""

from __future__ import annotations

from gi.repository import Atk, GimpUi, Gtk

from plugin.shared.i18n import without_mnemonic


def name_widgets(widget: Gtk.Widget, label: str = "") -> None:
    """Name everything below a widget that can be used and says nothing of itself after the label that stands by it."""
    if isinstance(widget, GimpUi.Labeled):
        label = widget.get_label().get_text()
    elif isinstance(widget, GimpUi.SpinScale):
        label = without_mnemonic(widget.get_label())
    accessible = widget.get_accessible()
    if isinstance(widget, (Gtk.Scale, Gtk.SpinButton)) and label and not accessible.get_name():
        accessible.set_name(label)
    if isinstance(widget, GimpUi.StringComboBox):
        widget.connect("changed", _say_choice)
        _say_choice(widget)
    if isinstance(widget, Gtk.Container):
        widget.forall(name_widgets, label)


def say_with(widget: Gtk.Widget, label: Gtk.Label) -> None:
    """Name a widget by what a label says at the time."""
    widget.get_accessible().add_relationship(Atk.RelationType.LABELLED_BY, label.get_accessible())


def _say_choice(box: GimpUi.StringComboBox) -> None:
    """Say what is seen of the choice; GTK says the first text that it has, which is GIMP's own name for it."""
    if (row := box.get_active_iter()) is not None:
        box.get_accessible().set_name(box.get_model()[row][box.get_property("label-column")])
