"""The chart of a job's losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

from plugin.engine import plot
from plugin.engine.plot import Series
from plugin.engine.refusal import Refusal


def trace(tv: float = 1e-3) -> list[dict[str, Any]]:
    """Three scales, each beginning higher than the one before ended."""
    entries = []
    seconds = 0.0
    for scale, (width, height) in enumerate([(128, 96), (256, 192), (512, 384)], 1):
        for iteration in range(1, 41):
            seconds += 0.02 * 4**scale
            parts = {"content": 3 / iteration, "style": 500 / (scale * iteration), "tv": tv}
            entries.append(
                {"scale": scale, "iteration": iteration, "seconds": seconds, "width": width, "height": height}
                | parts
                | {"total": sum(parts.values())}
            )
    return entries


def drawn(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (plot.WIDTH, plot.HEIGHT)
        return np.array(image.convert("RGB"))


def where(picture: np.ndarray, color: str, below_legend: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels in just that color, without the legend above the frame."""
    rows, columns = np.nonzero((picture == ImageColor.getrgb(color)).all(-1))
    inside = rows > below_legend
    return rows[inside], columns[inside]


def test_the_chart_is_a_png_with_a_line_for_every_part(tmp_path: Path) -> None:
    plot.losses(trace(), tmp_path / "losses.png", "chelsea.jpg × hokusai_great_wave.jpg")
    picture = drawn(tmp_path / "losses.png")
    for color in plot.PARTS.values():
        assert len(where(picture, color)[0]) > 50


def test_a_part_that_is_zero_throughout_has_no_line(tmp_path: Path) -> None:
    plot.losses(trace(tv=0.0), tmp_path / "losses.png", "without total variation")
    picture = drawn(tmp_path / "losses.png")
    assert len(where(picture, plot.PARTS["tv"], below_legend=0)[0]) == 0
    assert len(where(picture, plot.PARTS["content"])[0]) > 50


def test_what_is_lower_is_lower_in_the_chart_and_what_is_later_is_further_right(tmp_path: Path) -> None:
    plot.losses(trace(), tmp_path / "losses.png", "falling")
    picture = drawn(tmp_path / "losses.png")
    style, content, tv = (where(picture, plot.PARTS[name]) for name in ("style", "content", "tv"))
    assert style[0].mean() < content[0].mean() < tv[0].mean()
    rows, columns = content
    last_scale = columns > 500
    order = np.argsort(columns[last_scale])
    falling = rows[last_scale][order]
    assert falling[:20].mean() < falling[-20:].mean()


def test_the_axis_of_losses_is_logarithmic() -> None:
    values = [1.0, 10.0, 100.0, 1000.0]
    picture = np.array(plot.chart([Series("a", range(4), values, "#ff0000")], "a", "x", "y", log_y=True))
    rows, columns = where(picture, "#ff0000")
    # On a straight line the rows follow from the columns.
    slope, offset = np.polyfit(columns, rows, 1)
    assert slope < 0
    assert np.abs(slope * columns + offset - rows).max() < 10


def test_both_axes_can_be_logarithmic() -> None:
    sizes = [128.0, 256.0, 512.0, 1024.0]
    line = Series("a", sizes, [size**2 * 1e-4 for size in sizes], "#ff0000")
    picture = np.array(plot.chart([line], "seconds over size", "pixels", "seconds", log_x=True, log_y=True))
    rows, columns = where(picture, "#ff0000")
    slope, offset = np.polyfit(columns, rows, 1)
    assert np.abs(slope * columns + offset - rows).max() < 10


def test_the_beginning_of_each_scale_is_marked(tmp_path: Path) -> None:
    entries = trace()
    plot.losses(entries, tmp_path / "marked.png", "marks")
    plot.losses([entry | {"scale": 1} for entry in entries], tmp_path / "unmarked.png", "marks")
    marked, unmarked = drawn(tmp_path / "marked.png"), drawn(tmp_path / "unmarked.png")
    assert [mark.text for mark in plot._scales(entries)] == ["128 × 96", "256 × 192", "512 × 384"]
    assert plot._scales(entries)[0].x == 0
    assert plot._scales(entries)[2].x == pytest.approx(entries[79]["seconds"])
    assert (marked != unmarked).any()


@pytest.mark.parametrize(
    "entries",
    [
        [],
        trace()[:1],
        [{"scale": 1, "iteration": 1, "seconds": 0.0, "total": 0.0, "content": 0.0, "style": 0.0, "tv": 0.0}],
        [
            {"scale": 1, "iteration": n, "seconds": n, "total": 5.0, "content": n % 2, "style": 5.0 - n % 2, "tv": 0.0}
            for n in range(9)
        ],
        [entry | {"style": float("nan"), "total": float("inf")} for entry in trace()],
        [{name: value for name, value in entry.items() if name not in ("width", "height")} for entry in trace()],
        [entry | {"layers": {"relu1_1": 0.5}} for entry in trace()],
    ],
    ids=["none", "one", "zero", "zero now and then", "not finite", "without sizes", "with layers"],
)
def test_any_trace_has_a_chart(entries: list[dict[str, Any]], tmp_path: Path) -> None:
    plot.losses(entries, tmp_path / "losses.png", "“Überall” – a title that goes on " * 9)
    assert (drawn(tmp_path / "losses.png") < 128).any()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [(3.0, 3.1), (0.004, 700.0), (1e-9, 2e7), (2.0, 2.0), (12345.0, 99999.0)])
def test_an_axis_has_a_few_ticks_whatever_its_range(values: tuple[float, float], log: bool) -> None:
    axis = plot._Axis.around(values, log, margin=0.04)
    ticks = axis.ticks()
    assert 3 <= len(ticks) <= 14
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_a_chart_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be written"):
        plot.losses(trace(), tmp_path / "no such folder" / "losses.png", "nowhere")
