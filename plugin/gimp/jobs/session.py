"""One engine for as long as a window is open, which paints what was asked for last and never keeps the window waiting.

The engine lives in a thread of its own: starting it takes seconds, and so may writing to it. What it has to say is said
on GTK's main loop.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from gi.repository import GLib

from plugin.shared import engine_client, threads
from plugin.shared.protocol import Cell, Estimate, Estimated, Hello, Job, Progress, Result, Sweep, Swept

Event: TypeAlias = Progress | Result | Cell | Swept

_log = logging.getLogger("neural-style.studio")


@dataclass(frozen=True)
class _Request:
    """A job or a sweep with an id that no other has, and who is told what comes of it."""

    work: Job | Sweep
    on_event: Callable[[Event], None]
    on_end: Callable[[Exception | None], None]

    @property
    def id(self) -> int:
        return self.work.id if isinstance(self.work, Job) else self.work.job.id


class Studio:
    """An engine in the background, started when it is first needed. Use it as a context manager; at the end of the
    block no engine is left. All methods belong to the main loop's thread.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._wanted: _Request | None = None
        """What was asked for last, until its end was told or it was given up; set in the main loop's thread alone."""
        self._changed = threading.Condition()
        """Guards those below, and tells the thread that there is something to do."""
        self._starts: list[tuple[Callable[[Hello], None], Callable[[Exception], None]]] = []
        """Whoever waits for an engine to be there."""
        self._asked: _Request | None = None
        """What the thread is to do next."""
        self._closing = False
        self._engine: engine_client.Engine | None = None
        self._is_ready = False
        self._thread = threads.start(self._work)

    @property
    def has_engine(self) -> bool:
        """Whether there is an engine that can be asked at once."""
        return self._ready_engine() is not None

    def start(
        self,
        on_ready: Callable[[Hello], None] = lambda hello: None,
        on_failure: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        """Start the engine now, unless it runs, and without painting anything.

        Args:
            on_ready: called with what the engine says of itself; before anything that comes of a later request.
            on_failure: called instead, with a :class:`client.EngineError`.
        """
        with self._changed:
            self._starts.append((on_ready, on_failure))
            self._changed.notify()

    def ask(
        self,
        work: Job | Sweep,
        on_event: Callable[[Event], None],
        on_end: Callable[[Exception | None], None] = lambda error: None,
    ) -> None:
        """Paint this now; whatever was being painted is given up, and neither of its functions is called again.

        Args:
            on_event: called with every event, the last of them a Result or Swept.
            on_end: called once after that with None; or, whatever went wrong, with a :class:`client.EngineError`, a
                sentence for a person. The next request starts a new engine where the old one has died.
        """
        self.give_up()
        number = next(self._ids)
        if isinstance(work, Job):
            work = dataclasses.replace(work, id=number)
        else:
            work = dataclasses.replace(work, job=dataclasses.replace(work.job, id=number))
        self._wanted = _Request(work, on_event, on_end)
        with self._changed:
            self._asked = self._wanted
            self._changed.notify()

    def give_up(self) -> None:
        """Stop what is being painted; nobody hears of it any more, but :meth:`run`, which raises."""
        given_up, self._wanted = self._wanted, None
        with self._changed:
            is_sent = given_up is not self._asked
            self._asked = None
        engine = self._ready_engine()
        if given_up is not None and is_sent and engine is not None:
            # The pipe may be full of the very job that is given up.
            threads.start(partial(engine.cancel, given_up.id))

    def stop(self) -> None:
        """End the job that is being painted with what is there now, as its Result."""
        engine = self._ready_engine()
        if self._wanted is not None and engine is not None:
            threads.start(partial(engine.stop, self._wanted.id))

    def estimate(
        self, asked: Estimate, on_answer: Callable[[Estimated], None], on_failure: Callable[[Exception], None]
    ) -> None:
        """Ask how long jobs would take, beside whatever is being painted; it is answered as soon as an engine is there.

        Args:
            on_failure: called instead, with a :class:`client.EngineError`, where the engine does not start or dies.
        """
        engine = self._ready_engine()
        if engine is None:
            self.start(lambda hello: self.estimate(asked, on_answer, on_failure), on_failure)
            return

        def answer() -> None:
            GLib.idle_add(self._unless_closed, on_answer, engine.estimate(asked))

        def fail(error: Exception) -> None:
            GLib.idle_add(self._unless_closed, on_failure, _sentence(error))

        threads.start(answer, fail)  # the pipe may be full of a job

    def run(self, work: Job | Sweep) -> Iterator[Event]:
        """Paint and yield the events; between them the main loop goes on, so that windows stay alive.

        Raises:
            client.EngineError: as :meth:`ask` tells ``on_end``.
            client.JobCancelled: :meth:`give_up` or another request came from the main loop.
        """
        events: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()
        self.ask(work, events.put, events.put)
        mine = self._wanted
        loop = GLib.MainContext.default()
        while True:
            while events.empty():
                if self._wanted is not mine:
                    raise engine_client.JobCancelled
                loop.iteration(True)
            event = events.get()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        """End the engine at once, whatever it is doing."""
        self._wanted = None
        with self._changed:
            self._closing = True
            if self._engine is not None:
                self._engine.kill()  # nothing less is heard at once by one that still imports its libraries
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        """In the thread: keep an engine and do the newest request, until the end is asked for.

        Whatever goes wrong, expected or not, whoever waits for it is told, and the next request begins anew.
        """
        while self._wait():
            request: _Request | None = None
            failure: Exception | None = None
            try:
                engine = self._living() or self._start()
                for on_ready, _ in self._take_starts():
                    GLib.idle_add(self._unless_closed, on_ready, engine.hello)
                if (request := self._take()) is not None:
                    self._do(engine, request)
            except engine_client.JobCancelled:
                continue
            except engine_client.JobFailed as error:
                failure = error
            except Exception as error:
                failure = _sentence(error)
                if failure is not error:
                    _log.exception("the engine's thread was surprised")
                self._stop()
                for _, on_failure in self._take_starts():
                    GLib.idle_add(self._unless_closed, on_failure, failure)
                request = request or self._take()
            if request is not None:
                GLib.idle_add(self._end, request, failure)
        self._stop()

    def _wait(self) -> bool:
        """Wait until there is something to do; False when that is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._starts or self._asked is not None)
            return not self._closing

    def _take_starts(self) -> list[tuple[Callable[[Hello], None], Callable[[Exception], None]]]:
        with self._changed:
            starts, self._starts = self._starts, []
            return starts

    def _take(self) -> _Request | None:
        with self._changed:
            request, self._asked = self._asked, None
            return request

    def _ready_engine(self) -> engine_client.Engine | None:
        """The engine, where it has said that it is ready and has not died since."""
        with self._changed:
            engine = self._engine if self._is_ready else None
        return engine if engine is not None and engine.is_alive else None

    def _living(self) -> engine_client.Engine | None:
        """The engine, unless it has died since it was used last."""
        if self._engine is not None and not self._engine.is_alive:
            self._stop()
        return self._engine

    def _start(self) -> engine_client.Engine:
        """Start an engine.

        Raises:
            client.EngineError: it does not start.
            client.JobCancelled: :meth:`close` came first.
        """
        engine = engine_client.Engine()
        with self._changed:
            self._engine = engine
            if self._closing:
                engine.kill()
        engine.wait_until_ready()
        with self._changed:
            self._is_ready = True
        return engine

    def _stop(self) -> None:
        with self._changed:
            engine, self._engine, self._is_ready = self._engine, None, False
        if engine is not None:
            engine.kill()  # whoever waits is not kept waiting for its goodbye
            engine.close()

    def _do(self, engine: engine_client.Engine, request: _Request) -> None:
        """Let the engine answer a request.

        Raises:
            client.EngineError, client.JobCancelled: as :meth:`client.Engine.run`.
        """
        work = request.work
        for event in engine.run(work) if isinstance(work, Job) else engine.sweep(work):
            GLib.idle_add(self._tell, request, event)

    def _tell(self, request: _Request, event: Event) -> bool:
        """On the main loop, once."""
        if request is self._wanted:
            request.on_event(event)
        return GLib.SOURCE_REMOVE

    def _end(self, request: _Request, failure: Exception | None) -> bool:
        if request is self._wanted:
            self._wanted = None
            request.on_end(failure)
        return GLib.SOURCE_REMOVE

    def _unless_closed(self, tell: Callable[[Any], None], what: Any) -> bool:
        if not self._closing:
            tell(what)
        return GLib.SOURCE_REMOVE


def _sentence(error: Exception) -> engine_client.EngineError:
    """What to tell a person of an error."""
    return error if isinstance(error, engine_client.EngineError) else engine_client.unexpected(error)
