"""A contact sheet: the cells of a grid beside and below each other, with what was varied along the sides."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.plot import drawable
from plugin.engine.refusal import Refusal
from plugin.shared.i18n import _
from plugin.shared.sweep_grid import Grid, written

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

_LARGEST_CELL = 512
_LONGEST_SIDE = 15000
"""Pixels of all cells in a row, or in a column: what viewers and file formats still take."""
_NARROWEST = 96
"""Pixels. A smaller cell gets as much room, for its caption."""
_GAP, _LINE, _TEXT = 12, 20, 14
_HEAD = 128
_WIDEST_LABEL = 240
_CHARACTERS = 80
"""Of a line of words beside the head."""
_INK, _QUIET, _PAPER, _MARK = "#303030", "#707070", "#ffffff", "#d55e00"


@dataclass(frozen=True)
class Proof:
    """A cell on the sheet; the best one gets a frame."""

    picture: Image.Image
    caption: str
    is_best: bool = False


def check_name(path: Path) -> None:
    """Find out before the work, not after it, that a sheet cannot have this name.

    Raises:
        Refusal: it says another format.
    """
    if path.suffix.lower() not in SUFFIXES:
        sentence = _("“{name}” cannot be a contact sheet; choose a name that ends in .png, .jpg or .tif.")
        raise Refusal(sentence.format(name=path))


def largest_side(grid: Grid) -> int:
    """The long side in pixels that a cell may have, so that the sheet stays within what can be looked at."""
    columns, rows = _shape(grid)
    return max(16, min(_LARGEST_CELL, _LONGEST_SIDE // columns, _LONGEST_SIDE // rows))


def small(rgba: Tensor, width: int, height: int) -> Image.Image:
    """A picture, 4×H×W in 0 to 1, at another size and over white."""
    shown = pictures.resize(rgba.cpu(), width, height).clamp(0, 1)
    over_white = shown[:3] * shown[3:] + (1 - shown[3:])
    return Image.fromarray((over_white * 255).round().permute(1, 2, 0).numpy().astype(np.uint8))


class ContactSheet:
    """The last axis of the grid runs across; every combination of the others has a row.

    Args:
        width, height: of each cell's picture, in pixels.
    """

    def __init__(self, grid: Grid, width: int, height: int) -> None:
        self._grid, self._width, self._height = grid, width, height
        self._slot = (max(width, _NARROWEST) + _GAP, height + _LINE + _GAP)
        *others, (self._across, self._columns) = grid.vary.items()
        self._rows = [
            [f"{name.replace('_', '-')} {written(value)}" for (name, _), value in zip(others, values)]
            for values in itertools.product(*(values for _, values in others))
        ]
        labels = [label for row in self._rows for label in row]
        self._left = 2 * _GAP + round(min(_WIDEST_LABEL, max(map(_length, labels), default=-_GAP)))
        self._top = _HEAD + 4 * _LINE + _GAP

    def box(self, place: Sequence[int]) -> tuple[int, int, int, int]:
        """Where a cell's picture lies on the sheet: left, top, width and height in pixels."""
        *others, column = place
        row = 0
        for values, index in zip(self._grid.vary.values(), others):
            row = row * len(values) + index
        left = self._left + column * self._slot[0] + (self._slot[0] - _GAP - self._width) // 2
        return left, self._top + row * self._slot[1], self._width, self._height

    def draw(
        self, head: Sequence[tuple[str, Tensor]], words: Sequence[str], proofs: Mapping[tuple[int, ...], Proof]
    ) -> Image.Image:
        """The sheet, in RGB.

        Args:
            head: pictures with their names to be shown small, 4×H×W in 0 to 1.
            words: lines beside them, broken where they are long.
            proofs: by their places.
        """
        shown = [(name, _fitted(picture)) for name, picture in head]
        lines = [line for text in words for line in textwrap.wrap(text, _CHARACTERS)]
        places = list(itertools.accumulate((max(image.width, _NARROWEST) + _GAP for _, image in shown), initial=_GAP))
        needed = places[-1] + round(max(map(_length, lines), default=0)) + _GAP
        width = max(needed, self._left + len(self._columns) * self._slot[0])
        sheet = Image.new("RGB", (width, self._top + len(self._rows) * self._slot[1]), _PAPER)
        pen = ImageDraw.Draw(sheet)
        for left, (name, image) in zip(places, shown):
            sheet.paste(image, (left, _GAP))
            _write(pen, left, _GAP + _HEAD + 2, name, max(image.width, _NARROWEST))
        for number, line in enumerate(lines):
            _write(pen, places[-1], _GAP + number * _LINE, line)
        self._label(pen)
        for place, proof in proofs.items():
            self._place(sheet, pen, place, proof)
        return sheet

    def _label(self, pen: ImageDraw.ImageDraw) -> None:
        _write(pen, self._left, self._top - 2 * _LINE, self._across.replace("_", "-"), color=_QUIET)
        for column, value in enumerate(self._columns):
            left = self._left + column * self._slot[0]
            _write(pen, left, self._top - _LINE, written(value), self._slot[0] - _GAP)
        for row, labels in enumerate(self._rows):
            for line, label in enumerate(labels):
                _write(pen, _GAP, self._top + row * self._slot[1] + line * _LINE, label, _WIDEST_LABEL)

    def _place(self, sheet: Image.Image, pen: ImageDraw.ImageDraw, place: tuple[int, ...], proof: Proof) -> None:
        left, top, width, height = self.box(place)
        sheet.paste(proof.picture, (left, top))
        if proof.is_best:
            pen.rectangle((left - 5, top - 5, left + width + 4, top + height + 4), outline=_MARK, width=4)
        slot = self._left + place[-1] * self._slot[0]
        color = _MARK if proof.is_best else _INK
        _write(pen, slot, top + height + 4, proof.caption, self._slot[0] - _GAP, color)


def _shape(grid: Grid) -> tuple[int, int]:
    """Columns and rows."""
    columns = len(list(grid.vary.values())[-1])
    return columns, len(grid.places()) // columns


def _fitted(picture: Tensor) -> Image.Image:
    """As high as the head, and no wider than two such squares."""
    height, width = picture.shape[-2:]
    factor = min(_HEAD / height, 2 * _HEAD / width)
    return small(picture, max(1, round(width * factor)), max(1, round(height * factor)))


def _write(
    pen: ImageDraw.ImageDraw, left: int, top: int, text: str, room: float | None = None, color: str = _INK
) -> None:
    text = drawable(text)
    while room is not None and len(text) > 1 and pen.textlength(text, font=_font()) > room:
        text = text.removesuffix("…")[:-1] + "…"
    pen.text((left, top), text, fill=color, font=_font())


def _length(text: str) -> float:
    return _font().getlength(drawable(text))


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_TEXT)
