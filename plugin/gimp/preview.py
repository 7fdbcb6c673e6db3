"""The left side of the window: the picture as it is and as it will be."""

from __future__ import annotations

from gi.repository import Gtk, Pango

_SIDE = 400
"""Pixels that the picture's place has at least, along either side."""


class Preview(Gtk.Box):
    """The preview pane."""

    def __init__(self) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        frame = Gtk.Frame(shadow_type=Gtk.ShadowType.IN)
        self._picture = Gtk.DrawingArea(width_request=_SIDE, height_request=_SIDE)
        frame.add(self._picture)
        self.pack_start(frame, True, True, 0)
        self._time = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        self._foot = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        self._foot.pack_start(self._time, True, True, 0)
        self.pack_start(self._foot, False, False, 0)
        self.show_all()

    def set_time(self, text: str) -> None:
        """Say how long the painting will take; an empty text says nothing."""
        self._time.set_text(text)

    def add_button(self, button: Gtk.Button) -> None:
        """Put a button at the end of the foot."""
        button.show()
        self._foot.pack_end(button, False, False, 0)
