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
        self._pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        """A step, the change of the gradient along it, and the product of the two."""
        self._gradient: Tensor | None = None
        self._step: Tensor | None = None

    def step(self, image: Tensor, gradient: Tensor) -> None:
        """Move ``image`` one iteration downhill from where ``gradient`` was taken."""
        if self._gradient is not None and self._step is not None:
            self._remember(self._step, gradient - self._gradient)
        direction = self._direction(gradient)
        size = float(direction.square().mean().sqrt())
        if not self._pairs:
            direction *= self._first_step / max(size, 1e-20)
        elif size > self._largest_step:
            direction *= self._largest_step / size
        image += direction
        self._gradient, self._step = gradient, direction

    def _remember(self, step: Tensor, change: Tensor) -> None:
        curvature = torch.sum(step * change)
        if float(curvature) <= 1e-10 * float(change.square().sum()):
            return
        if len(self._pairs) == self._history:
            del self._pairs[0]
        self._pairs.append((step, change, curvature))

    def _direction(self, gradient: Tensor) -> Tensor:
        direction = -gradient
        if not self._pairs:
            return direction
        shares = []
        for step, change, curvature in reversed(self._pairs):
            share = torch.sum(step * direction) / curvature
            direction -= share * change
            shares.append(share)
        _, change, curvature = self._pairs[-1]
        direction *= curvature / change.square().sum()
        for (step, change, curvature), share in zip(self._pairs, reversed(shares)):
            direction += step * (share - torch.sum(change * direction) / curvature)
        return direction
