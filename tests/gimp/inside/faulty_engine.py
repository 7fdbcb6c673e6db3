"""An engine that fails: one clear sentence that names the log, and nothing happened to the image."""

from __future__ import annotations

from plugin import __version__, locations
from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import FOLDER, new_image, new_layer


def _sentence(fault: str) -> str:
    (FOLDER / "fault").write_text(fault, encoding="utf-8")
    image = new_image()
    sentence = refused(image, [new_layer(image, "one"), new_layer(image, "two")])
    assert str(locations.log_file()) in sentence
    return sentence


def test_an_engine_of_another_version() -> None:
    sentence = _sentence("is of another version")
    assert f"version 0.0.1 and the plug-in {__version__}" in sentence
    assert "install.py" in sentence


def test_an_engine_that_dies_at_once() -> None:
    assert "stopped unexpectedly (exit status 3)" in _sentence("dies at once")
    assert "a library is missing" in locations.log_file().read_text(encoding="utf-8")


def test_an_engine_that_dies_in_mid_job_after_a_first_layer_was_finished() -> None:
    assert "stopped unexpectedly" in _sentence("dies in the second job")


def test_an_engine_that_talks_nonsense() -> None:
    assert "engine sent something that is no message" in _sentence("talks nonsense")
