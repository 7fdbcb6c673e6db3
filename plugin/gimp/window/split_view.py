"""A place for two pictures of the same thing, before and after, with a line between them that can be moved."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import Gdk, GdkPixbuf, GLib, Gtk

from plugin.gimp.window import pixbufs
from plugin.shared.i18n import _

_SIDE = 400
"""Pixels that there are at least, along either side."""

_NEAR = 8
"""Pixels beside the line at which it is still the line that is meant."""

_KEY_STEP = 0.02


class SplitView(Gtk.Layout):
    """Shows a picture before and after, left and right of a line where it is split.

    Args:
        on_moved: told where the line is, 0 to 1, when a person has moved it.
        on_panned: told by how many pixels of the screen a person drags the picture, while :attr:`can_pan`.
        on_resized: told when there is more or less room.
    """

    def __init__(
        self,
        on_moved: Callable[[float], None],
        on_panned: Callable[[float, float], None],
        on_resized: Callable[[], None],
    ) -> None:
        super().__init__(width_request=_SIDE, height_request=_SIDE)
        self._on_moved, self._on_panned, self._on_resized = on_moved, on_panned, on_resized
        self.can_pan = False
        self._before: GdkPixbuf.Pixbuf | None = None
        self._after: GdkPixbuf.Pixbuf | None = None
        self._enlarges = True
        self._scaled: tuple[GdkPixbuf.Pixbuf | None, GdkPixbuf.Pixbuf | None] = (None, None)
        self._place = Gdk.Rectangle()
        """Of the picture, in this widget's pixels."""
        self._position, self._is_split = 0.5, True
        self._drag: tuple[float, float] | None = None
        self._is_line_dragged = False
        self._room = (0, 0)
        # The image asks for a square; the picture is to be at its corner.
        self._image = Gtk.Image(visible=True, xalign=0, yalign=0)
        self._grip = Gtk.Button(label="↔")
        self._grip.set_tooltip_text(_("Before and after: drag, or use the arrow keys"))
        self._grip.get_accessible().set_name(_("Line between before and after"))
        for child in (self._image, self._grip):
            self.put(child, 0, 0)
        events = Gdk.EventMask
        for widget in (self, self._grip):
            widget.add_events(events.BUTTON_PRESS_MASK | events.BUTTON_RELEASE_MASK | events.POINTER_MOTION_MASK)
            widget.connect("button-press-event", self._press)
            widget.connect("motion-notify-event", self._motion)
            widget.connect("button-release-event", self._release)
        self._grip.connect("key-press-event", self._key)
        self.connect("size-allocate", self._allocated)
        self.show()

    @property
    def room(self) -> tuple[int, int]:
        """Width and height in pixels of the screen."""
        allocation, scale = self.get_allocation(), self.get_scale_factor()
        return allocation.width * scale, allocation.height * scale

    def show_pictures(
        self, before: GdkPixbuf.Pixbuf | None, after: GdkPixbuf.Pixbuf | None, enlarges: bool = True
    ) -> None:
        """Show these; without one of them the other one alone.

        Args:
            enlarges: whether a small picture fills the room; else each of its pixels is one of the screen's.
        """
        self._before, self._after, self._enlarges = before, after, enlarges
        self._fit()

    def split(self, is_split: bool, position: float) -> None:
        """Show the line at a part of the width, or only what comes after."""
        self._is_split, self._position = is_split, position
        self._compose()

    def _fit(self) -> None:
        """Bring the pictures to the size at which they are seen."""
        seen = self._before or self._after
        if seen is None or min(self._room) <= 1:
            self._scaled = (None, None)
            self._image.clear()
            return
        width, height = self.room
        scale = min(width / seen.get_width(), height / seen.get_height())
        if not self._enlarges:
            scale = 1.0
        wide, high = max(1, round(seen.get_width() * scale)), max(1, round(seen.get_height() * scale))
        self._scaled = (
            pixbufs.on_checks(self._before, wide, high) if self._before else None,
            pixbufs.on_checks(self._after, wide, high) if self._after else None,
        )
        points = self.get_scale_factor()
        self._place.width, self._place.height = wide // points, high // points
        self._place.x = max(0, (width // points - self._place.width) // 2)
        self._place.y = max(0, (height // points - self._place.height) // 2)
        self._compose()

    def _compose(self) -> None:
        before, after = self._scaled
        has_line = self._is_split and before is not None and after is not None
        self._grip.set_visible(has_line)
        picture = after or before
        if picture is None:
            return
        if has_line and before is not None:
            wide, high = picture.get_width(), picture.get_height()
            picture = picture.copy()
            x = round(self._position * wide)
            before.copy_area(0, 0, x, high, picture, 0, 0)
            self._draw_line(picture, x)
            self._put_grip()
        pixbufs.show(self._image, picture)
        self.move(self._image, self._place.x, self._place.y)

    def _draw_line(self, picture: GdkPixbuf.Pixbuf, x: int) -> None:
        """In the theme's color of text, with its background beside it, so that it is seen on every picture."""
        style, width = self.get_toplevel().get_style_context(), self.get_scale_factor()
        text, background = style.get_color(Gtk.StateFlags.NORMAL), style.get_background_color(Gtk.StateFlags.NORMAL)
        start = x - width - width // 2
        for left, color in ((start, background), (start + width, text), (start + 2 * width, background)):
            pixbufs.fill(picture, left, width, color)

    def _put_grip(self) -> None:
        place, (_least, grip) = self._place, self._grip.get_preferred_size()
        self.move(self._grip, round(self._line_x() - grip.width / 2), place.y + (place.height - grip.height) // 2)

    def _line_x(self) -> float:
        return self._place.x + self._position * self._place.width

    def _move_to(self, position: float) -> None:
        self._position = min(1.0, max(0.0, position))
        self._compose()
        self._on_moved(self._position)

    def _press(self, widget: Gtk.Widget, event: Gdk.EventButton) -> bool:
        if event.button != 1 or self._after is None:
            return False
        x, y = self._pointer(event)
        has_line = self._grip.get_visible()
        self._is_line_dragged = has_line and (not self.can_pan or abs(x - self._line_x()) <= _NEAR)
        if not self._is_line_dragged and not self.can_pan:
            return False
        self._drag = (x, y)
        if self._is_line_dragged:
            self._grip.grab_focus()
            self._move_to((x - self._place.x) / max(1, self._place.width))
        return True

    def _motion(self, widget: Gtk.Widget, event: Gdk.EventMotion) -> bool:
        x, y = self._pointer(event)
        if self._drag is None:
            near = self._grip.get_visible() and abs(x - self._line_x()) <= _NEAR
            self._set_cursor("ew-resize" if near else "grab" if self.can_pan else "default")
            return False
        if self._is_line_dragged:
            self._move_to((x - self._place.x) / max(1, self._place.width))
        else:
            points = self.get_scale_factor()
            self._on_panned((x - self._drag[0]) * points, (y - self._drag[1]) * points)
            self._drag = (x, y)
        return True

    def _release(self, widget: Gtk.Widget, event: Gdk.EventButton) -> bool:
        was_dragged, self._drag = self._drag is not None, None
        return was_dragged

    def _pointer(self, event: Gdk.EventButton | Gdk.EventMotion) -> tuple[float, float]:
        """Where the pointer is in this widget, whatever child it is over."""
        _found, left, top = self.get_window().get_origin()
        return event.x_root - left, event.y_root - top

    def _set_cursor(self, name: str) -> None:
        self.get_window().set_cursor(Gdk.Cursor.new_from_name(self.get_display(), name))

    def _key(self, grip: Gtk.Button, event: Gdk.EventKey) -> bool:
        steps = {Gdk.KEY_Left: -_KEY_STEP, Gdk.KEY_Right: _KEY_STEP, Gdk.KEY_Home: -1.0, Gdk.KEY_End: 1.0}
        if event.keyval not in steps or event.state & Gdk.ModifierType.CONTROL_MASK:
            return False
        self._move_to(self._position + steps[event.keyval])
        return True

    def _allocated(self, widget: Gtk.Widget, allocation: Gdk.Rectangle) -> None:
        if self._room != (allocation.width, allocation.height):
            self._room = (allocation.width, allocation.height)
            GLib.idle_add(self._refit)  # children cannot be moved while they are being given their places

    def _refit(self) -> bool:
        if self.get_realized():  # and not closed meanwhile
            self._fit()
            self._on_resized()
        return GLib.SOURCE_REMOVE
