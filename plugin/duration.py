"""Durations as people say them."""

from __future__ import annotations

from plugin.words import _


def about(seconds: float) -> str:
    """``about 40 s``, ``about 3 min``, ``about 2 h``: no more digits than are known."""
    if seconds < 10:
        return _("about {seconds} s").format(seconds=max(1, round(seconds)))
    if seconds < 100:
        return _("about {seconds} s").format(seconds=5 * round(seconds / 5))
    if seconds < 100 * 60:
        return _("about {minutes} min").format(minutes=round(seconds / 60))
    return _("about {hours} h").format(hours=round(seconds / 3600))
