"""A picture in pieces that fit into memory, without a seam.

Each tile owns a part of the picture and sees as much around it as one position of the deepest feature map can see. What
it owns in every feature map is then what the whole picture has there, and the sum of all tiles' gradients is the whole
picture's gradient.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from plugin.engine.transfer.vgg import LAYERS, stride

_GRID = 16
"""Pixels. Tiles begin on multiples of the deepest feature map's stride, so that the pools of all of them agree."""

SMALLEST_SIDE = 128
"""Pixels; of a smaller tile next to nothing would be its own."""


@dataclass(frozen=True)
class Span:
    """Along one side, in pixels: what a tile sees, ``start`` to ``end``, and of that what it owns.

    Where the picture wraps around, ``start`` may be negative and ``end`` beyond the picture.
    """

    start: int
    own_start: int
    own_end: int
    end: int
    length: int
    """Of the picture."""

    def seen(self, device: torch.device) -> Tensor:
        """The picture's rows or columns, in order."""
        return torch.arange(self.start, self.end, device=device).remainder_(self.length)

    def own(self, layer: str) -> slice:
        """What it owns of its own feature map; the picture's last tile owns all to the end."""
        step = stride(layer)
        last = self.own_end >= self.length
        end = None if last and self.end == self.own_end else (self.own_end - self.start) // step
        return slice((self.own_start - self.start) // step, end)

    def place(self, layer: str) -> slice:
        """The same in the whole picture's feature map."""
        step = stride(layer)
        return slice(self.own_start // step, self.own_end // step)


@dataclass(frozen=True)
class Tile:
    """A piece of a picture. The whole picture is a tile, too, which owns all that it sees."""

    rows: Span
    columns: Span

    @property
    def area(self) -> int:
        """How many pixels it sees."""
        return (self.rows.end - self.rows.start) * (self.columns.end - self.columns.start)

    @property
    def _wraps(self) -> bool:
        return any(span.start < 0 or span.end > span.length for span in (self.rows, self.columns))

    def cut(self, image: Tensor) -> Tensor:
        """What it sees of a picture, …×H×W."""
        if not self._wraps:
            return image[..., self.rows.start : self.rows.end, self.columns.start : self.columns.end]
        image = image.index_select(-2, self.rows.seen(image.device))
        return image.index_select(-1, self.columns.seen(image.device))

    def add(self, whole: Tensor, part: Tensor) -> None:
        """Add the gradient of what it sees, 1×K×h×w, to the whole picture's, 1×K×H×W."""
        if not self._wraps:
            self.cut(whole).add_(part)
            return
        rows, columns = self.rows.seen(whole.device), self.columns.seen(whole.device)
        across = whole.new_zeros(*part.shape[:-1], whole.shape[-1]).index_add_(-1, columns, part.to(whole.dtype))
        whole.index_add_(-2, rows, across)

    def own(self, features: Tensor, layer: str) -> Tensor:
        """What it owns of its feature map, a view; ``features`` is …×h×w."""
        return features[..., self.rows.own(layer), self.columns.own(layer)]

    def place(self, whole: Tensor, layer: str) -> Tensor:
        """Where that is in the whole picture's feature map, a view."""
        return whole[..., self.rows.place(layer), self.columns.place(layer)]


def whole(height: int, width: int) -> list[Tile]:
    """One tile that is the whole picture."""
    return [Tile(Span(0, 0, height, height, height), Span(0, 0, width, width, width))]


def within(height: int, width: int, area: int, deepest: str, wraps: bool = False) -> list[Tile]:
    """Cut a picture into tiles that see ``area`` pixels at most, and together as few as can be.

    A picture that has no more pixels stays whole. No tile is much smaller than :data:`SMALLEST_SIDE`, even if it sees
    more than it may then.

    Args:
        deepest: the deepest layer that will be looked at; it says how far a tile sees.
        wraps: whether left and right, top and bottom meet; both sides are multiples of 16 then.
    """
    halo = sight(deepest)
    rows, columns = (_counts(length, halo, wraps) for length in (height, width))
    fitting = [
        (all_rows * all_columns, row_count, column_count)
        for row_count, tallest, all_rows in rows
        for column_count, widest, all_columns in columns
        if tallest * widest <= area
    ]
    _, row_count, column_count = min(fitting) if fitting else (0, rows[-1][0], columns[-1][0])
    return _grid(_spans(height, row_count, halo, wraps), _spans(width, column_count, halo, wraps))


def side_within(area: int, deepest: str) -> int:
    """What tiles that see so many pixels own along a side, in pixels; :data:`SMALLEST_SIDE` at least."""
    return max(SMALLEST_SIDE, (math.isqrt(area) - 2 * sight(deepest)) // _GRID * _GRID)


def area_for(side: int, deepest: str) -> int:
    """How many pixels tiles see that own so many along a side."""
    return (side + 2 * sight(deepest)) ** 2


def sight(layer: str) -> int:
    """How far one position of a feature map sees to each side, in pixels, rounded up to the tiles' grid."""
    reach = 0
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        if name.endswith("_1") and name != LAYERS[0]:
            reach += stride(name) // 2  # the pool before this block
        reach += stride(name)
    return -(-reach // _GRID) * _GRID


def _counts(length: int, halo: int, wraps: bool) -> list[tuple[int, int, int]]:
    """Into how many spans a side may be cut, what the longest of them sees then, and what all of them see."""
    found = [(1, length, length)]
    for count in range(2, length // SMALLEST_SIDE + 1):
        own = math.ceil(length / count / _GRID) * _GRID
        longest = own + (2 if wraps or count > 2 else 1) * halo
        if longest < found[-1][1]:
            found.append((count, longest, length + 2 * halo * (count if wraps else count - 1)))
    return found


def _spans(length: int, count: int, halo: int, wraps: bool) -> list[Span]:
    if count == 1:
        return [Span(0, 0, length, length, length)]
    edges = [round(length * place / count / _GRID) * _GRID for place in range(count)] + [length]
    spans = []
    for start, end in itertools.pairwise(edges):
        if wraps:
            spans.append(Span(start - halo, start, end, end + halo, length))
        else:
            spans.append(Span(max(0, start - halo), start, end, min(length, end + halo), length))
    return spans


def _grid(rows: list[Span], columns: list[Span]) -> list[Tile]:
    return [Tile(row, column) for row, column in itertools.product(rows, columns)]
