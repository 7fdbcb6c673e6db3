"""The window with small paintings side by side, in which two settings are varied."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import Gdk, GdkPixbuf, GimpUi, Gtk, Pango

from plugin.gimp.image.layers import Box, Look, Refusal
from plugin.gimp.jobs import preview_job, request
from plugin.gimp.jobs.session import Event, Studio
from plugin.gimp.jobs.variation import Variation, title, value_text
from plugin.gimp.window import accessibility, pixbufs, surprises, time_label
from plugin.gimp.window.time_label import Subject
from plugin.shared import durations
from plugin.shared.i18n import _
from plugin.shared.protocol import Cell, Estimate, Estimated, Hello, Job, Progress, Sweep
from plugin.shared.settings import TABLE, Settings
from plugin.shared.sweep_grid import Grid, around

_AXES = (
    *("strength", "style_scale", "preserve_colors", "quality", "style_measure", "content_measure"),
    *("content_weight", "tv_weight", "pooling", "start", "optimizer", "tileable", "seed"),
)
"""The settings that can be varied: those that one sees in a small painting, and that have more than a text."""

_ACROSS, _DOWN = 5, 3
"""Values of a number, along either axis."""

_WIDTH, _HEIGHT = 970, 420
"""Points for all the pictures."""

_SMALLEST = 72
"""Points of a picture's long side."""

_INSET = 4
"""Points from a picture's corner to the check mark in it."""

_LARGE = 256
"""Points of the long side of the picture that is shown under the pointer."""

_PATIENCE = 90.0
"""Seconds for the whole grid, if that can be had with smaller pictures."""

_SIZES = (512, 256, 192, 128)
"""Pixels of the long side that a cell may be painted at."""

_PALE = 72
"""Opacity, of 255, of the picture that stands in a cell until it is painted."""

_STEPS = {
    Gtk.DirectionType.UP: (-1, 0),
    Gtk.DirectionType.DOWN: (1, 0),
    Gtk.DirectionType.LEFT: (0, -1),
    Gtk.DirectionType.RIGHT: (0, 1),
}
"""Rows and columns that an arrow key goes on."""

_ADD = Gtk.ResponseType.ACCEPT


class Explore:
    """The window. A click takes a cell's settings into the subject's; the window stays, to try others.

    It shows the first layer. Cells can be checked to be added as layers, where the subject is not part of a layer.
    """

    def __init__(self, parent: Gtk.Window, subject: Subject, studio: Studio) -> None:
        self._subject, self._studio = subject, studio
        self._can_add = subject.part is None
        self._vary: dict[str, list[Any]] = {}
        self._cells: dict[tuple[int, ...], _Cell] = {}
        self._waiting: list[tuple[int, ...]] = []
        """The cells that are not painted yet, in the order of painting."""
        self._run = 0
        """Counts what was begun, so that an answer to an earlier question is known for one."""
        self._dialog = GimpUi.Dialog(
            title=_("Explore"),
            role="neural-style-explore",
            transient_for=parent,
            modal=True,
            use_header_bar=Gtk.Settings.get_default().get_property("gtk-dialogs-use-header"),
        )
        self._dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
        self._add = self._dialog.add_button(_("_Add as Layers"), _ADD)
        self._add.set_sensitive(False)
        self._add.set_visible(self._can_add)
        self._add.set_no_show_all(True)
        self._across, self._down = self._axis("strength"), self._axis("style_scale")
        self._place = Gtk.Box()
        self._bar = Gtk.ProgressBar(valign=Gtk.Align.CENTER)
        self._status = Gtk.Label(xalign=0, ellipsize=Pango.EllipsizeMode.END)
        accessibility.say_with(self._bar, self._status)
        self._arrange()

    def run(self) -> list[Variation]:
        """Show the window until it is closed; return the cells that are to be added as layers."""
        self._begin()
        self._dialog.show_all()
        for cell in self._cells.values():
            if cell.is_marked:  # so that the arrow keys lead away from the present settings
                cell.take_focus()
        with surprises.told_to(self._fail):
            response = self._dialog.run()
        self._run += 1
        self._studio.give_up()
        chosen = [cell.variation for cell in self._cells.values() if cell.is_chosen]
        self._dialog.destroy()
        return chosen if response == _ADD else []

    def _axis(self, name: str) -> Gtk.ComboBoxText:
        axis = Gtk.ComboBoxText()
        for setting in TABLE:
            if setting.name in _AXES:
                axis.append(setting.name, title(setting))
        axis.set_active_id(name)
        axis.connect("changed", self._choose_axis)
        return axis

    def _arrange(self) -> None:
        top = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        for text, axis in ((_("Ac_ross:"), self._across), (_("_Down:"), self._down)):
            label = Gtk.Label.new_with_mnemonic(text)
            label.set_mnemonic_widget(axis)
            top.pack_start(label, False, False, 0)
            top.pack_start(axis, False, False, 0)
            axis.set_margin_end(12)
        hint = _("Click a picture to use its settings.")
        if self._can_add:
            hint = _("Click a picture to use its settings; check several to add them as layers.")
        help = Gtk.Label(label=hint, xalign=1, ellipsize=Pango.EllipsizeMode.END)
        help.get_style_context().add_class("dim-label")
        keys = _("Arrow keys go from picture to picture, Space uses the settings.")
        if self._can_add:
            keys = _("Arrow keys go from picture to picture, Space uses the settings, Ctrl and Space checks.")
        help.set_tooltip_text(f"{hint}\n{keys}")
        top.pack_end(help, True, True, 0)
        foot = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        foot.pack_start(self._bar, False, False, 0)
        foot.pack_start(self._status, True, True, 0)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
        box.pack_start(top, False, False, 0)
        box.pack_start(self._place, True, True, 0)
        box.pack_start(foot, False, False, 0)
        self._dialog.get_content_area().pack_start(box, True, True, 0)

    def _choose_axis(self, changed: Gtk.ComboBoxText) -> None:
        """Vary another setting; one that is varied along the other axis changes places with this one's."""
        names = self._across.get_active_id(), self._down.get_active_id()
        if names[0] == names[1]:
            other = self._down if changed is self._across else self._across
            other.set_active_id(next(name for name in self._vary if name != names[0]))
            return  # which has begun anew
        self._begin()

    def _begin(self) -> None:
        """Paint a grid around the present settings, whatever was painted before."""
        self._run += 1
        run = self._run
        self._studio.give_up()
        self._bar.set_fraction(0)
        try:
            wanted = request.of_config(self._subject.image, self._subject.config)
            look = wanted.look(self._subject.sources[0], self._subject.part)
        except Refusal as refusal:
            self._fail(refusal)
            return
        center = self._choose_values(wanted.settings)
        self._show(wanted.settings, center, look)
        self._say(_("Preparing…"))

        def ready(hello: Hello) -> None:
            if run == self._run:
                ask(preview_job.of_whole(wanted, look, preview_job.device(wanted.settings.device, hello.devices)).job)

        def ask(job: Job) -> None:
            extent = [job.content.width, job.content.height]
            self._studio.estimate(
                Estimate(0, [extent], [[0, 0]] * len(job.styles), job.settings, job.grey),
                lambda answer: paint(job, answer) if run == self._run else None,
                fail,
            )

        def paint(job: Job, answer: Estimated) -> None:
            size = _size(job.settings.size, answer, len(self._cells))
            job = dataclasses.replace(job, settings=dataclasses.replace(job.settings, size=size))
            self._studio.ask(Sweep(job, self._vary, center=center), self._tell, self._end)
            self._cells[self._waiting[0]].set_busy(True)

        def fail(error: Exception) -> None:
            if run == self._run:
                self._fail(error)

        self._studio.start(ready, fail)

    def _choose_values(self, present: Settings) -> list[int]:
        """What is tried of both settings; returns the place of the present ones."""
        down, across = self._down.get_active_id(), self._across.get_active_id()
        self._vary = {
            down: around(down, getattr(present, down), _DOWN),
            across: around(across, getattr(present, across), _ACROSS),
        }
        return [values.index(getattr(present, name)) for name, values in self._vary.items()]

    def _show(self, present: Settings, center: Sequence[int], look: Look) -> None:
        """Put a grid in the place of the one before, with the picture as it is in every cell."""
        for child in self._place.get_children():
            child.destroy()
        grid = Grid(present, self._vary)
        (down, rows), (across, columns) = self._vary.items()
        extent = _fitting(look.box, len(columns), len(rows))
        table = Gtk.Grid(row_spacing=6, column_spacing=6, halign=Gtk.Align.CENTER, valign=Gtk.Align.CENTER)
        table.connect("focus", self._focus)
        for number, value in enumerate(columns, 1):
            table.attach(_heading(across, value), number, 0, 1, 1)
        for number, value in enumerate(rows, 1):
            table.attach(_heading(down, value), 0, number, 1, 1)
        content = pixbufs.of(look.picture(preview_job.whole_view(look)))
        first: _Cell | None = None
        self._cells = {}
        for place in grid.places():
            cell = _Cell(Variation(grid.changed(place)), extent, self._can_add, first, self._take, self._choose)
            cell.show_pale(content)
            first = first or cell
            self._cells[place] = cell
            table.attach(cell, 1 + place[1], 1 + place[0], 1, 1)
        self._waiting = grid.places(center)
        self._cells[tuple(center)].mark()
        self._place.pack_start(table, True, True, 0)
        self._place.show_all()
        self._choose()

    def _focus(self, table: Gtk.Grid, direction: Gtk.DirectionType) -> bool:
        """Tab comes to one cell, and from its picture to its check mark; arrow keys go on to the cells around it."""
        inside = table.get_focus_child()
        place = next(place for place, cell in self._cells.items() if (cell is inside if inside else cell.is_marked))
        if direction not in _STEPS:
            if self._cells[place].go_on(direction):
                return True
        else:
            down, across = _STEPS[direction] if inside else (0, 0)
            if near := self._cells.get((place[0] + down, place[1] + across)):
                near.take_focus()
                return True
        table.stop_emission_by_name("focus")  # which goes on to what is beside the grid
        return False

    def _tell(self, event: Event) -> None:
        if isinstance(event, Cell):
            place = tuple(event.place)
            self._cells[place].show(pixbufs.of(event.picture))
            self._waiting.remove(place)
            if self._waiting:
                self._cells[self._waiting[0]].set_busy(True)
        elif isinstance(event, Progress):
            self._bar.set_fraction(event.fraction)
            done = len(self._cells) - len(self._waiting)
            text = _("Picture {number} of {count}, {left}")
            left = durations.left(event.seconds_left)
            self._say(text.format(number=done + 1, count=len(self._cells), left=left))
            if event.preview is not None and self._waiting:
                self._cells[self._waiting[0]].show_emerging(pixbufs.of(event.preview))

    def _end(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        self._bar.set_fraction(1)
        self._say("")
        self._choose()

    def _fail(self, error: Exception) -> None:
        """Paint nothing more, and say what went wrong, a sentence for a person."""
        self._studio.give_up()
        for cell in self._cells.values():
            cell.set_busy(False)
        self._bar.set_fraction(0)
        self._say(str(error))

    def _say(self, text: str) -> None:
        self._status.set_text(text)
        self._status.set_tooltip_text(text or None)

    def _take(self, variation: Variation) -> None:
        for name, value in variation.changed.items():
            self._subject.config.set_property(name.replace("_", "-"), value)

    def _choose(self) -> None:
        """Cells were checked: say how long it takes to paint them as layers."""
        count = sum(cell.is_chosen for cell in self._cells.values())
        self._add.set_sensitive(count > 0)
        if not count:
            self._add.set_tooltip_text(None)
            return
        try:
            asked = self._subject.estimate()
        except Refusal:
            return  # whoever paints it will be told
        self._studio.estimate(
            dataclasses.replace(asked, contents=asked.contents * count),
            lambda answer: self._add.set_tooltip_text(time_label.sentence(answer) or None),
            lambda error: self._add.set_tooltip_text(time_label.not_known(error)),
        )


class _Cell(Gtk.Overlay):
    """One picture of the grid, a radio button that looks like a button, with a check mark in its corner."""

    def __init__(
        self,
        variation: Variation,
        extent: tuple[int, int],
        can_be_chosen: bool,
        first: _Cell | None,
        on_take: Callable[[Variation], None],
        on_choose: Callable[[], None],
    ) -> None:
        super().__init__(has_tooltip=True)
        self.variation, self._on_take = variation, on_take
        self._extent = extent
        self._large: GdkPixbuf.Pixbuf | None = None
        self._button = Gtk.RadioButton(draw_indicator=False)
        self._button.join_group(first._button if first else None)
        place = Gtk.Box()
        place.set_size_request(*extent)
        self._button.add(place)
        self._button.get_accessible().set_name(variation.name)
        self._taken = self._button.connect("clicked", self._take)
        self._button.connect("toggled", self._mark)
        self.add(self._button)
        # Not in the button: a picture that is drawn sharply asks for a square, and as an overlay it asks for nothing.
        self._picture = Gtk.Image(halign=Gtk.Align.START, valign=Gtk.Align.START)
        self._add_seen(self._picture)
        place.connect("size-allocate", self._follow)
        self._check = Gtk.CheckButton(halign=Gtk.Align.END, valign=Gtk.Align.END)
        self._check.get_accessible().set_name(_("Add {variation} as a layer").format(variation=variation.name))
        self._check.connect("toggled", lambda _check: on_choose())
        self._spinner = Gtk.Spinner(halign=Gtk.Align.CENTER, valign=Gtk.Align.CENTER)
        self._spinner.set_size_request(24, 24)
        self._add_seen(self._spinner)
        if can_be_chosen:
            self.add_overlay(self._check)
            self._button.connect("button-press-event", self._press)
            self.connect("key-press-event", self._key)
        self.connect("query-tooltip", self._tell)

    def _add_seen(self, widget: Gtk.Widget) -> None:
        """Put something above the button through which it can be clicked."""
        self.add_overlay(widget)
        self.set_overlay_pass_through(widget, True)

    @property
    def is_chosen(self) -> bool:
        return self._check.get_active()

    def _mark(self, button: Gtk.RadioButton) -> None:
        """Let the theme show it as the one that counts, which a pressed button behind a picture hardly does."""
        context = button.get_style_context()
        (context.add_class if button.get_active() else context.remove_class)("suggested-action")

    def mark(self) -> None:
        """Show that these are the present settings."""
        with self._button.handler_block(self._taken):
            self._button.set_active(True)

    @property
    def is_marked(self) -> bool:
        """Whether its settings were the present ones, or were taken, last."""
        return self._button.get_active()

    def take_focus(self) -> None:
        """Let the keys be for the picture."""
        self._button.grab_focus()

    def go_on(self, direction: Gtk.DirectionType) -> bool:
        """Go with Tab to the picture, then to the check mark, or back; whether there was one left to go to."""
        # GTK's own order is by places, which it has of what lies above the picture in another window's pixels.
        stops = [self._button, self._check] if self._check.get_parent() else [self._button]
        if direction == Gtk.DirectionType.TAB_BACKWARD:
            stops.reverse()
        before = [stop for stop in stops if stop.has_focus()]
        left = stops[stops.index(before[0]) + 1 :] if before else stops
        if left:
            left[0].grab_focus()
        return bool(left)

    def set_busy(self, is_busy: bool) -> None:
        """Whether it is being painted."""
        (self._spinner.start if is_busy else self._spinner.stop)()

    def show_pale(self, content: GdkPixbuf.Pixbuf) -> None:
        """Show what will be painted here."""
        pale = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, content.get_width(), content.get_height())
        pale.fill(0)
        size = (0, 0, content.get_width(), content.get_height(), 0, 0, 1, 1)
        content.composite(pale, *size, GdkPixbuf.InterpType.NEAREST, _PALE)
        width, height = self._pixels()
        pixbufs.show(self._picture, pale.scale_simple(width, height, GdkPixbuf.InterpType.BILINEAR))

    def show_emerging(self, picture: GdkPixbuf.Pixbuf) -> None:
        """Show what is there by now."""
        pixbufs.show(self._picture, pixbufs.on_checks(picture, *self._pixels()))

    def show(self, picture: GdkPixbuf.Pixbuf) -> None:  # type: ignore[override]
        """Show the painting."""
        self._large = picture
        self.set_busy(False)
        self.show_emerging(picture)

    def _pixels(self) -> tuple[int, int]:
        factor = self.get_scale_factor()
        return self._extent[0] * factor, self._extent[1] * factor

    def _take(self, button: Gtk.RadioButton) -> None:
        if button.get_active():  # not the one that was marked before, which is told, too
            self._on_take(self.variation)

    def _follow(self, _place: Gtk.Box, area: Gdk.Rectangle) -> None:
        """Keep the picture where its place in the button is, and the check mark in its corner."""
        all_of_it = self.get_allocation()
        left = area.x - all_of_it.x + (area.width - self._extent[0]) // 2
        top = area.y - all_of_it.y + (area.height - self._extent[1]) // 2
        self._picture.set_margin_start(left)
        self._picture.set_margin_top(top)
        self._check.set_margin_end(all_of_it.width - left - self._extent[0] + _INSET)
        self._check.set_margin_bottom(all_of_it.height - top - self._extent[1] + _INSET)

    def _press(self, _button: Gtk.Button, event: Gdk.EventButton) -> bool:
        """A click with Ctrl checks."""
        if event.button == Gdk.BUTTON_PRIMARY and event.state & Gdk.ModifierType.CONTROL_MASK:
            self._check.set_active(not self._check.get_active())
            return True
        return False

    def _key(self, _cell: Gtk.Widget, event: Gdk.EventKey) -> bool:
        """Space with Ctrl checks, too."""
        if event.keyval == Gdk.KEY_space and event.state & Gdk.ModifierType.CONTROL_MASK:
            self._check.set_active(not self._check.get_active())
            return True
        return False

    def _tell(self, _cell: Gtk.Widget, _x: int, _y: int, _keyboard: bool, tooltip: Gtk.Tooltip) -> bool:
        tooltip.set_text(self.variation.name)
        if self._large:
            width, height = self._large.get_width(), self._large.get_height()
            scale = _LARGE / max(width, height)
            size = round(width * scale), round(height * scale)
            tooltip.set_icon(self._large.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR))
        return True


def _heading(name: str, value: Any) -> Gtk.Label:
    setting = next(setting for setting in TABLE if setting.name == name)
    return Gtk.Label(label=value_text(setting, value), tooltip_text=title(setting))


def _fitting(box: Box, columns: int, rows: int) -> tuple[int, int]:
    """Width and height in points of a cell's picture, for what is painted."""
    long_side = max(box.width, box.height)
    scale = min(_WIDTH / columns / box.width, _HEIGHT / rows / box.height, _LARGE / long_side)
    scale = max(scale, _SMALLEST / long_side)
    return max(1, round(box.width * scale)), max(1, round(box.height * scale))


def _size(size: int, answer: Estimated, count: int) -> int:
    """The long side in pixels that so many cells are painted at, when one of them takes so long at ``size``."""
    for smaller in _SIZES:
        if answer.seconds and answer.seconds * count * (smaller / size) ** 2 <= _PATIENCE:
            return min(size, smaller)
    return min(size, _SIZES[-1])
