"""Layers' looks to the engine and back, one after the other, and word of how far they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

from gi.repository import Gimp

from plugin.gimp.image.layers import Look
from plugin.gimp.jobs import progress_text, provenance
from plugin.gimp.jobs.request import Order
from plugin.gimp.jobs.session import Studio
from plugin.shared import engine_client
from plugin.shared.i18n import _
from plugin.shared.protocol import Job, Mask, Progress, Result

_REPORT_EVERY = 10
"""Iterations from one line of the report to the next; asking for lines also has the likeness computed."""


class Audience(Protocol):
    """Who is told how far the painting is."""

    preview_seconds: float
    """Between two pictures of what is being painted; 0 asks for none."""

    @property
    def has_enough(self) -> bool:
        """Whether the job in hand, which is ended with what is there, shall be the last."""

    def tell(self, event: Progress, place: int) -> None:
        """The look at ``place``, counted from 0, has come so far."""


def paint(looks: Sequence[Look], orders: Sequence[Order], studio: Studio | None) -> list[Gimp.Parasite]:
    """Paint every look by its order, and return for each one, in their order, what tells how it was made.

    With a studio a window shows the picture as it emerges, and a person may have enough: then those are returned that
    were painted until then. Without one GIMP's own progress bar tells how far it is.

    Raises:
        client.EngineError: one sentence, the engine cannot do it.
        client.JobCancelled: a person closed the window.
    """
    # Whatever is wrong with a region is found before an engine is started for it.
    masks = [order.masks(look) for look, order in zip(looks, orders, strict=True)]
    if studio is None:
        with Bar(looks) as bar, engine_client.Engine() as engine:
            return _paint(looks, orders, masks, engine.run, bar)
    from plugin.gimp.window.progress import Window  # GTK wants a display, which a batch run may not have

    with Window(looks, studio) as window:
        return _paint(looks, orders, masks, studio.run, window)


class Bar:
    """GIMP's own progress bar."""

    preview_seconds = 0.0
    has_enough = False

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks

    def __enter__(self) -> Bar:
        Gimp.progress_init(_("Neural style: starting the engine"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Gimp.progress_end()

    def tell(self, event: Progress, place: int) -> None:
        Gimp.progress_set_text(progress_text.in_one_line(event, place, self._looks))
        Gimp.progress_update(progress_text.fraction(event, place, self._looks))


def _paint(
    looks: Sequence[Look],
    orders: Sequence[Order],
    masks: Sequence[Sequence[Mask | None]],
    run: Callable[[Job], Iterator[object]],
    audience: Audience,
) -> list[Gimp.Parasite]:
    notes = []
    for place, (look, order) in enumerate(zip(looks, orders)):
        job = dataclasses.replace(
            order.job(look, masks[place]),
            id=place,
            preview_seconds=audience.preview_seconds,
            report_every=_REPORT_EVERY,
        )
        for event in run(job):
            if isinstance(event, Progress):
                audience.tell(event, place)
            elif isinstance(event, Result):
                look.paint(event.picture, job.content)
                notes.append(provenance.make(look, order, event))
        if audience.has_enough:
            break
    return notes
