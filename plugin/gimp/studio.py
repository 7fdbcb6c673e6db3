"""One engine for as long as a window is open, which paints what was asked for last and never keeps the window waiting.

The engine lives in a thread of its own: starting it takes seconds. What it has to say is said on GTK's main loop.
"""

from __future__ import annotations

import contextlib
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

Event: TypeAlias = Hello | Progress | Result | Cell | Swept


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
    """Starts an engine at once, in the background. Use it as a context manager; at the end no engine is left.

    Args:
        on_ready: called on the main loop when an engine has started, with what it says of itself.
    """

    def __init__(self, on_ready: Callable[[Hello], None] = lambda hello: None) -> None:
        self._on_ready = on_ready
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._engine: client.Engine | None = None
        self._wanted: _Request | None = None
        """What was asked for last, until it has ended; only the main loop's thread sets it."""
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

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
        self._requests.put(self._wanted)

    def give_up(self) -> None:
        """Stop what is being painted; nobody hears of it any more."""
        with self._lock:
            if self._wanted is not None and self._engine is not None:
                self._engine.cancel(self._wanted.id)
        self._wanted = None

    def run(self, work: Job | Sweep) -> Iterator[Event]:
        """Paint and yield the events; between them the main loop goes on, so that windows stay alive.

        Raises:
            client.EngineError: as :meth:`ask` tells ``on_end``.
        """
        events: queue.SimpleQueue[Event | Exception | None] = queue.SimpleQueue()
        self.ask(work, events.put, events.put)
        loop = GLib.MainContext.default()
        while True:
            while events.empty():
                loop.iteration(True)
            event = events.get()
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        """End the engine; waits for it."""
        self.give_up()
        self._requests.put(None)
        self._thread.join()

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        """In the thread: keep an engine and do the newest request, until the end is asked for."""
        with contextlib.suppress(client.EngineError):  # whoever asks first will be told
            self._start()
        while (request := self._newest()) is not None:
            failure: Exception | None = None
            try:
                self._do(self._engine or self._start(), request)
            except client.JobCancelled:
                continue
            except client.EngineError as error:
                failure = error
            GLib.idle_add(self._end, request, failure)
        self._stop()

    def _newest(self) -> _Request | None:
        """The request that was made last; waits for one. None is the end."""
        request = self._requests.get()
        while request is not None and not self._requests.empty():
            request = self._requests.get()
        return request

    def _start(self) -> client.Engine:
        engine = client.Engine()
        with self._lock:
            self._engine = engine
        GLib.idle_add(self._tell_ready, engine.hello)
        return engine

    def _stop(self) -> None:
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _do(self, engine: client.Engine, request: _Request) -> None:
        """Let the engine answer a request, unless it was given up before it got there.

        Raises:
            client.EngineError: the job failed or the engine died.
            client.JobCancelled: it was given up.
        """
        if request is not self._wanted:
            return
        work = request.work
        try:
            for event in engine.run(work) if isinstance(work, Job) else engine.sweep(work):
                GLib.idle_add(self._tell, request, event)
        finally:
            if not engine.is_alive:
                self._stop()

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
