"""A window from which the files in its arguments can be dragged, in the place of a file manager."""

import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

window = Gtk.Window(title="Files to drag", default_width=120, default_height=80)
handle = Gtk.EventBox()
handle.add(Gtk.Label(label="files"))
handle.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [], Gdk.DragAction.COPY)
handle.drag_source_add_uri_targets()
handle.connect("drag-data-get", lambda widget, context, data, info, time: data.set_uris(sys.argv[1:]))
window.add(handle)
window.move(100, 1000)
window.show_all()
Gtk.main()
