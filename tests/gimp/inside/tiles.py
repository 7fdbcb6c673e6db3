"""A pattern that meets itself."""

from __future__ import annotations

import math

from gi.repository import Gimp

from tests.gimp.inside.stage import Pixel, new_image, new_layer, samples, styled


def _waves(x: int, y: int) -> Pixel:
    """Soft waves that do not come back to where they began: nothing that would meet by itself."""
    return 0.5 + 0.2 * math.sin(x * 0.11), 0.5, 0.5 + 0.2 * math.cos(y * 0.17), 1.0


def _seam(layer: Gimp.Layer) -> float:
    """How much more the last and the first column, and row, differ than neighbors in the middle do."""
    width, height, found = layer.get_width(), layer.get_height(), samples(layer)
    columns = [[found[(y * width + x) * 4 + c] for y in range(height) for c in range(3)] for x in range(width)]
    rows = [list(found[y * width * 4 : (y + 1) * width * 4]) for y in range(height)]

    def step(lines: list[list[float]], one: int, other: int) -> float:
        return sum(abs(a - b) for a, b in zip(lines[one], lines[other], strict=True)) / len(lines[one])

    inside = [step(lines, place, place + 1) for lines in (columns, rows) for place in range(20, len(lines) - 20)]
    return (step(columns, -1, 0) + step(rows, -1, 0)) / 2 / (sum(inside) / len(inside))


def test_the_edges_of_a_tileable_layer_meet() -> None:
    image = new_image(96, 64)
    source = new_layer(image, "source", width=96, height=64, paint=_waves)
    given = {"quality": "draft", "size": 96, "iterations": 20, "strength": 80.0}

    (plain,) = styled(image, [source], tileable=False, **given)
    (tileable,) = styled(image, [source], tileable=True, **given)

    assert _seam(plain) > 1.8, (_seam(tileable), _seam(plain))
    assert _seam(tileable) < 1.3, (_seam(tileable), _seam(plain))
