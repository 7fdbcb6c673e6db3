"""Draws pictures side by side, each above its label."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SHOWN = 512
"""Long side in pixels of a painting on a sheet, at most."""
_LABEL, _GAP, _FONT_SIZE = 24, 12, 14


@dataclass(frozen=True)
class Panel:
    """A picture file with a label; or, where there is none, words that stand in its place."""

    label: str
    shows: Path | str


def sheet(content: Panel, style: Panel, paintings: Sequence[Panel], size: int) -> Image.Image:
    """The content small above the style small, then every painting at one size.

    Args:
        size: the long side that the paintings were painted at, in pixels; a content is as large or larger.
    """
    assert isinstance(content.shows, Path)
    with Image.open(content.shows) as picture:
        factor = min(size, SHOWN) / max(picture.size)
        width, height = (max(1, round(side * factor)) for side in picture.size)
    small = max(16, (height - _LABEL) // 2)
    columns = [[(panel.label, _shown(panel, 2 * small, small)) for panel in (content, style)]]
    columns += [[(painting.label, _shown(painting, width, height))] for painting in paintings]
    font = ImageFont.load_default(_FONT_SIZE)
    widths = [
        _GAP + max(max(image.width, round(font.getlength(label))) for label, image in column) for column in columns
    ]
    canvas = Image.new("RGB", (sum(widths), 2 * (small + _LABEL)), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for column, column_width in zip(columns, widths):
        for row, (label, image) in enumerate(column):
            top = row * (small + _LABEL)
            canvas.paste(image, (left, top))
            draw.text((left, top + image.height + 3), label, "black", font)
        left += column_width
    return canvas


def _shown(panel: Panel, width: int, height: int) -> Image.Image:
    """What a panel shows, in at most that size."""
    if isinstance(panel.shows, str):
        lines = [part for line in panel.shows.splitlines() for part in textwrap.wrap(line, max(10, width // 8))]
        image = Image.new("RGB", (width, height), "lightgray")
        ImageDraw.Draw(image).multiline_text((8, 8), "\n".join(lines[-max(1, height // 18) :]), "black")
        return image
    with Image.open(panel.shows) as picture:
        image = Image.new("RGBA", picture.size, "white")
        image.alpha_composite(picture.convert("RGBA"))
    shown = image.convert("RGB")
    shown.thumbnail((width, height), Image.Resampling.LANCZOS)
    return shown
