"""A first look at how fast a device is, where nothing was painted on it yet."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task
from plugin.shared.settings import Settings

_SIZES = (128, 192)
"""Pixels. Two, so that what grows with the picture is told from what does not."""

_ITERATIONS = 9
_LONGEST = 4.0
"""Seconds."""


class _Enough(Exception):
    """It has taken long enough, or somebody wants something else."""


def calibrate(transfer: StyleTransfer, is_over: Callable[[], bool] = lambda: False) -> None:
    """Paint noise, for a few seconds at most; the device's clock learns from it.

    Args:
        is_over: asked after every step whether the device is wanted for something else.
    """
    end = time.monotonic() + _LONGEST

    def follow(step: Step) -> None:
        if is_over() or time.monotonic() > end:
            raise _Enough

    generator = torch.Generator().manual_seed(0)
    content, style = (torch.rand(4, side, side, generator=generator) for side in _SIZES)
    try:
        for size in _SIZES:
            settings = Settings(quality="draft", size=size, iterations=_ITERATIONS)
            transfer.paint(Task(content, [Style(style, "calibration")], settings), follow)
    except _Enough:
        pass
