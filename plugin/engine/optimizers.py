"""The way downhill: told the gradient at a picture, an optimizer changes the picture in place.

All three take their step size from the picture, not from the gradient: gradients of an objective may be of any size,
1e-9 or 1e9, and none of them vanishes in the arithmetic or throws the picture away.

Nothing here asks a number of the device. A graphics card that has to answer stands still meanwhile.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine.statistics import double

_LARGEST_STEP = 30.0
"""Root mean square, in the picture's units of 0–255, above which a step is shortened."""


_LEAST_CURVATURE = 1e-6
"""Cosine between a step and the change of the gradient along it, below which L-BFGS learns nothing from the two."""


class Optimizer(Protocol):
    """Changes a picture step by step; made anew, or enlarged, for every scale."""

    def step(self, image: Tensor, gradient: Tensor) -> None:
        """Move ``image`` one iteration downhill from where ``gradient`` was taken."""

    def enlarge(self, height: int, width: int) -> None:
        """Go on at another size with what is worth remembering."""

    def slow_down(self, factor: float) -> None:
        """Take steps of so much of their size from here on, to come to rest at the end."""


class GradientDescent:
    """Straight down: every step is a constant times the gradient.

    Args:
        learning_rate: root mean square of the first step of a scale, in the picture's units; it sets the constant.
    """

    def __init__(self, learning_rate: float = 1.0) -> None:
        self._learning_rate = learning_rate
        self._factor: Tensor | None = None

    def step(self, image: Tensor, gradient: Tensor) -> None:
        if self._factor is None:
            self._factor = self._learning_rate / _size(gradient)
        image -= _shortened(gradient * self._factor)

    def enlarge(self, height: int, width: int) -> None:
        self._factor = None

    def slow_down(self, factor: float) -> None:
        """Its steps shrink by themselves, as the gradient does."""


class Adam:
    """Kingma and Ba 2015, *Adam: A Method for Stochastic Optimization*, algorithm 1, with ε relative to the gradient.

    Args:
        learning_rate: of each step, in the picture's units.
        beta1, beta2: how long the gradients' mean and mean square are remembered, 0 to below 1.
    """

    _EPSILON = 1e-3
    """Of the first gradient's root mean square. With the paper's absolute 1e-8 small gradients would vanish in it."""

    def __init__(self, learning_rate: float = 8.0, beta1: float = 0.9, beta2: float = 0.99) -> None:
        self._learning_rate, self._beta1, self._beta2 = learning_rate, beta1, beta2
        self._mean: Tensor | None = None
        self._square: Tensor | None = None
        self._epsilon: Tensor | None = None
        self._steps: Tensor | None = None
        self._rate: Tensor | None = None

    def step(self, image: Tensor, gradient: Tensor) -> None:
        if self._mean is None or self._square is None or self._steps is None or self._rate is None:
            self._rate = gradient.new_tensor(self._learning_rate)
            self._mean, self._square = torch.zeros_like(gradient), torch.zeros_like(gradient)
            self._steps = gradient.new_zeros(())
        if self._epsilon is None:
            self._epsilon = self._EPSILON * _size(gradient)
        self._steps.add_(1)
        self._mean.lerp_(gradient, 1 - self._beta1)
        self._square.mul_(self._beta2).addcmul_(gradient, gradient, value=1 - self._beta2)
        # In place as far as it goes: at 24 megapixels every picture more is 288 MB.
        step = self._square.sqrt().mul_((1 - self._beta2**self._steps).rsqrt()).add_(self._epsilon)
        torch.div(self._mean, step, out=step)
        step.mul_(self._rate / (1 - self._beta1**self._steps))
        image -= _shortened(step)

    def enlarge(self, height: int, width: int) -> None:
        """Keep both memories, as style-transfer-pytorch does; a gradient is spread over more pixels then."""
        if self._mean is None or self._square is None:
            return
        share = self._mean.shape[-2] * self._mean.shape[-1] / (height * width)
        self._mean = F.interpolate(self._mean, (height, width), mode="bilinear") * share
        self._square = F.interpolate(self._square, (height, width), mode="bilinear").clamp_min_(0) * share**2
        self._epsilon = None

    def slow_down(self, factor: float) -> None:
        """Steps as long as at first would leave the picture trembling around its minimum."""
        if self._rate is not None:
            self._rate.fill_(self._learning_rate * factor)


class LBFGS:
    """Limited-memory BFGS with unit steps, in its compact form.

    Byrd, Nocedal, Schnabel 1994, *Representations of Quasi-Newton Matrices and their Use in Limited Memory Methods*,
    theorem 2.2: what the two-loop recursion does in 4 × history small operations is two products with the matrix of
    all pairs and one of history × history.

    Without a line search: every iteration costs one gradient, as in Gatys' own implementation. What keeps it safe is a
    first step of a known size, a limit on every step, and pairs with no curvature left out.

    Args:
        history: how many pairs of steps and gradient changes are remembered, 2 pictures of memory each.
        first_step: root mean square of the first step, in the picture's units.
        keep_as: the dtype of the pairs; bfloat16 halves their memory.
    """

    def __init__(self, history: int = 20, first_step: float = 4.0, keep_as: torch.dtype | None = None) -> None:
        self._history, self._first_step, self._keep_as = history, first_step, keep_as
        self._started = False

    def step(self, image: Tensor, gradient: Tensor) -> None:
        gradient = gradient.flatten()
        if not self._started:
            self._start(gradient)
            along = self._products.new_zeros(2 * self._history)
        else:
            along = self._remember(gradient)
        direction = _shortened(self._direction(gradient, along))
        image += direction.view_as(image)
        self._gradient.copy_(gradient)
        self._step.copy_(direction)

    def enlarge(self, height: int, width: int) -> None:
        """Forget: the curvature at one size, enlarged to another, was measured to help nothing."""
        self._started = False

    def slow_down(self, factor: float) -> None:
        """Its steps shrink by themselves, as the gradient does."""

    def _start(self, gradient: Tensor) -> None:
        history, device, dtype = self._history, gradient.device, gradient.dtype
        self._scaling = double(self._first_step / _size(gradient))
        """Of the inverse Hessian where no pair knows better."""
        small = self._scaling.device
        self._pairs = torch.zeros(2 * history, len(gradient), device=device, dtype=self._keep_as or dtype)
        """The steps s, then the changes y of the gradient along them; a pair that is left out is all 0."""
        self._products = torch.zeros(2 * history, 2 * history, device=small, dtype=torch.float64)
        """Of all pairs with each other."""
        self._place = torch.full((1,), -1, device=small, dtype=torch.long)
        """Of the latest pair; the next one takes the place after it, in a ring."""
        self._ring = torch.arange(history, device=small)
        self._gradient, self._step = torch.empty_like(gradient), torch.empty_like(gradient)
        self._started = True

    def _remember(self, gradient: Tensor) -> Tensor:
        """Take up the pair of the last step; the products of all pairs with the gradient.

        All pairs are read only once for that: they are the largest thing that an iteration reads.
        """
        pair = torch.stack([self._step, gradient - self._gradient]).to(self._pairs.dtype)
        self._place.add_(1).remainder_(self._history)
        places = torch.cat([self._place, self._place + self._history])
        self._pairs.index_copy_(0, places.to(pair.device), pair)
        found = self._with_pairs(torch.cat([pair, gradient.to(pair.dtype)[None]]))
        products, along = found[:, :2], found[:, 2]
        own = products.index_select(0, places)
        has_curvature = own[0, 1] > _LEAST_CURVATURE * (own[0, 0] * own[1, 1]).sqrt()
        self._scaling = torch.where(has_curvature, own[0, 1] / own[1, 1].clamp_min(1e-300), self._scaling)
        self._pairs.index_copy_(0, places.to(pair.device), pair * has_curvature.to(pair))
        products = products * has_curvature
        self._products.index_copy_(0, places, products.T)
        self._products.index_copy_(1, places, products)
        return along.index_copy(0, places, along.index_select(0, places) * has_curvature)

    def _direction(self, gradient: Tensor, along: Tensor) -> Tensor:
        """Minus the inverse Hessian times the gradient; ``along`` has the pairs' products with it."""
        history = self._history
        order = (self._place + 1 + self._ring).remainder_(history)  # the oldest pair first
        s_g, y_g = along[:history][order], along[history:][order]
        s_y = self._products[:history, history:][order][:, order]
        y_y = self._products[history:, history:][order][:, order]
        diagonal = s_y.diagonal()
        upper = s_y.triu() + torch.diag((diagonal == 0).double())
        scaling = self._scaling
        of_y = torch.linalg.solve_triangular(upper, s_g[:, None], upper=True)
        right = (torch.diag(diagonal) + scaling * y_y) @ of_y - scaling * y_g[:, None]
        of_s = torch.linalg.solve_triangular(upper.T, right, upper=False)
        shares = torch.zeros_like(along)
        shares.index_copy_(0, order, -of_s[:, 0])
        shares.index_copy_(0, order + history, scaling * of_y[:, 0])
        combined = (shares.to(self._pairs)[None] @ self._pairs)[0].to(gradient.dtype)
        return combined.addcmul_(gradient, -scaling.to(gradient))

    def _with_pairs(self, rows: Tensor) -> Tensor:
        """All pairs' products with ``rows``, R × pixels: 2 history × R, in double precision."""
        if rows.is_cuda:  # where a product with so few columns takes longer than one with each of them
            return double(torch.stack([torch.mv(self._pairs, row) for row in rows], 1))
        return double(self._pairs @ rows.T)


def clipped(gradient: Tensor, longest: Tensor) -> Tensor:
    """The gradient, shortened where its root mean square is above ``longest``."""
    return gradient * (longest / _size(gradient)).clamp_max(1)


def _size(vector: Tensor) -> Tensor:
    """Root mean square, not quite 0."""
    return (torch.linalg.vector_norm(vector) / vector.numel() ** 0.5).clamp_min(1e-30)


def _shortened(step: Tensor) -> Tensor:
    """The same tensor, not too long."""
    return step.mul_((_LARGEST_STEP / _size(step)).clamp_max(1))
