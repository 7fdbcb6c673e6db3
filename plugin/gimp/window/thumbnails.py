"""Small versions of style pictures, made where they keep no window waiting."""

from __future__ import annotations

import itertools
import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from gi.repository import GdkPixbuf, Gimp, Gio, GLib

from plugin.gimp.image.style_source import Source, is_gone, title
from plugin.shared import engine_client, threads
from plugin.shared.i18n import _

_log = logging.getLogger("neural-style.thumbnails")

_LARGEST_AREA = 100_000_000
"""Pixels; some formats have no way to a small version but through all of them."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Thumbnail:
    """A small square picture, or in a few words and in a sentence why there is none."""

    pixbuf: GdkPixbuf.Pixbuf | None
    problem: str = ""
    sentence: str = ""
    is_usable: bool = True
    """False where the style itself is not there, and not only its small picture."""


class Background:
    """A thread that does one thing after the other; what comes of each is told on the main loop."""

    def __init__(self) -> None:
        self._tasks: queue.PriorityQueue[tuple[int, int, Callable[[], bool] | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._closed = False
        threads.start(self._work)

    def ask(
        self,
        function: Callable[[], _Result],
        on_done: Callable[[_Result], None],
        on_failure: Callable[[engine_client.EngineError], None],
        *,
        urgent: bool = False,
    ) -> None:
        """Call ``function`` in the thread and ``on_done`` with its result on the main loop.

        Args:
            on_failure: called instead with a sentence for a person where the function raises, which the log has.
        """
        self._tasks.put((0 if urgent else 1, next(self._numbers), partial(self._tell, function, on_done, on_failure)))

    def thumbnail(
        self, source: Source, on_done: Callable[[Thumbnail], None], size: int, *, urgent: bool = False
    ) -> None:
        """Make a small version of a style, ``size`` of the screen's pixels wide and high."""

        def fail(error: engine_client.EngineError) -> None:
            on_done(Thumbnail(None, _("No preview"), str(error)))

        if isinstance(source, Gio.File):
            self.ask(partial(_of_file, source, size), on_done, fail, urgent=urgent)
        else:  # what is open only GIMP has, and its library is for the main thread
            GLib.idle_add(self._tell, partial(_of_open, source, size), on_done, fail, priority=GLib.PRIORITY_LOW)

    def close(self) -> None:
        """Tell nobody anything any more, and end the thread."""
        self._closed = True
        self._tasks.put((0, next(self._numbers), None))

    def _work(self) -> None:
        while (task := self._tasks.get()[2]) is not None and not self._closed:
            task()

    def _tell(
        self, function: Callable[[], Any], on_done: Callable[[Any], None], on_failure: Callable[[Any], None]
    ) -> bool:
        if not self._closed:
            try:
                GLib.idle_add(self._call, on_done, function())
            except Exception as error:
                _log.exception("%s was not expected to fail", function)
                GLib.idle_add(self._call, on_failure, engine_client.unexpected(error))
        return GLib.SOURCE_REMOVE

    def _call(self, on_done: Callable[[Any], None], result: Any) -> bool:
        if not self._closed:
            on_done(result)
        return GLib.SOURCE_REMOVE


def _of_file(file: Gio.File, size: int) -> Thumbnail:
    if is_gone(file):
        return _not_open()
    wanted = "standard::type,thumbnail::path"
    try:
        info = file.query_info(wanted, Gio.FileQueryInfoFlags.NONE, None)
    except GLib.Error as error:
        if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND):
            sentence = _("“{name}” is not there any more; choose another style.").format(name=file.get_parse_name())
        else:
            sentence = _("“{name}” cannot be read ({reason}); choose another style.")
            sentence = sentence.format(name=title(file), reason=error.message)
        return Thumbnail(None, _("Not found"), sentence, False)
    if info.get_file_type() != Gio.FileType.REGULAR:
        sentence = _("“{name}” is no file; choose a picture.")
        return Thumbnail(None, _("No picture"), sentence.format(name=title(file)), False)
    try:
        return Thumbnail(_centered(_load(file, size), size))
    except (GLib.Error, _TooLargeError) as error:
        # GIMP and the engine read kinds of files that GTK does not; who saved them may have left a small version.
        if path := info.get_attribute_byte_string("thumbnail::path"):
            try:
                return Thumbnail(_centered(_load(Gio.File.new_for_path(path), size), size))
            except (GLib.Error, _TooLargeError):
                pass
        sentence = _("“{name}” cannot be shown here ({reason}).")
        reason = getattr(error, "message", str(error))
        return Thumbnail(None, _("No preview"), sentence.format(name=title(file), reason=reason))


class _TooLargeError(Exception):
    pass


def _load(file: Gio.File, size: int) -> GdkPixbuf.Pixbuf:
    """The picture in a file, upright.

    Raises:
        GLib.Error: it cannot be read.
        _TooLargeError: it would take too long.
    """
    if path := file.get_path():
        kind, width, height = GdkPixbuf.Pixbuf.get_file_info(path)
        if kind is not None and width * height > _LARGEST_AREA:
            raise _TooLargeError(_("it has {width} × {height} pixels").format(width=width, height=height))
    stream = file.read(None)
    try:
        pixbuf = GdkPixbuf.Pixbuf.new_from_stream_at_scale(stream, size, size, True, None)
    finally:
        stream.close(None)
    return pixbuf.apply_embedded_orientation()


def _of_open(source: Gimp.Layer | Gimp.Image, size: int) -> Thumbnail:
    if not source.is_valid():
        return _not_open()
    pixbuf = source.get_thumbnail(size, size, Gimp.PixbufTransparency.SMALL_CHECKS)
    if pixbuf is None:
        return Thumbnail(None, _("No preview"), _("“{name}” cannot be shown here.").format(name=title(source)))
    return Thumbnail(_centered(pixbuf, size))


def _not_open() -> Thumbnail:
    sentence = _("This layer or image is not open any more; choose another style.")
    return Thumbnail(None, _("Not open"), sentence, False)


def _centered(pixbuf: GdkPixbuf.Pixbuf, size: int) -> GdkPixbuf.Pixbuf:
    """The picture in the middle of a square that is transparent elsewhere, so that all take the same place."""
    width, height = pixbuf.get_width(), pixbuf.get_height()
    square = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, size, size)
    square.fill(0)
    pixbuf.add_alpha(False, 0, 0, 0).copy_area(0, 0, width, height, square, (size - width) // 2, (size - height) // 2)
    return square
