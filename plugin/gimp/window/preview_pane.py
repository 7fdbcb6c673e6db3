"""The left side of the window: the picture as it is and as it will be, painted anew whenever something is changed."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from functools import partial

from gi.repository import Gdk, GdkPixbuf, Gimp, Gio, GLib, GObject, Gtk, Pango

from plugin.gimp import restyle
from plugin.gimp.idle_tasks import Idle, Kept, Pieces
from plugin.gimp.image import layers, output, style_source
from plugin.gimp.image.layers import Box, Look, Refusal, View
from plugin.gimp.image.style_source import Style
from plugin.gimp.jobs import preview_job, request
from plugin.gimp.jobs.preview_job import Proof
from plugin.gimp.jobs.session import Event, Studio
from plugin.gimp.window import pixbufs
from plugin.gimp.window.split_view import SplitView
from plugin.shared import engine_client, paths
from plugin.shared.i18n import _, without_mnemonic
from plugin.shared.protocol import Hello, Progress, Result

IS_ON, IS_SPLIT, POSITION = "preview", "preview-split", "preview-position"
"""The procedure's auxiliary arguments: whether there is a preview, whether it has a line, and where that is."""

_WITHOUT_EFFECT = {IS_ON, IS_SPLIT, POSITION, "memory", *output.NAMES, *restyle.NAMES}
"""Arguments that change nothing of the picture."""

_CALM_SECONDS = 0.15
"""After the last change before a proof is started: while a scale is dragged there is no use in one."""

_KEY_STEP = 40
"""Pixels by which an arrow key moves a detail."""


class Preview(Gtk.Box):
    """The preview pane. It starts when it is mapped; :meth:`close` ends what it does.

    It shows the first layer: ``part`` of it, or what is selected.
    """

    def __init__(
        self,
        image: Gimp.Image,
        sources: Sequence[Gimp.Layer],
        part: Box | None,
        config: Gimp.ProcedureConfig,
        studio: Studio,
    ) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._image, self._source, self._part, self._config, self._studio = image, sources[0], part, config, studio
        self._devices: dict[str, str] | None = None
        """What the engine can compute on; None before it has said so."""
        self._looks: dict[bool, Kept[Look]] = {}
        """The layer as it is read, within the selection and whole."""
        self._styles: dict[str, Kept[Style]] = {}
        """By address, those of the last order."""
        self._visits = 0
        """How often the person has come to the window."""
        self._work = Idle()
        """What reads them, until there is a proof to ask for."""
        self._watch = Idle()
        """What looks whether the layer is still as it was read."""
        self._painted_whole: GdkPixbuf.Pixbuf | None = None
        self._center: tuple[float, float] | None = None
        """Of the detail, in the layer's pixels; None while all of it is shown."""
        self._is_closed = self._is_paused = False
        self._calm: int = 0
        """The source of the timeout after which a proof is started; 0 is none."""
        self._make_widgets()
        self._handler = config.connect("notify", self._changed)
        self.connect("map", self._mapped)
        self.connect("key-press-event", self._key)
        self.show_all()
        self._split()
        self._begin()

    def set_time(self, text: str) -> None:
        """Say how long the painting will take; an empty text says nothing."""
        self._time.set_text(text)
        self._time.set_tooltip_text(text or None)

    def add_button(self, button: Gtk.Button) -> None:
        """Put a button at the end of the foot."""
        button.show()
        self._foot.pack_end(button, False, False, 0)

    def pause(self) -> None:
        """Ask for nothing: somebody else has the studio."""
        self._is_paused = True
        self._stop()

    def resume(self) -> None:
        """Paint a proof of what is chosen by now."""
        self._is_paused = False
        self._ask()
        self._look_again()

    def fail(self, error: Exception) -> None:
        """Say what went wrong, a sentence for a person, in the place of a proof."""
        if self._is_closed:
            return
        self._studio.give_up()
        self._progress.set_fraction(0)
        self._waiting.say("")
        if isinstance(error, engine_client.EngineMissing):
            self._failure.say("")
            self._missing.tell(str(error))
            self._stack.set_visible_child_name("missing")
            return
        self._failure.say(str(error))
        self._painted_whole = None
        if (look := self._look.result) is not None:
            self._show_known(look)

    def close(self) -> None:
        """Give up what is being painted, and start nothing any more."""
        self._is_closed = True
        self._config.disconnect(self._handler)
        self._stop()
        self._forget()

    def _make_widgets(self) -> None:
        self._view = SplitView(self._line_moved, self._panned, self._resized)
        self._missing = _Missing(self._again)
        self._stack = Gtk.Stack()
        self._stack.add_named(self._view, "picture")
        self._stack.add_named(self._missing, "missing")
        frame = Gtk.Frame(shadow_type=Gtk.ShadowType.IN)
        self._failure = _Failure(self._again)
        over = Gtk.Overlay()
        over.add(self._stack)
        over.add_overlay(self._failure)  # over the picture: nothing in the window moves when it comes and goes
        frame.add(over)
        self._progress = Gtk.ProgressBar()
        self._progress.get_accessible().set_name(without_mnemonic(_("Pre_view")))
        picture = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=2)
        picture.pack_start(frame, True, True, 0)
        picture.pack_start(self._progress, False, False, 0)
        self.pack_start(picture, True, True, 0)
        self.pack_start(self._switches(), False, False, 0)
        self._waiting = _Waiting()
        self.pack_start(self._waiting, False, False, 0)
        self._time = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        self._foot = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        self._foot.pack_start(self._time, True, True, 0)
        self.pack_start(self._foot, False, False, 0)

    def _switches(self) -> Gtk.Box:
        box = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        both_ways = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
        is_on = Gtk.CheckButton.new_with_mnemonic(_("Pre_view"))
        is_on.set_tooltip_text(_("Paint a small proof of every change"))
        is_split = Gtk.CheckButton.new_with_mnemonic(_("Split vie_w"))
        is_split.set_tooltip_text(_("Before on the left of a line, after on its right"))
        for name, check in ((IS_ON, is_on), (IS_SPLIT, is_split)):
            self._config.bind_property(name, check, "active", both_ways)
            box.pack_start(check, False, False, 0)
        self._config.bind_property(IS_ON, is_split, "sensitive", GObject.BindingFlags.SYNC_CREATE)
        zoom = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, homogeneous=True)
        zoom.get_style_context().add_class("linked")
        whole = Gtk.RadioButton.new_with_mnemonic(None, _("_Fit"))
        whole.set_tooltip_text(_("All that is painted"))
        detail = Gtk.RadioButton.new_with_mnemonic_from_widget(whole, _("_100 %"))
        detail.set_tooltip_text(
            _("A detail, pixel by pixel; to choose another one drag the picture, or press Ctrl and an arrow key")
        )
        detail.connect("toggled", self._zoomed)
        for button in (whole, detail):
            button.set_mode(False)
            zoom.pack_start(button, True, True, 0)
        box.pack_end(zoom, False, False, 0)
        return box

    def _mapped(self, widget: Gtk.Widget) -> None:
        self.get_toplevel().connect("focus-in-event", self._visited)
        GLib.idle_add(self._show_at_first)  # the window first

    def _visited(self, _window: Gtk.Widget, _event: Gdk.EventFocus) -> bool:
        self._visits += 1
        self._look_again()
        return False

    def _show_at_first(self) -> bool:
        if not self._is_closed:
            self._show_before()
        return GLib.SOURCE_REMOVE

    def _begin(self) -> None:
        if self._config.get_property(IS_ON):
            self._waiting.say(_("Starting the engine…"))
            self._studio.start(self._ready, self.fail)

    def _ready(self, hello: Hello) -> None:
        if self._is_closed:
            return  # who closed this may have use for the engine
        self._devices = hello.devices
        self._waiting.say("")
        self._ask()

    def _again(self) -> None:
        """After something went wrong: look at everything anew."""
        self._forget()
        self._stack.set_visible_child_name("picture")
        self._failure.say("")
        self._show_before()
        self._begin()

    def _forget(self) -> None:
        """What was read, or is being read."""
        self._work.stop()
        for look in self._looks.values():
            look.drop()
        for each in self._styles.values():
            each.drop()
        self._looks.clear()
        self._styles.clear()

    def _look_again(self) -> None:
        """The person may have worked in the image meanwhile: then a new proof is due."""
        if not self._is_closed and not self._is_paused:
            self._watch.begin(self._or_failing(self._looking_again()))

    def _looking_again(self) -> Pieces[None]:
        known = self._look.result
        if known is None:
            if self._failure.get_visible():  # it could not be read before
                self._again()
            return
        again = Kept(partial(self._reading, self._takes_whole))
        try:
            look = yield from again.wait()
        except Refusal:
            self._forget()
            raise
        finally:
            again.drop()
        if look.shows_the_same(known, preview_job.whole_view(known)):
            if self._failure.get_visible():  # what was missing may be there now
                self._ask()
            return
        self._forget()
        self._looks[self._takes_whole] = again
        self._painted_whole = None
        self._show_before()
        self._ask()

    def _stop(self) -> None:
        if self._calm:
            GLib.source_remove(self._calm)
            self._calm = 0
        self._watch.stop()
        self._work.stop()
        self._studio.give_up()
        self._progress.set_fraction(0)

    def _changed(self, config: Gimp.ProcedureConfig, parameter: GObject.ParamSpec) -> None:
        if parameter.name == IS_ON:
            self._switched()
        elif parameter.name in (IS_SPLIT, POSITION):
            self._split()
        elif parameter.name not in _WITHOUT_EFFECT:
            self._ask_soon()

    def _switched(self) -> None:
        if self._config.get_property(IS_ON):
            self._again()
        else:
            self._stop()
            self._stack.set_visible_child_name("picture")
            self._waiting.say("")
            self._failure.say("")
            self._painted_whole = None
            self._show_before()

    def _split(self) -> None:
        self._view.split(self._config.get_property(IS_SPLIT), self._config.get_property(POSITION))

    def _line_moved(self, position: float) -> None:
        with self._config.handler_block(self._handler):
            self._config.set_property(POSITION, position)

    def _zoomed(self, detail: Gtk.RadioButton) -> None:
        self._center = None
        if detail.get_active():
            try:
                selected = not self._takes_whole and not Gimp.Selection.is_empty(self._image)
                box = layers.box(self._source, selected, self._part)
            except Refusal as refusal:
                self.fail(refusal)
                return
            self._center = (box.x + box.width / 2, box.y + box.height / 2)
        self._view.can_pan = self._center is not None
        self._show_before()
        self._ask_soon()

    def _panned(self, dx: float, dy: float) -> None:
        look = self._look.result
        if self._center is None or look is None:
            return
        shown = self._detail(look)
        x, y = self._center[0] - dx, self._center[1] - dy
        left, right = look.box.x + shown.width / 2, look.box.x + look.box.width - shown.width / 2
        top, bottom = look.box.y + shown.height / 2, look.box.y + look.box.height - shown.height / 2
        self._center = (min(max(x, left), right), min(max(y, top), bottom))
        self._show_before()
        self._ask_soon()

    def _key(self, _pane: Gtk.Widget, event: Gdk.EventKey) -> bool:
        """With Ctrl an arrow key moves the detail, whatever here has the focus; without it there are other uses."""
        steps = {Gdk.KEY_Left: (-1, 0), Gdk.KEY_Right: (1, 0), Gdk.KEY_Up: (0, -1), Gdk.KEY_Down: (0, 1)}
        if self._center is None or event.keyval not in steps or not event.state & Gdk.ModifierType.CONTROL_MASK:
            return False
        x, y = steps[event.keyval]
        self._panned(-x * _KEY_STEP, -y * _KEY_STEP)
        return True

    def _resized(self) -> None:
        if self._center is not None:
            self._show_before()
            self._ask_soon()

    def _ask_soon(self) -> None:
        if self._calm:
            GLib.source_remove(self._calm)
        self._calm = GLib.timeout_add(round(1000 * _CALM_SECONDS), self._ask_now)

    def _ask_now(self) -> bool:
        self._calm = 0
        self._ask()
        return GLib.SOURCE_REMOVE

    def _ask(self) -> None:
        """Have the proof of what is chosen now painted."""
        if self._is_closed or self._is_paused or not self._config.get_property(IS_ON) or self._devices is None:
            return
        self._work.begin(self._or_failing(self._asking(self._devices)))

    def _or_failing(self, work: Pieces[None]) -> Pieces[None]:
        try:
            yield from work
        except Refusal as refusal:
            self.fail(refusal)

    def _asking(self, devices: dict[str, str]) -> Pieces[None]:
        kept = self._look
        was_shown = kept.result is not None
        look = yield from kept.wait()
        layers.check_still_there([look])
        if not was_shown:
            self._show_known(look)
        wanted = yield from self._proof(look, devices)
        self._failure.say("")
        if wanted is None:
            self._studio.give_up()
            self._show_known(look)
            return
        before, mask = self._before(look, wanted.view), layers.selected(look, wanted.view)
        self._studio.ask(wanted.job, lambda event: self._show(wanted, before, mask, event), self._ended)

    def _proof(self, look: Look, devices: dict[str, str]) -> Pieces[Proof | None]:
        """What is to be painted; None where the picture stays as it is.

        Raises:
            Refusal: what is chosen cannot be painted.
        """
        read: dict[str, Style] = {}
        known, self._styles = self._styles, {}
        for source in filter(None, style_source.chosen(self._config)):
            # What is open may have been painted on since the person was last in another window.
            key = (
                style_source.key(source)
                if isinstance(source, Gio.File)
                else f"{style_source.key(source)}, {self._visits}"
            )
            kept = self._styles[key] = known.get(key) or Kept(partial(style_source.reading, source))
            read[style_source.key(source)] = yield from kept.wait()
        wanted = request.of_config(
            self._image,
            self._config,
            lambda source: read[style_source.key(source)] if source else style_source.read(source),
        )
        device = preview_job.device(wanted.settings.device, devices)
        if self._center is None:
            return preview_job.of_whole(wanted, look, device)
        return preview_job.of_detail(wanted, look, device, self._detail(look))

    @property
    def _takes_whole(self) -> bool:
        """Whether all of the layer is painted, whatever is selected."""
        with contextlib.suppress(Refusal):  # where a region is missing nothing is painted, but the layer is shown
            return request.takes_whole_layer(self._image, self._config.get_property("regions") or [])
        return False

    @property
    def _look(self) -> Kept[Look]:
        """The layer, read when somebody waits for it; that raises a Refusal where it cannot be styled."""
        whole = self._takes_whole
        return self._looks.setdefault(whole, Kept(partial(self._reading, whole)))

    def _reading(self, whole: bool) -> Pieces[Look]:
        look = yield from layers.reading(self._image, self._source, whole, self._part)
        yield from look.prepare(preview_job.whole_view(look))
        return look

    def _detail(self, look: Look) -> Box:
        """What is seen of the layer at 100 %."""
        assert self._center is not None
        largest = preview_job.detail_side(
            preview_job.device(self._config.get_property("device"), self._devices or {"cpu": ""})
        )
        width, height = (min(side, largest) for side in self._view.room)
        width, height = min(width, look.box.width), min(height, look.box.height)
        x, y = (round(self._center[0] - width / 2), round(self._center[1] - height / 2))
        x = min(max(x, look.box.x), look.box.x + look.box.width - width)
        y = min(max(y, look.box.y), look.box.y + look.box.height - height)
        return Box(x, y, width, height)

    def _show_before(self) -> None:
        """The picture as it is and, where nothing better is there yet, what is known of how it will be."""
        look = self._look
        if look.result is not None:
            self._show_known(look.result)
        elif not self._work.is_busy:  # else it is shown by what reads it
            self._work.begin(self._or_failing(self._showing(look)))

    def _showing(self, look: Kept[Look]) -> Pieces[None]:
        self._show_known((yield from look.wait()))

    def _show_known(self, look: Look) -> None:
        whole = preview_job.whole_view(look)
        if self._center is None:
            self._view.show_pictures(self._before(look, whole), self._painted_whole)
            return
        shown = self._detail(look)
        after = self._painted_whole and _cut(self._painted_whole, whole.box, shown)
        self._view.show_pictures(self._before(look, View(shown)), after, enlarges=False)

    def _before(self, look: Look, view: View) -> GdkPixbuf.Pixbuf:
        return pixbufs.of(look.picture(view))

    def _show(self, wanted: Proof, before: GdkPixbuf.Pixbuf, mask: bytes | None, event: Event) -> None:
        """Show how far a proof has come, where the mask lets it be seen."""
        if isinstance(event, Progress):
            self._progress.set_fraction(event.fraction)
        picture = event.preview if isinstance(event, Progress) else event.picture if isinstance(event, Result) else None
        if picture is None:
            return
        after = pixbufs.of(picture)
        if mask is not None:
            after = pixbufs.masked(after, before, mask)
        if self._center is None:
            self._painted_whole = after
            self._view.show_pictures(before, after)
        else:
            box = wanted.view.box
            self._view.show_pictures(_cut(before, box, wanted.shown), _cut(after, box, wanted.shown), enlarges=False)

    def _ended(self, error: Exception | None) -> None:
        self._progress.set_fraction(0)
        if error is not None:
            self.fail(error)


def _cut(picture: GdkPixbuf.Pixbuf, box: Box, shown: Box) -> GdkPixbuf.Pixbuf:
    """A part of a picture of a box, at whatever size the picture is."""
    x_scale, y_scale = picture.get_width() / box.width, picture.get_height() / box.height
    x, y = (shown.x - box.x) * x_scale, (shown.y - box.y) * y_scale
    return pixbufs.part(picture, x, y, shown.width * x_scale, shown.height * y_scale)


class _Waiting(Gtk.Box):
    """One line that says what is being waited for."""

    def __init__(self) -> None:
        super().__init__(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        self._spinner = Gtk.Spinner(no_show_all=True)
        self._label = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        self.pack_start(self._spinner, False, False, 0)
        self.pack_start(self._label, True, True, 0)

    def say(self, text: str) -> None:
        """With an empty text there is nothing to wait for."""
        self._label.set_text(text)
        self._spinner.set_visible(bool(text))
        self._spinner.set_property("active", bool(text))


class _Failure(Gtk.InfoBar):
    """A sentence at the foot of the picture, over it, and a button to try again."""

    def __init__(self, on_again: Callable[[], None]) -> None:
        super().__init__(message_type=Gtk.MessageType.WARNING, valign=Gtk.Align.END, no_show_all=True)
        self._label = Gtk.Label(xalign=0, wrap=True, wrap_mode=Pango.WrapMode.WORD_CHAR, max_width_chars=36)
        self._label.show()
        self.get_content_area().add(self._label)
        self.add_button(_("Tr_y Again"), Gtk.ResponseType.OK)
        self.connect("response", lambda bar, response: on_again())

    def say(self, text: str) -> None:
        """With an empty text nothing is wrong."""
        self._label.set_text(text)
        self.set_visible(bool(text))


class _Missing(Gtk.Box):
    """Instead of a picture: that there is no engine, and what to type."""

    def __init__(self, on_again: Callable[[], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=12, valign=Gtk.Align.CENTER, border_width=24)
        icon = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.DIALOG)
        self._label = Gtk.Label(wrap=True, max_width_chars=40, selectable=True, justify=Gtk.Justification.CENTER)
        self._command = Gtk.Entry(text=_install_command(), editable=False)
        self._command.get_accessible().set_name(_("Command that installs the engine"))
        copy = Gtk.Button.new_with_mnemonic(_("Copy to Clip_board"))
        copy.connect("clicked", self._copy)
        again = Gtk.Button.new_with_mnemonic(_("Tr_y Again"))
        again.connect("clicked", lambda button: on_again())
        buttons = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6, halign=Gtk.Align.CENTER)
        for button in (copy, again):
            buttons.pack_start(button, False, False, 0)
        for widget in (icon, self._label, self._command, buttons):
            self.pack_start(widget, False, False, 0)

    def tell(self, sentence: str) -> None:
        self._label.set_text(sentence)

    def _copy(self, button: Gtk.Button) -> None:
        Gtk.Clipboard.get_default(self.get_display()).set_text(self._command.get_text(), -1)


def _install_command() -> str:
    """What to type, from anywhere where the folder of Neural Style is known."""
    installer = paths.PLUG_IN_ROOT / "install.py"
    return f"python3 {shlex.quote(str(installer))}" if installer.is_file() else "python3 install.py"
