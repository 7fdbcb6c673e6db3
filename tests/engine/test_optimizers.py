"""Every way downhill gets down, from gradients of any size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plugin.engine.transfer.optimizers import LBFGS, Adam, GradientDescent, Optimizer, clipped, smoothed

MAKERS: list[Callable[[], Optimizer]] = [GradientDescent, Adam, LBFGS]


def bowl(scale: float) -> tuple[Tensor, Callable[[Tensor], tuple[float, Tensor]]]:
    """A quadratic of condition 30 with its minimum at 100, and where to start."""
    curvature = torch.linspace(1, 30, 48).reshape(1, 3, 4, 4) * scale
    start = 100 + 40 * torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))

    def function(x: Tensor) -> tuple[float, Tensor]:
        return float((curvature.double() * (x.double() - 100).square()).sum() / 2), curvature * (x - 100)

    return start, function


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e9])
def test_gradients_neither_vanish_nor_explode(make: Callable[[], Optimizer], scale: float) -> None:
    x, function = bowl(scale)
    first, _ = function(x)
    optimizer = make()
    for _ in range(100):
        optimizer.step(x, function(x)[1])
    assert function(x)[0] < 0.1 * first


@pytest.mark.parametrize("make", [Adam, LBFGS])
def test_the_size_of_the_objective_does_not_matter(make: Callable[[], Optimizer]) -> None:
    ends = []
    for scale in (1e-6, 1e6):
        x, function = bowl(scale)
        optimizer = make()
        for _ in range(10):
            optimizer.step(x, function(x)[1])
        ends.append(x)
    torch.testing.assert_close(*ends, rtol=1e-2, atol=0.1)


def of_picture(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of pictures, of one as large as the bowl's, flat."""
    return function(x.view(1, 3, 4, 4)).flatten()


def two_loops(pairs: list[tuple[Tensor, Tensor]], gradient: Tensor) -> Tensor:
    """Nocedal and Wright 2006, algorithm 7.4, whose first guess of the inverse Hessian is a multiple of smoothing."""
    direction, shares = gradient.clone(), []
    for s, y in reversed(pairs):
        share = (s @ direction) / (s @ y)
        direction -= share * y
        shares.append(share)
    s, y = pairs[-1]
    direction = of_picture(smoothed, direction) * (s @ y) / (y @ of_picture(smoothed, y))
    for (s, y), share in zip(pairs, reversed(shares)):
        direction += s * (share - (y @ direction) / (s @ y))
    return -direction


@pytest.mark.parametrize("turned", [None, 4])
def test_lbfgs_in_compact_form_takes_the_steps_of_the_two_loops(turned: int | None) -> None:
    """Also after a step along which the gradient turned the other way, of which nothing is to be learned."""
    history = 4
    x, function = bowl(1e-3)
    x = x.double()
    optimizer = LBFGS(history)
    before: tuple[Tensor, Tensor] | None = None
    pairs: list[tuple[Tensor, Tensor] | None] = []
    for number in range(12):
        gradient = function(x)[1]
        if before is not None:
            if number == turned:
                gradient = 2 * before[1] - gradient
            s, y = (x - before[0]).flatten(), (gradient - before[1]).flatten()
            pairs = [*pairs, (s, y) if s @ y > 0 else None][-history:]
        before = (x.clone(), gradient)
        optimizer.step(x, gradient)
        step = (x - before[0]).flatten()
        assert pairs.count(None) == (turned is not None and turned <= number < turned + history)
        if pairs and pairs[-1]:
            expected = two_loops([pair for pair in pairs if pair], gradient.flatten())
            expected *= (30 / expected.square().mean().sqrt()).clamp_max(1)
            torch.testing.assert_close(step, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("height", "width"), [(9, 12), (8, 8), (3, 11)])
def test_smoothing_is_symmetric_and_positive_definite(height: int, width: int) -> None:
    pixels = height * width
    matrix = smoothed(torch.eye(pixels, dtype=torch.float64).view(1, pixels, height, width))[0].flatten(1)
    torch.testing.assert_close(matrix, matrix.T)
    assert float(torch.linalg.eigvalsh(matrix)[0]) > 0.99


def test_smoothing_leaves_the_finest_and_raises_the_coarsest() -> None:
    board = torch.ones(1, 1, 64, 64)
    board[..., ::2, 1::2] = board[..., 1::2, ::2] = -1
    inside = (..., slice(16, 48), slice(16, 48))
    # but for what comes in from the edge
    torch.testing.assert_close(smoothed(board)[inside], board[inside], rtol=0, atol=1e-3)
    levels = smoothed(torch.ones(1, 1, 64, 64))[inside]
    assert 4 < float(levels.min()) < float(levels.max()) < 6


def test_lbfgs_leaves_out_pairs_without_curvature() -> None:
    x = torch.zeros(1, 1, 4, 4)
    optimizer = LBFGS()
    for gradient in (1.0, 2.0, 3.0):  # uphill grows steeper downhill: the curvature is negative
        optimizer.step(x, torch.full_like(x, gradient))
    assert bool(x.isfinite().all())
    assert float(x.max()) < 0


@pytest.mark.parametrize("make", MAKERS)
def test_what_a_step_leaves_for_the_next_stays_in_its_place(make: Callable[[], Optimizer]) -> None:
    """A recorded step reads and writes the same memory at every replay."""
    x, function = bowl(1.0)
    optimizer = make()
    places = []
    for _ in range(3):
        optimizer.step(x, function(x)[1])
        optimizer.slow_down(0.5)
        places.append({name: kept.data_ptr() for name, kept in vars(optimizer).items() if isinstance(kept, Tensor)})
    assert places[0]
    assert places[0] == places[1] == places[2]


def test_a_slowed_adam_takes_steps_of_so_much_of_their_size() -> None:
    steps = []
    for factor in (1.0, 0.25):
        x, function = bowl(1.0)
        optimizer = Adam()
        optimizer.step(x, function(x)[1])
        optimizer.slow_down(factor)
        before = x.clone()
        optimizer.step(x, function(x)[1])
        steps.append(x - before)
    torch.testing.assert_close(steps[1], steps[0] / 4)


@pytest.mark.parametrize("make", MAKERS)
def test_no_step_is_longer_than_the_limit(make: Callable[[], Optimizer]) -> None:
    x = torch.zeros(1, 3, 8, 8)
    optimizer = make()
    for number in range(6):
        before = x.clone()
        optimizer.step(x, torch.randn(x.shape, generator=torch.Generator().manual_seed(number)) * 10.0 ** (3 * number))
        assert float((x - before).square().mean().sqrt()) < 30.01


@pytest.mark.parametrize("make", MAKERS)
def test_an_enlarged_optimizer_goes_on_at_the_new_size(make: Callable[[], Optimizer]) -> None:
    optimizer = make()
    for size in (8, 11):
        x = torch.full((1, 3, size, size), 50.0)
        if size == 11:
            optimizer.enlarge(size, size)
        for _ in range(30):
            optimizer.step(x, x - 10)
        assert float((x - 10).abs().mean()) < 25


def test_clipping_shortens_long_gradients_only() -> None:
    gradient = torch.tensor([3.0, -4.0])
    longest = torch.tensor(1.0)
    assert float(clipped(gradient, longest).square().mean().sqrt()) == pytest.approx(1)
    assert torch.equal(clipped(gradient, torch.tensor(10.0)), gradient)
