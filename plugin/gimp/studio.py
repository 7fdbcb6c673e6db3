"""One engine for as long as a window is open, which paints what was asked for last and never keeps the window waiting.

The engine lives in a thread of its own: starting it takes seconds, and so may writing to it. What it has to say is said
on GTK's main loop.
"""

from __future__ import annotations

import dataclasses
import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gi.repository import GLib

from plugin import client
from plugin.protocol import Cell, Hello, Job, Progress, Result, Sweep, Swept

Event: TypeAlias = Progress | Result | Cell | Swept


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

    Args:
        on_ready: called on the main loop whenever an engine has started, with what it says of itself.
    """

    def __init__(self, on_ready: Callable[[Hello], None] = lambda hello: None) -> None:
        self._on_ready = on_ready
        self._ids = itertools.count(1)
        self._wanted: _Request | None = None
        """What was asked for last, until its end was told or it was given up; set in the main loop's thread alone."""
        self._changed = threading.Condition()
        """Guards the four below, and tells the thread that there is something to do."""
        self._start_asked = False
        self._asked: _Request | None = None
        """What the thread is to do next."""
        self._closing = False
        self._engine: client.Engine | None = None
        self._is_ready = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def start(self) -> None:
        """Start the engine now, so that the first request need not wait for that."""
        with self._changed:
            self._start_asked = True
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
            self._asked = None
            engine = self._engine if self._is_ready else None
        if given_up is not None and engine is not None:
            # The pipe may be full of the very job that is given up.
            threading.Thread(target=engine.cancel, args=(given_up.id,), daemon=True).start()

    def stop(self) -> None:
        """End the job that is being painted with what is there now, as its Result."""
        with self._changed:
            engine = self._engine if self._is_ready else None
        if self._wanted is not None and engine is not None:
            threading.Thread(target=engine.stop, args=(self._wanted.id,), daemon=True).start()

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
                    raise client.JobCancelled
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
        """In the thread: keep an engine and do the newest request, until the end is asked for."""
        while self._wait():
            failure: Exception | None = None
            request = None
            try:
                engine = self._living() or self._start()
                if (request := self._take()) is not None:
                    self._do(engine, request)
            except client.JobCancelled:
                continue
            except client.JobFailed as error:
                failure = error
            except client.EngineError as error:
                failure = error
                self._stop()
                request = request or self._take()
            if request is not None:
                GLib.idle_add(self._end, request, failure)
        self._stop()

    def _wait(self) -> bool:
        """Wait until there is something to do; False when that is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._start_asked or self._asked is not None)
            self._start_asked = False
            return not self._closing

    def _take(self) -> _Request | None:
        with self._changed:
            request, self._asked = self._asked, None
            return request

    def _living(self) -> client.Engine | None:
        """The engine, unless it has died since it was used last."""
        if self._engine is not None and not self._engine.is_alive:
            self._stop()
        return self._engine

    def _start(self) -> client.Engine:
        """Start an engine.

        Raises:
            client.EngineError: it does not start.
            client.JobCancelled: :meth:`close` came first.
        """
        engine = client.Engine()
        with self._changed:
            self._engine = engine
            if self._closing:
                engine.kill()
        engine.wait_until_ready()
        with self._changed:
            self._is_ready = True
        GLib.idle_add(self._tell_ready, engine.hello)
        return engine

    def _stop(self) -> None:
        with self._changed:
            engine, self._engine, self._is_ready = self._engine, None, False
        if engine is not None:
            engine.close()

    def _do(self, engine: client.Engine, request: _Request) -> None:
        """Let the engine answer a request.

        Raises:
            client.EngineError: the job failed or the engine died.
            client.JobCancelled: it was given up.
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

    def _tell_ready(self, hello: Hello) -> bool:
        self._on_ready(hello)
        return GLib.SOURCE_REMOVE
