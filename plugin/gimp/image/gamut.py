"""What of a layer lies outside of the engine's colors, sRGB from 0 to 1, carried around it.

All samples are float32, R'G'B'A interleaved, sRGB-encoded and, where the engine has nothing to do with them, unbounded:
a color beyond sRGB has samples below 0, a highlight some above 1.
"""

from __future__ import annotations

import math
from array import array

from gi.repository import Gegl

SENT = "R'G'B'A float"
"""The format of what is sent to the engine, and comes back."""

_BOUNDED = "R'G'B'A u32"
"""The same in steps of 2⁻³², from 0 to 1."""

_PLAIN = "RGBA float"
"""The format in which GEGL computes: with the samples as they are, where they are called this."""

_LOST = 0.4
"""How far a color has to be from what was sent, over all channels together, for nothing to be added to it any more."""


def is_bounded(format: str) -> bool:
    """Whether nothing can lie outside, by babl's name of a format, at whose end is the space where it is not sRGB."""
    return format.split()[-1] in ("u8", "u16", "u32")


def bounded(samples: bytes, width: int, height: int) -> bytes:
    """The nearest samples from 0 to 1; what is no number becomes one."""
    rectangle = Gegl.Rectangle.new(0, 0, width, height)
    buffer = Gegl.Buffer.new(_BOUNDED, 0, 0, width, height)
    buffer.set(rectangle, SENT, samples)
    return buffer.get(rectangle, 1.0, SENT, Gegl.AbyssPolicy.NONE)


def carried(painted: bytes, sent: bytes, original: bytes, width: int, height: int) -> bytes:
    """A painting with what :func:`bounded` took from the original before it was sent.

    Where the color stayed as it was sent all of that comes back, and less the more it was changed: what is added to a
    stroke would hide it. Where the original has no numbers the painting stays as it is. Alpha is the painting's.
    """
    graph, rectangle = Gegl.Node(), Gegl.Rectangle.new(0, 0, width, height)

    def node(operation: str, *inputs: Gegl.Node, **properties: object) -> Gegl.Node:
        made = graph.create_child(f"gegl:{operation}")
        for name, value in properties.items():
            made.set_property(name, value)
        for pad, source in zip(("input", "aux"), inputs):
            source.connect("output", made, pad)
        return made

    def picture(samples: bytes) -> Gegl.Node:
        buffer = Gegl.Buffer.new(_PLAIN, 0, 0, width, height)
        buffer.set(rectangle, _PLAIN, samples)
        return node("buffer-source", buffer=buffer)

    before, after = picture(sent), picture(painted)
    taken = node("subtract", picture(_numbers(original, sent)), before)
    change = node("multiply", node("subtract", after, before), value=1 / _LOST)
    distance = node("mono-mixer", node("multiply", change, change), red=1.0, green=1.0, blue=1.0)
    kept = node("rgb-clip", node("invert-linear", distance))
    result = node("add", after, node("multiply", taken, kept))
    buffer = Gegl.Buffer.new(_PLAIN, 0, 0, width, height)
    result.blit_buffer(buffer, rectangle, 0, Gegl.AbyssPolicy.NONE)
    return buffer.get(rectangle, 1.0, _PLAIN, Gegl.AbyssPolicy.NONE)


def _numbers(original: bytes, sent: bytes) -> bytes:
    """The original with what was sent in the place of what is no number, or none that is finite."""
    samples = array("f", original)
    if math.isfinite(sum(samples)):
        return original
    return array(
        "f", (ours if math.isfinite(ours) else sent for ours, sent in zip(samples, array("f", sent)))
    ).tobytes()
