"""One engine behind a window: the newest request wins, nothing waits for it, and nothing of it is left."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from plugin import client
from plugin.gimp.studio import Event, Studio
from plugin.protocol import Job, Picture, PictureFile, Progress, Result, Style
from plugin.settings import Settings
from tests.gimp.inside.stage import FAST, STYLE, engines, new_image, new_layer


def _job(**settings: Any) -> Job:
    image = new_image()
    layer = new_layer(image, "layer")
    pixels = layer.get_buffer().get(layer.get_buffer().get_extent(), 1.0, "R'G'B'A float", 0)
    picture = Picture(layer.get_width(), layer.get_height(), pixels)
    image.delete()
    return Job(0, picture, [Style(PictureFile(STYLE.name, STYLE.read_bytes()))], Settings.from_json(FAST | settings))


def long_job() -> Job:
    """One that nobody waits for, with so many pixels that they do not fit into a pipe at once."""
    side = 600
    picture = Picture(side, side, bytes(side * side * 16 - 4) + b"\0\0\x80\x3f")
    return dataclasses.replace(_job(iterations=10000, size=96), content=picture)


def wait(until: Callable[[], Any]) -> None:
    """Let the main loop go on."""
    while not until():
        GLib.MainContext.default().iteration(True)


class Listener:
    """What a studio tells of one request."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ends: list[Exception | None] = []

    def ask(self, studio: Studio, job: Job) -> Listener:
        studio.ask(job, self.events.append, self.ends.append)
        return self

    def wait(self) -> Exception | None:
        wait(lambda: self.ends)
        return self.ends[0]


def test_the_newest_request_wins_and_one_engine_paints_all() -> None:
    with Studio() as studio:
        ready: list[Any] = []
        studio.start(ready.append)
        first = Listener().ask(studio, long_job())  # while the engine starts
        second = Listener().ask(studio, long_job())
        wait(lambda: second.events)
        assert ready and ready[0].devices["cpu"]
        (engine,) = engines()
        for _unused in range(20):  # while it is being written, or read
            third = Listener().ask(studio, long_job())
        third = Listener().ask(studio, _job())
        seen = len(second.events)
        assert third.wait() is None
        assert isinstance(third.events[-1], Result)
        assert (first.events, first.ends, second.ends) == ([], [], [])
        assert len(second.events) == seen, "what was given up was told after all"
        assert engines() == [engine]
        studio.start(ready.append)
        wait(lambda: len(ready) == 2)
    assert engines() == []


def test_run_yields_events_and_ends_when_it_is_given_up() -> None:
    with Studio() as studio:
        events = list(studio.run(_job()))
        assert isinstance(events[0], Progress)
        assert isinstance(events[-1], Result)
        try:
            for _event in studio.run(long_job()):
                studio.give_up()
        except client.JobCancelled:
            return
        raise AssertionError("the job went on")


def test_a_job_that_cannot_be_done_leaves_the_engine_and_a_dead_engine_is_replaced() -> None:
    with Studio() as studio:
        error = Listener().ask(studio, _job(device="mps")).wait()
        assert isinstance(error, client.JobFailed) and "mps" in str(error)
        (engine,) = engines()
        lasting = Listener().ask(studio, long_job())
        wait(lambda: lasting.events)
        assert engines() == [engine]
        os.kill(engine, signal.SIGKILL)
        assert "stopped unexpectedly" in str(lasting.wait())
        assert Listener().ask(studio, _job()).wait() is None
        (another,) = engines()
        os.kill(another, signal.SIGKILL)  # when nobody is waiting, nobody needs to know
        os.waitid(os.P_PID, another, os.WEXITED | os.WNOWAIT)
        assert Listener().ask(studio, _job()).wait() is None


def test_closing_in_the_middle_of_a_job_leaves_no_process() -> None:
    studio = Studio()
    listener = Listener().ask(studio, long_job())
    wait(lambda: listener.events)
    studio.close()
    assert engines() == []
    GLib.MainContext.default().iteration(False)
    assert listener.ends == []


def test_closing_while_the_engine_starts_leaves_no_process() -> None:
    for is_asked in (False, True):
        told: list[Any] = []
        studio = Studio()
        studio.start(told.append, told.append)
        if is_asked:
            Listener().ask(studio, _job())
        while not engines():
            GLib.usleep(1000)
        studio.close()
        assert engines() == []
        while GLib.MainContext.default().iteration(False):
            pass
        assert told == []
    Studio().close()
    assert engines() == []
