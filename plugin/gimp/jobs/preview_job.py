"""Small paintings that look like what OK will paint: all of what is styled, or a detail of it at its full size."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from plugin.gimp.image import layers
from plugin.gimp.image.layers import Box, Look, View
from plugin.gimp.jobs.request import Order
from plugin.shared.protocol import Job, Mask, Whole
from plugin.shared.settings import blend_text, parse_blend, working_size

CONTENT_SIZE = 512
"""Long side in pixels of what is sent of a layer, and shown."""

_WORKING_SIZES = {"cpu": 256}
_WORKING_SIZE = 512
"""Long side in pixels that a proof is worked at, on a processor and on all else: some seconds."""

_QUICKER = {"normal": "draft", "high": "draft"}
"""What stands for a quality on a processor: the same objective, fewer iterations."""

_MARGIN = 32
"""Pixels at the working size that are painted around a detail, so that it looks as in the middle of a picture."""

_SMALLEST_DETAIL = 64
"""Pixels at the working size that a detail has with its margins along its sides, at least."""

_DETAIL_SIDES = {"cpu": 400}
_DETAIL_SIDE = 1024
"""Pixels of a layer that a detail has at most, along either side, on a processor and on all else."""

_PREVIEW_SECONDS = 0.25


@dataclass(frozen=True)
class Proof:
    """A job, and of what it is the picture: ``view`` of a layer, of which ``shown`` is what a person wants to see."""

    job: Job
    look: Look
    view: View
    shown: Box


def device(chosen: str, devices: dict[str, str]) -> str:
    """The kind of device that the engine will take where :attr:`Settings.device` is this, of those that it has."""
    return next(iter(devices)) if chosen == "auto" else chosen


def detail_side(device: str) -> int:
    """Pixels of a layer that a detail has at most along either side: what such a device paints in some seconds."""
    return _DETAIL_SIDES.get(device, _DETAIL_SIDE)


def whole_view(look: Look) -> View:
    """All that is styled, no larger than it is to be seen."""
    sides = look.box.width, look.box.height
    return View(look.box, min(1.0, max(CONTENT_SIZE / max(sides), layers.SMALLEST / min(sides))))


def of_whole(order: Order, look: Look, device: str) -> Proof:
    """All that is styled, worked at a size that is soon done."""
    view, given = whole_view(look), order.settings
    size = min(given.size or max(look.box.width, look.box.height), _WORKING_SIZES.get(device, _WORKING_SIZE))
    quality = _QUICKER.get(given.quality, given.quality) if device == "cpu" else given.quality
    job = order.job(look, order.masks(look, view), view)
    settings = dataclasses.replace(given, size=size, quality=quality)
    return Proof(dataclasses.replace(job, settings=settings, preview_seconds=_PREVIEW_SECONDS), look, view, look.box)


def of_detail(order: Order, look: Look, device: str, shown: Box) -> Proof | None:
    """A part of what is styled, as it will be; None where no style is wanted in it, so that it stays as it is."""
    given, box = order.settings, look.box
    long_side = max(box.width, box.height)
    size = working_size(given, long_side, device)
    view = View(_around(shown, box, size / long_side))
    job = order.job(look, order.masks(look, view), view)
    wanted = [place for place, style in enumerate(job.styles) if style.region is None or _says_anything(style.region)]
    weights = parse_blend(given.blend)
    if not wanted:
        return None
    settings = dataclasses.replace(
        given,
        size=size,
        quality=_QUICKER.get(given.quality, given.quality) if device == "cpu" else given.quality,
        blend=blend_text([weights[place] for place in wanted]) if weights else "",
        tileable=False,
    )
    job = dataclasses.replace(
        job,
        styles=[job.styles[place] for place in wanted],
        settings=settings,
        preview_seconds=_PREVIEW_SECONDS,
        whole=Whole(long_side, look.picture(whole_view(look))),
    )
    return Proof(job, look, view, shown)


def _around(shown: Box, bounds: Box, scale: float) -> Box:
    """A part with its margins, as far as there is something around it."""
    x, width = _stretched(shown.x, shown.width, bounds.x, bounds.width, scale)
    y, height = _stretched(shown.y, shown.height, bounds.y, bounds.height, scale)
    return Box(x, y, width, height)


def _stretched(start: int, length: int, first: int, available: int, scale: float) -> tuple[int, int]:
    """The same along one side."""
    wanted = min(available, max(length + round(2 * _MARGIN / scale), math.ceil(_SMALLEST_DETAIL / scale)))
    start -= (wanted - length) // 2
    return min(max(start, first), first + available - wanted), wanted


def _says_anything(region: Mask) -> bool:
    """Whether a style is wanted anywhere in a region, as the engine would see it."""
    return max(memoryview(region.samples).cast("f")) > 1 / 255
