"""Charts of numbers as PNG files, drawn with Pillow: what the engine has anyway."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from plugin.engine.refusal import Refusal
from plugin.shared.i18n import _

WIDTH, HEIGHT = 1200, 700

COLORS = ("#303030", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""For a chart's lines: M. Okabe, K. Ito, *Color Universal Design*, told apart by color-blind eyes too."""

PARTS = dict(zip(("total", "content", "style", "tv"), COLORS))
"""What :func:`losses` draws, and in which color."""

_FINE = 2
"""Drawn at so many times the size and reduced, which smooths the edges."""

_INK, _GRID, _FAINT, _PAPER = "#303030", "#d0d0d0", "#ececec", "#ffffff"
_TITLE, _TEXT, _SMALL = 22, 16, 13
_FEW_POINTS = 30

_IN_FONT = str.maketrans({"×": "x", "−": "-", "–": "-", "—": "-", "\N{MICRO SIGN}": "u"})
"""What Pillow's own font has no glyph for."""


@dataclass(frozen=True)
class Series:
    """One line of a chart; ``color`` is ``#rrggbb``, ``width`` in pixels. One without a name is not in the legend."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str
    width: float = 2


@dataclass(frozen=True)
class Mark:
    """A dotted vertical line at ``x`` with a few words at its top."""

    x: float
    text: str


def losses(trace: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw how a job's losses fell, over seconds, into a PNG file of 1200 × 700 pixels.

    Args:
        trace: a job's trace: ``seconds``, ``scale``, ``total``, ``content``, ``style`` and ``tv`` at each entry, and
            ``width`` and ``height`` where they are known. A part that is 0 throughout has no line; where one is 0 for
            a while, which a logarithmic axis has no place for, its line is interrupted.

    Raises:
        Refusal: the file cannot be written.
    """
    seconds = [entry["seconds"] for entry in trace]
    lines = [
        Series(name, seconds, [entry.get(name, 0.0) for entry in trace], color, width=4 if name == "total" else 2)
        for name, color in PARTS.items()
    ]
    picture = chart(
        [line for line in lines if any(line.y)], title, "seconds", "loss, weighted", log_y=True, marks=_scales(trace)
    )
    try:
        picture.save(path, format="PNG")
    except OSError as error:
        sentence = _("“{name}” cannot be written; choose a name in a folder you may write to.")
        raise Refusal(sentence.format(name=path)) from error


def _scales(trace: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Where each scale begins: when the one before it had ended."""
    marks: list[Mark] = []
    scale, ended = None, 0.0
    for entry in trace:
        if entry["scale"] != scale:
            scale = entry["scale"]
            sized = "width" in entry and "height" in entry
            marks.append(Mark(ended, f"{entry['width']} × {entry['height']}" if sized else f"scale {scale}"))
        ended = entry["seconds"]
    return marks


def chart(
    series: Sequence[Series],
    title: str,
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    marks: Sequence[Mark] = (),
) -> Image.Image:
    """Draw lines over two axes, 1200 × 700 pixels in RGB.

    A line of few points has dots on them. A value that its axis has no place for, not finite or on a logarithmic axis
    not positive, interrupts the line. A linear axis has 0 on it.
    """
    lines = [_runs(line, log_x, log_y) for line in series]
    points = [point for runs in lines for run in runs for point in run]
    marks = [mark for mark in marks if not log_x or mark.x > 0]
    x_axis = _Axis.around([x for x, _ in points] + [mark.x for mark in marks], log_x, margin=0)
    y_axis = _Axis.around([y for _, y in points], log_y, margin=0.04)
    sheet = _Sheet(x_axis, y_axis, marks)
    sheet.frame(title, x_label, y_label)
    sheet.legend(series)
    for line, runs in zip(series, lines):
        for run in runs:
            sheet.line(run, line.color, line.width, dots=len(line.x) <= _FEW_POINTS)
    return sheet.finished()


def _runs(line: Series, log_x: bool, log_y: bool) -> list[list[tuple[float, float]]]:
    """A line's points, in pieces between those that have no place."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.x, line.y):
        placed = math.isfinite(x) and math.isfinite(y) and (x > 0 or not log_x) and (y > 0 or not log_y)
        if placed:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    log: bool

    @staticmethod
    def around(values: Sequence[float], log: bool, margin: float) -> _Axis:
        """An axis that has room for all values, and for a part of its length besides at either end."""
        if log:
            logs = [math.log10(value) for value in values] or [0.0]
            room = margin * (max(logs) - min(logs)) or 0.2
            return _Axis(10 ** (min(logs) - room), 10 ** (max(logs) + room), log)
        low, high = min([0.0, *values]), max([0.0, *values])
        room = margin * (high - low)
        high = high + room if high > low else low + 1
        return _Axis(low - room if low < 0 else low, high, log)

    def place(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """About four to ten round numbers."""
        if not self.log:
            return self._linear_ticks()
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every = math.ceil(len(decades) / 10)
        for factors in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 8)):
            ticks = [factor * 10.0**decade for decade in decades if decade % every == 0 for factor in factors]
            ticks = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(ticks) >= 4:
                return ticks
        return self._linear_ticks()

    def _linear_ticks(self) -> list[float]:
        least = (self.high - self.low) / 8
        power = 10.0 ** math.floor(math.log10(least))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [index * step for index in range(first, last + 1)]


def _number(value: float, in_full: bool) -> tuple[str, str]:
    """As it is written: in full, or a factor and power of ten and, apart, the exponent that is set higher."""
    if value == 0 or in_full:
        return f"{value:.6g}", ""
    factor, exponent = f"{value:.2e}".split("e")
    factor = factor.rstrip("0").rstrip(".")
    return "10" if factor == "1" else f"{factor}·10", str(int(exponent))


class _Sheet:
    """A chart on paper: the frame's place follows from what has to be written around it."""

    def __init__(self, x_axis: _Axis, y_axis: _Axis, marks: Sequence[Mark]) -> None:
        self._x_axis, self._y_axis = x_axis, y_axis
        self._image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._left, self._right = 100.0, WIDTH - 40.0
        if marks:
            self._right -= max(self._length(mark.text, _SMALL) for mark in marks) - 30
        rows = self._rows_of(marks)
        self._row_height = _SMALL + 5
        self._header = 84.0
        self._top = self._header + self._row_height * (max(rows, default=-1) + 1)
        self._bottom = HEIGHT - 70.0
        self._grid()
        for mark, row in zip(marks, rows):
            self._mark(mark, row)

    def frame(self, title: str, x_label: str, y_label: str) -> None:
        """The frame, the title and what the axes are."""
        corners = [self._fine(self._left, self._top), self._fine(self._right, self._bottom)]
        self._draw.rectangle(corners, outline=_INK, width=_FINE)
        title = drawable(title)
        while self._length(title, _TITLE) > WIDTH - self._left - 40:
            title = title.rstrip("…")[:-1] + "…"
        self._write(self._left, 30, title, _TITLE, "lm")
        self._write((self._left + self._right) / 2, HEIGHT - 22, x_label, _TEXT, "mm")
        label = Image.new("L", (HEIGHT * _FINE, 30 * _FINE))
        middle = (label.width / 2, label.height / 2)
        ImageDraw.Draw(label).text(middle, drawable(y_label), fill=255, font=_font(_TEXT), anchor="mm")
        turned = label.rotate(90, expand=True)
        corner = (10 * _FINE, round((self._top + self._bottom) / 2 * _FINE - turned.height / 2))
        self._image.paste(_INK, corner, turned)

    def legend(self, series: Sequence[Series]) -> None:
        """The name of each line after a piece of it, in a row below the title."""
        x, y = self._left, 64
        for line in (line for line in series if line.name):
            self._stroke([(x, y), (x + 28, y)], line.color, 4)
            self._write(x + 36, y, line.name, _TEXT, "lm")
            x += 36 + self._length(line.name, _TEXT) + 28

    def line(self, points: Sequence[tuple[float, float]], color: str, width: float, dots: bool) -> None:
        """A line through points given in the axes' own numbers."""
        places = [(self._across(x), self._up(y)) for x, y in points]
        self._stroke(places, color, width)
        if dots or len(places) == 1:
            for x, y in places:
                radius = width + 1.5
                corners = [self._fine(x - radius, y - radius), self._fine(x + radius, y + radius)]
                self._draw.ellipse(corners, fill=color)

    def finished(self) -> Image.Image:
        return self._image.reduce(_FINE)

    def _grid(self) -> None:
        """The ticks of both axes, each with a line across and its number."""
        for axis, is_x in ((self._x_axis, True), (self._y_axis, False)):
            ticks = axis.ticks()
            in_full = all(tick == 0 or 1e-3 <= abs(tick) < 1e5 for tick in ticks)
            if axis.log:
                for value in _between(ticks):
                    if axis.low <= value <= axis.high:
                        self._rule(value, is_x, _FAINT)
            for tick in ticks:
                self._rule(tick, is_x, _GRID)
                base, exponent = _number(tick, in_full)
                if is_x:
                    self._write_number(self._across(tick), self._bottom + 18, base, exponent, 0.5)
                else:
                    self._write_number(self._left - 10, self._up(tick), base, exponent, 1)

    def _rule(self, value: float, is_x: bool, color: str) -> None:
        if is_x:
            x = self._across(value)
            self._stroke([(x, self._top), (x, self._bottom)], color, 1)
        else:
            y = self._up(value)
            self._stroke([(self._left, y), (self._right, y)], color, 1)

    def _rows_of(self, marks: Sequence[Mark]) -> list[int]:
        """For each mark the row above the frame that its words stand in, 0 the topmost.

        The dotted line to a row crosses all rows below it, so all of these must have ended before it.
        """
        rows: list[int] = []
        ends: list[float] = []
        for mark in marks:
            x = self._across(mark.x)
            row = len(ends)
            while row > 0 and ends[row - 1] < x:
                row -= 1
            ends[row : row + 1] = [x + 4 + self._length(mark.text, _SMALL) + 6]
            rows.append(row)
        return rows

    def _mark(self, mark: Mark, row: int) -> None:
        x, top = self._across(mark.x), self._header + row * self._row_height
        y = top
        while y < self._bottom:
            self._stroke([(x, y), (x, min(y + 3, self._bottom))], "#808080", 1)
            y += 7
        self._write(x + 4, top + 6, mark.text, _SMALL, "lm")

    def _across(self, value: float) -> float:
        return self._left + self._x_axis.place(value) * (self._right - self._left)

    def _up(self, value: float) -> float:
        return self._bottom - self._y_axis.place(value) * (self._bottom - self._top)

    def _stroke(self, points: Sequence[tuple[float, float]], color: str, width: float) -> None:
        fine = [self._fine(x, y) for x, y in points]
        self._draw.line(fine, fill=color, width=round(width * _FINE), joint="curve")

    def _write(self, x: float, y: float, text: str, size: int, anchor: str) -> None:
        self._draw.text(self._fine(x, y), drawable(text), fill=_INK, font=_font(size), anchor=anchor)

    def _write_number(self, x: float, y: float, base: str, exponent: str, before: float) -> None:
        """With the part ``before`` of its length before ``x``."""
        length = self._length(base, _TEXT)
        x -= before * (length + self._length(exponent, _SMALL))
        self._write(x, y, base, _TEXT, "lm")
        self._write(x + length + 1, y - 7, exponent, _SMALL, "lm")

    def _length(self, text: str, size: int) -> float:
        return self._draw.textlength(drawable(text), font=_font(size)) / _FINE

    @staticmethod
    def _fine(x: float, y: float) -> tuple[float, float]:
        return x * _FINE, y * _FINE


def _between(ticks: Sequence[float]) -> list[float]:
    """The whole multiples of each decade, where the ticks of a logarithmic axis are no more than a decade apart."""
    if len(ticks) < 2 or ticks[-1] / ticks[0] > 1.001 * 10 ** (len(ticks) - 1):
        return []
    decades = range(math.floor(math.log10(ticks[0])) - 1, math.ceil(math.log10(ticks[-1])) + 1)
    return [factor * 10.0**decade for decade in decades for factor in range(2, 10)]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size * _FINE)


def drawable(text: str) -> str:
    """With what Pillow's own font has no glyph for replaced by what comes nearest; letters lose their accents."""
    apart = unicodedata.normalize("NFKD", text.translate(_IN_FONT))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
