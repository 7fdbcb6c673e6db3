"""Durations as people say them."""

from __future__ import annotations

from plugin.shared.i18n import _


def about(seconds: float) -> str:
    """``About 40 s``, ``About 3 min``, ``About 2 h``: no more digits than are known."""
    if seconds < 10:
        return _("About {seconds} s").format(seconds=max(1, round(seconds)))
    if seconds < 100:
        return _("About {seconds} s").format(seconds=5 * round(seconds / 5))
    if seconds < 100 * 60:
        return _("About {minutes} min").format(minutes=round(seconds / 60))
    return _("About {hours} h").format(hours=round(seconds / 3600))


def left(seconds: float) -> str:
    """``about 40 s left``: in seconds while they can be counted, else in minutes."""
    if seconds < 100:
        return _("about {seconds} s left").format(seconds=round(seconds))
    return _("about {minutes} min left").format(minutes=round(seconds / 60))
