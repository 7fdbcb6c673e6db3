"""An engine that fails: one clear sentence that names the log, and nothing happened to the image."""

from __future__ import annotations

import queue
import re
from pathlib import Path

from gi.repository import GLib

from plugin import __version__
from plugin.gimp.jobs.session import Studio
from plugin.shared.protocol import Hello
from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import FOLDER, engines, new_image, new_layer
from tests.gimp.inside.studio import Listener, long_job, wait


def _sentence(fault: str) -> str:
    (FOLDER / "fault").write_text(fault, encoding="utf-8")
    image = new_image()
    sentence = refused(image, [new_layer(image, "one"), new_layer(image, "two")])
    assert _log_named_in(sentence).is_file()
    return sentence


def _log_named_in(sentence: str) -> Path:
    """The log of the filter's own process."""
    assert "there is more in" in sentence, sentence
    (file,) = re.findall(r"there is more in (.*\.log)\.", sentence)
    return Path(file)


def _told(fault: str) -> list[Exception]:
    """What a studio says of an engine that cannot be started: to who had it started, and to who asks it to paint."""
    (FOLDER / "fault").write_text(fault, encoding="utf-8")
    with Studio() as studio:
        told: list[Exception] = []
        studio.start(lambda hello: None, told.append)
        error = Listener().ask(studio, long_job()).wait()
        assert error is not None
        wait(lambda: told)
        assert engines() == []
    return [*told, error]


def test_a_studio_tells_why_an_engine_does_not_start() -> None:
    for fault, sentence in (
        ("dies at once", "does not start (exit status 3)"),
        ("talks nonsense", "sent something that is no message"),
        ("is of another version", "version 0.0.1"),
    ):
        told = _told(fault)
        assert all(sentence in str(error) for error in told), told


def test_a_studio_waits_for_no_engine_that_hangs() -> None:
    """Not for its first word, and not until it has read what is being sent."""
    for fault in ("says nothing", "does not read"):
        (FOLDER / "fault").write_text(fault, encoding="utf-8")
        studio, ready = Studio(), queue.SimpleQueue[Hello]()
        studio.start(ready.put)
        while not engines():
            GLib.usleep(1000)
        while fault == "does not read" and ready.empty():
            GLib.MainContext.default().iteration(True)
        listeners = [Listener().ask(studio, long_job()) for _each in range(3)]
        GLib.usleep(200_000)  # so that the pipe is full
        studio.give_up()
        studio.close()
        assert engines() == []
        assert not any(listener.events or listener.ends for listener in listeners)


def test_an_engine_of_another_version() -> None:
    sentence = _sentence("is of another version")
    assert f"version 0.0.1 and the plug-in {__version__}" in sentence
    assert "install.py" in sentence


def test_an_engine_that_dies_at_once() -> None:
    sentence = _sentence("dies at once")
    assert "does not start (exit status 3)" in sentence
    assert "a library is missing" in _log_named_in(sentence).read_text(encoding="utf-8")


def test_an_engine_that_dies_in_mid_job_after_a_first_layer_was_finished() -> None:
    assert "stopped unexpectedly" in _sentence("dies in the second job")


def test_an_engine_that_talks_nonsense() -> None:
    assert "engine sent something that is no message" in _sentence("talks nonsense")
