"""The engine is not installed."""

from __future__ import annotations

from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import new_image, new_layer


def test_an_engine_that_is_not_installed() -> None:
    image = new_image()
    sentence = refused(image, [new_layer(image, "layer")])
    assert "is not installed" in sentence
    assert "python3 install.py" in sentence
