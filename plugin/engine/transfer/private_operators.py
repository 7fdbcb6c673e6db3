"""torch's own operators that are called besides its public functions, each with the public way to the same numbers.

The next torch may lack one, and a device or a number format may have no use for it: then the public way is taken.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from plugin.engine.machine import memory

_log = logging.getLogger("neural-style.engine")

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def or_public(
    private: Callable[_Arguments, _Result], public: Callable[_Arguments, _Result]
) -> Callable[_Arguments, _Result]:
    """``private`` as long as it is there and does not refuse, from then on ``public``, which does the same."""
    is_there = True

    @functools.wraps(private)
    def either(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        nonlocal is_there
        if is_there:
            try:
                return private(*arguments, **named)
            except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
                if memory.has_run_out(error):
                    raise
                is_there = False
                _log.warning("%s cannot be used here, torch's public way is taken: %s", private.__qualname__, error)
        return public(*arguments, **named)

    return either


def _relu_backward(gradient: Tensor, output: Tensor) -> None:
    torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)


def public_relu_backward(gradient: Tensor, output: Tensor) -> None:
    """Make a gradient zero where a ReLU let nothing through, which is where its output is zero."""
    gradient.masked_fill_(output <= 0, 0)


def _max_pool_backward(gradient: Tensor, x: Tensor, indices: Tensor) -> Tensor:
    return torch.ops.aten.max_pool2d_with_indices_backward(gradient, x, [2, 2], [2, 2], [0, 0], [1, 1], False, indices)


def public_max_pool_backward(gradient: Tensor, x: Tensor, indices: Tensor) -> Tensor:
    """The gradient of a 2×2 maximum of ``x``, 1×C×H×W, of which ``indices`` says which of each four was taken."""
    larger = torch.zeros_like(x, memory_format=torch.contiguous_format)
    larger.flatten(2).scatter_(2, indices.flatten(2), gradient.flatten(2))
    return larger.contiguous(memory_format=torch.channels_last)


relu_backward = or_public(_relu_backward, public_relu_backward)
max_pool_backward = or_public(_max_pool_backward, public_max_pool_backward)
