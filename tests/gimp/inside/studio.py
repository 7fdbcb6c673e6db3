"""One engine behind a window: the newest request wins, nothing waits for it, and nothing of it is left."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from gi.repository import GLib

from plugin.gimp.jobs.session import Event, Studio
from plugin.shared import engine_client, log
from plugin.shared.protocol import Estimate, Estimated, Job, Picture, PictureFile, Progress, Result, Style
from plugin.shared.settings import Settings
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


def wait(until: Callable[[], Any], what: str = "what was to come") -> None:
    """Let the main loop go on until something is so; what takes minutes never will."""
    end = GLib.get_monotonic_time() + 120_000_000
    timer = GLib.timeout_add_seconds(1, lambda: GLib.SOURCE_CONTINUE)  # so that there is something to go on with
    try:
        while not until():
            assert GLib.get_monotonic_time() < end, f"waited too long for {what}"
            GLib.MainContext.default().iteration(True)
    finally:
        GLib.source_remove(timer)


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
        except engine_client.JobCancelled:
            return
        raise AssertionError("the job went on")


def test_a_job_that_cannot_be_done_leaves_the_engine_and_a_dead_engine_is_replaced() -> None:
    with Studio() as studio:
        error = Listener().ask(studio, _job(device="mps")).wait()
        assert isinstance(error, engine_client.JobFailed) and "mps" in str(error)
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


_SURPRISE = ZeroDivisionError("a surprise")
_TOLD = "Neural Style failed unexpectedly (ZeroDivisionError: a surprise); there is more in "


def _is_told(error: Exception | None) -> bool:
    """Whether this is the sentence that says what nobody expected, and the log has how it came to that."""
    file = log.file()
    return (
        isinstance(error, engine_client.EngineError)
        and str(error) == f"{_TOLD}{file}."
        and "ZeroDivisionError: a surprise" in file.read_text(encoding="utf-8")
    )


def _estimate(job: Job) -> Estimate:
    return Estimate(0, [[job.content.width, job.content.height]], [[0, 0]], job.settings, job.grey)


def test_whatever_keeps_an_engine_from_starting_is_told_to_all_who_wait_and_the_next_request_starts_one() -> None:
    log.to_file()
    with Studio() as studio:
        told: list[Exception] = []
        answers: list[Estimated] = []
        with mock.patch.object(engine_client, "command", side_effect=_SURPRISE):
            studio.start(lambda hello: None, told.append)
            wait(lambda: told, "word to who had it started")
            studio.estimate(_estimate(_job()), answers.append, told.append)
            wait(lambda: len(told) == 2, "word to who asked how long it takes")
            told.append(Listener().ask(studio, _job()).wait() or AssertionError("it was painted"))
            try:
                list(studio.run(_job()))
            except engine_client.EngineError as error:
                told.append(error)
        assert len(told) == 4 and all(map(_is_told, told)), told
        studio.estimate(_estimate(_job()), answers.append, told.append)
        assert Listener().ask(studio, _job()).wait() is None
        wait(lambda: answers, "the time that it takes")
        assert len(told) == 4


def test_a_surprise_while_an_engine_paints_is_told_to_who_asked_and_another_engine_goes_on() -> None:
    run = engine_client.Engine.run

    def surprised(engine: engine_client.Engine, job: Job) -> Iterator[Progress | Result]:
        yield next(run(engine, job))
        raise _SURPRISE

    with Studio() as studio:
        with mock.patch.object(engine_client.Engine, "run", surprised):
            listener = Listener().ask(studio, long_job())
            assert _is_told(listener.wait()), listener.ends
            assert len(listener.events) == 1
        assert engines() == []
        assert Listener().ask(studio, _job()).wait() is None


def test_who_asks_how_long_it_takes_is_told_when_the_engine_dies_or_asking_fails() -> None:
    with Studio() as studio:
        ready: list[Any] = []
        told: list[Exception] = []
        answers: list[Estimated] = []
        studio.start(ready.append)
        wait(lambda: ready, "the engine")
        with mock.patch.object(engine_client.Engine, "estimate", side_effect=_SURPRISE):
            studio.estimate(_estimate(_job()), answers.append, told.append)
            wait(lambda: told, "word of the surprise")
        assert _is_told(told.pop())

        (engine,) = engines()
        os.kill(engine, signal.SIGSTOP)  # so that it dies with the question before it
        studio.estimate(_estimate(_job()), answers.append, told.append)
        os.kill(engine, signal.SIGKILL)
        wait(lambda: told, "word of the engine's death")
        assert isinstance(told[0], engine_client.EngineError) and "stopped unexpectedly" in str(told[0])

        studio.estimate(_estimate(_job()), answers.append, told.append)
        wait(lambda: answers, "an answer of another engine")
        assert len(told) == 1


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
