"""The way downhill: told the gradient at a picture, an optimizer changes the picture in place."""

from __future__ import annotations

import torch
from torch import Tensor


class LBFGS:
    """Limited-memory BFGS with unit steps (Nocedal and Wright 2006, *Numerical Optimization*, algorithm 7.5).

    Without a line search: every iteration costs one gradient, as in Gatys' own implementation. What keeps it safe is a
    first step of a known size, a limit on every step, and pairs with no curvature left out.

    Args:
        history: how many pairs of steps and gradient changes are remembered, 2 pictures of memory each.
        first_step: root mean square of the first step, in the picture's units.
        largest_step: root mean square above which a step is shortened.
    """

    def __init__(self, history: int = 20, first_step: float = 4.0, largest_step: float = 30.0) -> None:
        self._history, self._first_step, self._largest_step = history, first_step, largest_step
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []
        self._gradient: Tensor | None = None
        self._step: Tensor | None = None

    def step(self, image: Tensor, gradient: Tensor) -> None:
        """Move ``image`` one iteration downhill from where ``gradient`` was taken."""
        if self._gradient is not None and self._step is not None:
            self._remember(self._step, gradient - self._gradient)
        direction = self._direction(gradient)
        size = float(direction.square().mean().sqrt())
        if not self._steps:
            direction *= self._first_step / max(size, 1e-20)
        elif size > self._largest_step:
            direction *= self._largest_step / size
        image += direction
        self._gradient, self._step = gradient, direction

    def _remember(self, step: Tensor, change: Tensor) -> None:
        if float(torch.sum(step * change)) <= 1e-10 * float(change.square().sum()):
            return
        if len(self._steps) == self._history:
            del self._steps[0], self._changes[0]
        self._steps.append(step)
        self._changes.append(change)

    def _direction(self, gradient: Tensor) -> Tensor:
        direction = -gradient
        if not self._steps:
            return direction
        curvatures = [torch.sum(s * y) for s, y in zip(self._steps, self._changes)]
        shares = []
        for s, y, curvature in zip(reversed(self._steps), reversed(self._changes), reversed(curvatures)):
            share = torch.sum(s * direction) / curvature
            direction -= share * y
            shares.append(share)
        direction *= curvatures[-1] / self._changes[-1].square().sum()
        for s, y, curvature, share in zip(self._steps, self._changes, curvatures, reversed(shares)):
            direction += s * (share - torch.sum(y * direction) / curvature)
        return direction
