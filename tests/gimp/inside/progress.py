"""What GIMP's progress bar is told while the engine works. That it shows it, and cancels, is tested in the window."""

from __future__ import annotations

import re
from unittest import mock

from gi.repository import Gimp

from plugin.gimp import procedure
from plugin.shared import durations
from tests.gimp.inside.stage import new_image, new_layer, order, tree


def _told(image: Gimp.Image, layers: list[Gimp.Layer], iterations: int) -> tuple[list[str], list[float]]:
    """Run the filter's own code here instead of in its process, to hear what it tells GIMP."""
    texts: list[str] = []
    values: list[float] = []
    with (
        mock.patch.object(Gimp, "progress_set_text", texts.append),
        mock.patch.object(Gimp, "progress_update", values.append),
    ):
        procedure.stylize(layers, order(image, iterations=iterations))
    return texts, values


def test_the_bar_tells_layer_scale_iteration_and_seconds_left() -> None:
    image = new_image()
    texts, values = _told(image, [new_layer(image, "one"), new_layer(image, "two", width=40, height=40)], 40)

    pattern = (
        r"Neural style: layer [12] of 2, scale \d+ of \d+ \(\d+ × \d+\), iteration \d+ of \d+, about \d+ (s|min) left"
    )
    assert len(texts) > 4
    for text in texts:
        assert re.fullmatch(pattern, text), text
    assert "layer 1 of 2" in texts[0]
    assert "layer 2 of 2" in texts[-1]
    assert values == sorted(values), "the bar went back"
    assert 0 < values[0] < 0.5
    assert values[-1] > 0.99
    assert len(tree(image)) == 4


def test_one_layer_is_not_counted() -> None:
    image = new_image()
    texts, _ = _told(image, [new_layer(image, "one")], 2)
    assert texts[0].startswith("Neural style: scale 1 of 1 (40 × 30), iteration 1 of "), texts[0]


def test_long_times_are_told_in_minutes() -> None:
    assert durations.left(12.4) == "about 12 s left"
    assert durations.left(240) == "about 4 min left"
