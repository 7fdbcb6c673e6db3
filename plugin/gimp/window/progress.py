"""The window while layers are painted: the picture as it emerges, how far it is, *Cancel* and *Stop Here and Keep*."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from gi.repository import Gdk, GdkPixbuf, Gimp, GimpUi, GLib, Gtk, Pango

from plugin.gimp.image.layers import Look, View
from plugin.gimp.jobs import progress_text
from plugin.gimp.jobs.session import Studio
from plugin.gimp.window import accessibility, pixbufs
from plugin.shared import durations
from plugin.shared.i18n import _
from plugin.shared.protocol import Progress

_SIDE = 320
"""Points that the picture has at most, along either side."""

_PULSE_MILLISECONDS = 100
_STOP = Gtk.ResponseType.ACCEPT


class Window:
    """Shown in the block that it is the context manager of; ``studio`` does the painting.

    *Cancel* gives up what the studio paints, so that :meth:`Studio.run` raises. *Stop Here and Keep* ends the job in
    hand with what is there, and is for more layers what it says: those that are painted are kept, no other is begun.
    """

    preview_seconds = 1.0

    def __init__(self, looks: Sequence[Look], studio: Studio) -> None:
        self._looks, self._studio = looks, studio
        self._place = 0
        self.has_enough = False
        GimpUi.init("neural-style")
        self._dialog = GimpUi.Dialog(
            title=_("Painting"),
            role="neural-style-progress",
            use_header_bar=Gtk.Settings.get_default().get_property("gtk-dialogs-use-header"),
        )
        self._dialog.set_resizable(False)
        self._dialog.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        self._stop = self._dialog.add_button(_("_Stop Here and Keep"), _STOP)
        self._stop.set_sensitive(False)
        self._picture = Gtk.Image()
        self._layer, self._where, self._left = (
            Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END) for _number in range(3)
        )
        self._layer.set_max_width_chars(1)  # a long name makes no wide window; it has the room that the others have
        self._bar = Gtk.ProgressBar()
        accessibility.say_with(self._bar, self._where)
        self._pulse = 0
        self._arrange()
        self._dialog.connect("response", self._respond)

    def __enter__(self) -> Window:
        self._begin(0)
        self._where.set_text(_("Preparing…"))
        self._pulse = GLib.timeout_add(_PULSE_MILLISECONDS, self._move)
        self._dialog.show_all()
        self._layer.set_visible(len(self._looks) > 1)
        # Return and Space, pressed once too often for OK, must not press a button here.
        self._dialog.set_focus(None)
        if Gimp.default_display() is not None:
            GimpUi.window_set_transient(self._dialog)
        self._dialog.present()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rest()
        self._dialog.destroy()
        Gdk.flush()  # what comes now may take a while, and nobody should see a window that does not answer

    def tell(self, event: Progress, place: int) -> None:
        self._rest()
        if place != self._place:
            self._begin(place)
        if event.preview is not None:
            self._show(pixbufs.of(event.preview))
        self._bar.set_fraction(progress_text.fraction(event, place, self._looks))
        is_finishing = self.has_enough or event.fraction == 1
        self._where.set_text(_("Finishing…") if is_finishing else _capital(progress_text.where(event)))
        left = durations.left(progress_text.seconds_left(event, place, self._looks))
        self._left.set_text("" if is_finishing else _capital(left))
        self._stop.set_sensitive(not self.has_enough)

    def _arrange(self) -> None:
        frame = Gtk.Frame(shadow_type=Gtk.ShadowType.IN, halign=Gtk.Align.CENTER)
        frame.add(self._picture)
        sizes = [_fitting(look) for look in self._looks]
        self._picture.set_size_request(max(width for width, _ in sizes), max(height for _, height in sizes))
        words = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for widget in (self._layer, self._bar, self._where, self._left):
            words.pack_start(widget, False, False, 0)
        words.set_size_request(_SIDE, -1)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
        box.pack_start(frame, False, False, 0)
        box.pack_start(words, False, False, 0)
        self._dialog.get_content_area().pack_start(box, True, True, 0)
        if len(self._looks) > 1:
            self._stop.set_tooltip_text(_("Layers that are not begun yet are left out"))

    def _begin(self, place: int) -> None:
        """Show a layer as it is before it is painted."""
        self._place = place
        look = self._looks[place]
        name = _("Layer {place} of {count}: {name}").format(place=place + 1, count=len(self._looks), name=look.name)
        self._layer.set_text(name)
        self._layer.set_tooltip_text(name)
        self._show(pixbufs.of_view(look.pixels, View(look.box, min(1.0, _scale(look)))))

    def _show(self, pixbuf: GdkPixbuf.Pixbuf) -> None:
        self._picture.set_from_pixbuf(pixbufs.on_checks(pixbuf, *_fitting(self._looks[self._place])))

    def _respond(self, _dialog: Gtk.Dialog, response: int) -> None:
        if response == _STOP:
            self.has_enough = True
            self._stop.set_sensitive(False)
            self._where.set_text(_("Finishing…"))
            self._left.set_text("")
            self._studio.stop()
        else:
            self._dialog.hide()
            self._studio.give_up()

    def _move(self) -> bool:
        self._bar.pulse()
        return GLib.SOURCE_CONTINUE

    def _rest(self) -> None:
        if self._pulse:
            GLib.source_remove(self._pulse)
            self._pulse = 0


def _fitting(look: Look) -> tuple[int, int]:
    """The width and height, in points, at which what is painted of a layer is shown."""
    view = View(look.box, _scale(look))
    return view.width, view.height


def _scale(look: Look) -> float:
    return _SIDE / max(look.box.width, look.box.height)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
