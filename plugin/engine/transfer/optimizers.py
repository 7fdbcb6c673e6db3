"""The way downhill: told the gradient at a picture, an optimizer changes the picture in place.

All three take their step size from the picture, not from the gradient: gradients of an objective may be of any size,
1e-9 or 1e9, and none of them vanishes in the arithmetic or throws the picture away.

Nothing here asks a number of the device. A graphics card that has to answer stands still meanwhile.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from plugin.engine.transfer.style_losses import double

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

    def __init__(self, learning_rate: float = 8.0, beta1: float = 0.8, beta2: float = 0.9) -> None:
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
    """Limited-memory BFGS with unit steps, preconditioned, in its compact form.

    Byrd, Nocedal, Schnabel 1994, *Representations of Quasi-Newton Matrices and their Use in Limited Memory Methods*,
    theorem 2.2: what the two-loop recursion does in 4 × history small operations is two products with the matrix of
    all pairs and one of history × history.

    Where no pair knows better, the inverse Hessian is taken to be a multiple of :func:`smoothed`: what a step changes
    in the large counts as much as what it changes in the small, as in photographs and paintings themselves. Without
    that, a gradient over pixels is mostly about the finest of them (Olah, Mordvintsev, Schubert 2017, *Feature
    Visualization*, section "Preconditioning and Parameterization"), and takes half as many iterations more.

    Without a line search: every iteration costs one gradient, as in Gatys' own implementation. What keeps it safe is a
    first step of a known size, a limit on every step, and pairs with no curvature left out.

    Args:
        history: how many pairs of steps and gradient changes are remembered, 2 pictures of memory each.
        first_step: root mean square of the first step, in the picture's units.
        keep_as: the dtype of the pairs; bfloat16 halves their memory.
    """

    def __init__(self, history: int = 20, first_step: float = 8.0, keep_as: torch.dtype | None = None) -> None:
        self._history, self._first_step, self._keep_as = history, first_step, keep_as
        self._started = False

    def step(self, image: Tensor, gradient: Tensor) -> None:
        smooth = smoothed(gradient).flatten()
        gradient = gradient.flatten()
        if not self._started:
            self._start(gradient, smooth)
            along = self._s_y.new_zeros(2 * self._history)
        else:
            along = self._remember(gradient, smooth)
        direction = _shortened(self._direction(smooth, along))
        image += direction.view_as(image)
        self._gradient.copy_(gradient)
        self._smooth.copy_(smooth)
        self._place.add_(1).remainder_(self._history)
        self._pairs.index_copy_(0, self._place.to(gradient.device), direction.to(self._pairs)[None])
        self._length.copy_(torch.linalg.vector_norm(direction))

    def enlarge(self, height: int, width: int) -> None:
        """Forget: the curvature at one size, enlarged to another, was measured to help nothing."""
        self._started = False

    def slow_down(self, factor: float) -> None:
        """Its steps shrink by themselves, as the gradient does."""

    def _start(self, gradient: Tensor, smooth: Tensor) -> None:
        history, device, dtype = self._history, gradient.device, gradient.dtype
        self._scaling = double(self._first_step / _size(smooth))
        """Of the inverse Hessian where no pair knows better."""
        small = self._scaling.device
        self._pairs = torch.zeros(2 * history, len(gradient), device=device, dtype=self._keep_as or dtype)
        """The steps s, then the changes z of the smoothed gradient along them."""
        self._used = torch.zeros(history, device=small, dtype=torch.float64)
        """1 for each pair that counts, and 0 where there is none yet or it has no curvature."""
        self._s_y, self._y_z = torch.zeros(2, history, history, device=small, dtype=torch.float64)
        """Products of all pairs: of s with the changes y of the gradient itself, no later s with an earlier y; and of
        y with z."""
        self._place = torch.full((1,), -1, device=small, dtype=torch.long)
        """Of the latest step; the next one takes the place after it, in a ring."""
        self._ring = torch.arange(history, device=small)
        self._gradient, self._smooth = torch.empty_like(gradient), torch.empty_like(smooth)
        self._length = gradient.new_zeros(())
        """Of the latest step."""
        self._started = True

    def _remember(self, gradient: Tensor, smooth: Tensor) -> Tensor:
        """Make a pair of the last step and what it changed; the products of all pairs with the gradient.

        In place as far as it goes, and all pairs are read only once: nothing else that an iteration reads is as large.
        """
        history, device, kept_as = self._history, gradient.device, self._pairs.dtype
        places = torch.cat([self._place, self._place + history])
        change = self._gradient.neg_().add_(gradient)
        self._pairs.index_copy_(0, places[1:].to(device), self._smooth.neg_().add_(smooth).to(kept_as)[None])
        with_change, along = self._with_pairs(torch.stack([change.to(kept_as), gradient.to(kept_as)])).unbind(1)
        s_y, y_z = with_change.index_select(0, places).unbind()
        has_curvature = s_y > _LEAST_CURVATURE * double(self._length * torch.linalg.vector_norm(change))
        self._scaling.copy_(torch.where(has_curvature, s_y / y_z.clamp_min(1e-300), self._scaling))
        used = self._used.index_copy_(0, self._place, has_curvature.double()).repeat(2)
        with_change = (with_change * used * has_curvature).view(2, history, 1)
        self._s_y.index_fill_(0, self._place, 0).index_copy_(1, self._place, with_change[0])
        self._y_z.index_copy_(0, self._place, with_change[1].T).index_copy_(1, self._place, with_change[1])
        return along * used

    def _direction(self, smooth: Tensor, along: Tensor) -> Tensor:
        """Minus the inverse Hessian times the gradient; ``along`` has the pairs' products with it."""
        history = self._history
        order = (self._place + 1 + self._ring).remainder_(history)  # the oldest pair first
        s_g, z_g = along[:history][order], along[history:][order]
        s_y = self._s_y[order][:, order]
        y_z = self._y_z[order][:, order]
        diagonal = s_y.diagonal()
        upper = s_y.triu() + torch.diag((diagonal == 0).double())
        scaling = self._scaling
        of_z = torch.linalg.solve_triangular(upper, s_g[:, None], upper=True)
        right = (torch.diag(diagonal) + scaling * y_z) @ of_z - scaling * z_g[:, None]
        of_s = torch.linalg.solve_triangular(upper.T, right, upper=False)
        shares = torch.zeros_like(along)
        shares.index_copy_(0, order, -of_s[:, 0])
        shares.index_copy_(0, order + history, scaling * of_z[:, 0])
        combined = (shares.to(self._pairs)[None] @ self._pairs)[0].to(smooth.dtype)
        return combined.addcmul_(smooth, -scaling.to(smooth))

    def _with_pairs(self, rows: Tensor) -> Tensor:
        """All pairs' products with ``rows``, R × pixels: 2 history × R, in double precision."""
        if rows.is_cuda:  # where a product with so few columns takes longer than one with each of them
            return double(torch.stack([torch.mv(self._pairs, row) for row in rows], 1))
        return double(self._pairs @ rows.T)


def smoothed(image: Tensor) -> Tensor:
    """A picture, 1×K×H×W, and on top of it what it is at half the size, a quarter, and so on, in equal parts.

    Of a picture in which every pixel differs from its neighbours as much as from distant ones, it makes one that is as
    lively at every size. It is symmetric and positive definite, as a preconditioner has to be: enlarging is the
    transpose of making smaller.
    """
    kernel = _kernel(image.device, image.dtype)
    levels = [image.transpose(0, 1)]
    while min(levels[-1].shape[-2:]) >= _SMALLEST_LEVEL:
        levels.append(F.conv2d(levels[-1], kernel / 4, stride=2, padding=1))
    smooth = levels.pop()
    while levels:
        finer = levels.pop()
        odd = (finer.shape[-2] % 2, finer.shape[-1] % 2)
        smooth = F.conv_transpose2d(smooth, kernel, stride=2, padding=1, output_padding=odd).add_(finer)
    return smooth.transpose(0, 1)


@cache
def _kernel(device: torch.device, dtype: torch.dtype) -> Tensor:
    """1×1×4×4, what a pixel becomes when a picture is enlarged twice.

    Kept, because a recording for a graphics card must not bring anything to it.
    """
    row = torch.tensor([1.0, 3.0, 3.0, 1.0], device=device, dtype=dtype) / 4
    return torch.outer(row, row)[None, None]


_SMALLEST_LEVEL = 4
"""Rows or columns below which a picture is not made smaller any more."""


def clipped(gradient: Tensor, longest: Tensor) -> Tensor:
    """The gradient, shortened where its root mean square is above ``longest``."""
    return gradient * (longest / _size(gradient)).clamp_max(1)


def _size(vector: Tensor) -> Tensor:
    """Root mean square, not quite 0."""
    return (torch.linalg.vector_norm(vector) / vector.numel() ** 0.5).clamp_min(1e-30)


def _shortened(step: Tensor) -> Tensor:
    """The same tensor, not too long."""
    return step.mul_((_LARGEST_STEP / _size(step)).clamp_max(1))
