"""How far the painting of several layers is, in words and as a part of the whole."""

from __future__ import annotations

from collections.abc import Sequence

from plugin.gimp.image.layers import Look
from plugin.shared import durations
from plugin.shared.i18n import _
from plugin.shared.protocol import Progress


def in_one_line(event: Progress, place: int, looks: Sequence[Look]) -> str:
    """Everything in one line."""
    parts = [where(event), durations.left(seconds_left(event, place, looks))]
    if len(looks) > 1:
        parts.insert(0, _("layer {place} of {count}").format(place=place + 1, count=len(looks)))
    return _("Neural style: {progress}").format(progress=", ".join(parts))


def where(event: Progress) -> str:
    """How far the job is."""
    return _("scale {scale} of {scales} ({width} × {height}), iteration {iteration} of {iterations}").format(
        scale=event.scale,
        scales=event.scales,
        width=event.width,
        height=event.height,
        iteration=event.iteration,
        iterations=event.iterations,
    )


def fraction(event: Progress, place: int, looks: Sequence[Look]) -> float:
    """The part of all looks that is painted, each counted with its area."""
    areas = _areas(looks)
    return (sum(areas[:place]) + areas[place] * event.fraction) / sum(areas)


def seconds_left(event: Progress, place: int, looks: Sequence[Look]) -> float:
    """Until all of them are painted."""
    areas = _areas(looks)
    return event.seconds_left + (event.seconds + event.seconds_left) * sum(areas[place + 1 :]) / areas[place]


def _areas(looks: Sequence[Look]) -> list[int]:
    return [look.box.width * look.box.height for look in looks]
