"""Every style measure is zero at the style itself, grows away from it, and has the gradient it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plugin.engine.transfer.style_losses import (
    Euclidean,
    Mahalanobis,
    Moments,
    MomentSum,
    RelativeEuclidean,
    StyleMeasure,
    Wasserstein,
    square_roots,
)

Measure = Callable[[Moments], StyleMeasure]

MEASURES: list[Measure] = [Euclidean, RelativeEuclidean, Mahalanobis, Wasserstein]


WIDE, DEEP = 6, 80
"""Channels: fewer and more than the 63 positions."""


def features(seed: int, channels: int = WIDE, height: int = 7, width: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    noise = torch.randn(channels, height * width, generator=generator, dtype=torch.float64)
    return (
        (mixed @ noise + 0.5).relu().reshape(1, channels, height, width).contiguous(memory_format=torch.channels_last)
    )


def mask() -> Tensor:
    return torch.linspace(0, 1, 63, dtype=torch.float64).reshape(7, 9)


def distance(measure: StyleMeasure, x: Tensor, weights: Tensor | None) -> float:
    return float(measure(Moments.of(x, weights))[0])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("channels", [WIDE, DEEP])
def test_the_style_itself_is_at_distance_zero_and_the_way_is_level(measure: Measure, channels: int) -> None:
    style = features(1, channels)
    loss, gradient = measure(Moments.of(style))(Moments.of(style))
    other_loss, other_gradient = measure(Moments.of(style))(Moments.of(features(2, channels)))
    assert float(loss) == pytest.approx(0, abs=1e-8 * float(other_loss))
    assert other_loss > 0
    assert float(gradient.of_features(style).norm()) < 1e-6 * float(other_gradient.of_features(style).norm())


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
@pytest.mark.parametrize("channels", [WIDE, DEEP])
def test_the_gradient_is_that_of_finite_differences(measure: Measure, weights: Tensor | None, channels: int) -> None:
    style, x = measure(Moments.of(features(1, channels))), features(2, channels)
    gradient = style(Moments.of(x, weights))[1].of_features(x, weights)
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        direction = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        step = 1e-5
        slope = (distance(style, x + step * direction, weights) - distance(style, x - step * direction, weights)) / (
            2 * step
        )
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_what_a_mask_hides_does_not_count() -> None:
    x, changed = features(1), features(1)
    hidden = torch.ones(7, 9, dtype=torch.float64)
    hidden[:, 5:] = 0
    changed[..., 5:] = 99
    torch.testing.assert_close(Moments.of(changed, hidden).second, Moments.of(x[..., :5]).second)


def test_wasserstein_is_the_distance_of_gaussians_along_one_axis() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 100, 100, generator=generator, dtype=torch.float64)
    style, moved = Moments.of(2 + 3 * x), Moments.of(5 + x)
    expected = (moved.mean - style.mean) ** 2 + (3 - 1) ** 2 * x.var(correction=0)
    assert float(Wasserstein(style)(moved)[0]) == pytest.approx(float(expected / style.second), rel=1e-2)


def test_few_positions_and_many_channels_give_the_same_distance_either_way() -> None:
    style, x = Wasserstein(Moments.of(features(1, DEEP))), features(2, DEEP)
    short = Moments.of(x)
    assert short.few is not None
    long = Moments(short.mean, short.second)
    (loss, gradient), (long_loss, long_gradient) = style(short), style(long)
    assert float(loss) == pytest.approx(float(long_loss))
    torch.testing.assert_close(gradient.of_features(x), long_gradient.of_features(x))


def test_euclidean_is_neural_style_pts_gram_loss() -> None:
    x, style = features(2), features(1)

    def gram(f: Tensor) -> Tensor:
        rows = f[0].flatten(1)
        return rows @ rows.T / f.numel()

    assert distance(Euclidean(Moments.of(style)), x, None) == pytest.approx(
        float((gram(x) - gram(style)).square().mean())
    )


@pytest.mark.parametrize("measure", [RelativeEuclidean, Mahalanobis, Wasserstein])
def test_brighter_features_of_picture_and_style_are_as_far_apart(measure: Measure) -> None:
    plain = distance(measure(Moments.of(features(1))), features(2), None)
    assert distance(measure(Moments.of(7 * features(1))), 7 * features(2), None) == pytest.approx(plain)


def test_mahalanobis_counts_in_the_styles_own_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 100, 100, generator=generator, dtype=torch.float64)
    wide = torch.tensor([100.0, 1.0]).view(1, 2, 1, 1).double()
    style = Mahalanobis(Moments.of(x * wide))
    along_wide, along_narrow = (torch.tensor(shift).view(1, 2, 1, 1).double() for shift in ([50.0, 0], [0, 50.0]))
    assert distance(style, x * wide + along_narrow, None) > 2 * distance(style, x * wide + along_wide, None)
    style = Mahalanobis(Moments.of(x))
    assert distance(style, x + 1, None) == pytest.approx(1 / 2, rel=0.05)


def test_mahalanobis_of_a_style_without_variance_is_no_noise() -> None:
    """In float32 the covariance of what is the same everywhere is rounding, which must not be divided by."""
    flat = features(1).mean((2, 3), keepdim=True).expand(1, WIDE, 7, 9).float().contiguous()
    loss, gradient = Mahalanobis(Moments.of(flat))(Moments.of(flat))
    assert abs(float(loss)) < 1e-3
    other, _ = Mahalanobis(Moments.of(flat))(Moments.of(features(2).float()))
    assert 0 < float(other) < 1e12
    assert bool(gradient.second.isfinite().all())


@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
def test_moments_seen_in_pieces_are_those_of_the_whole(weights: Tensor | None) -> None:
    x, pieces = features(1), MomentSum()
    for columns in (slice(0, 4), slice(4, 9)):
        pieces.add(x[..., columns], None if weights is None else weights[..., columns])
    torch.testing.assert_close(pieces.moments().second, Moments.of(x, weights).second)
    torch.testing.assert_close(pieces.moments().mean, Moments.of(x, weights).mean)


@pytest.mark.parametrize("channels", [WIDE, DEEP])
@pytest.mark.parametrize("weights", [None, mask()], ids=["whole", "masked"])
def test_wasserstein_is_the_same_in_products_as_with_eigenvectors(channels: int, weights: Tensor | None) -> None:
    style, x = Moments.of(features(1, channels)), features(2, channels)
    loss, of_moments = Wasserstein(style, in_products=False)(Moments.of(x, weights))
    other_loss, other_of_moments = Wasserstein(style, in_products=True)(Moments.of(x, weights))
    assert float(other_loss) == pytest.approx(float(loss), rel=5e-5)
    gradient, other_gradient = (each.of_features(x, weights) for each in (of_moments, other_of_moments))
    assert float((other_gradient - gradient).norm()) < 2e-4 * float(gradient.norm())


def test_in_products_single_precision_and_a_mask_do_no_harm() -> None:
    x, style = features(2, DEEP).bfloat16(), Moments.of(features(1, DEEP).bfloat16())
    expected, _ = Wasserstein(style)(Moments.of(x, mask().float()))
    loss, gradient = Wasserstein(style, in_products=True)(Moments.of(x, mask().float()))
    assert float(loss) == pytest.approx(float(expected), rel=1e-3)
    assert bool(gradient.second.isfinite().all())


def test_square_roots_are_square_roots() -> None:
    rows = features(1, DEEP)[0].flatten(1).float()
    matrix = rows @ rows.T
    size, identity = float(matrix.norm()), torch.eye(DEEP)
    root, inverse, floor = square_roots(matrix, 1e-4 * size)
    assert float(floor) == pytest.approx(1e-4 * size)
    assert float((root @ root - matrix - 1e-4 * size * identity).norm()) < 1e-5 * size
    assert float((inverse @ root - identity).norm()) < 1e-5 * DEEP**0.5


def test_roots_of_what_has_no_variance_or_hardly_more_than_rounding_errors_are_finite() -> None:
    rows = features(1, DEEP)[0].flatten(1)[:, :9].float()
    for matrix in (rows @ rows.T, torch.zeros(DEEP, DEEP)):
        root, inverse, _ = square_roots(matrix, 1e-12)
        assert bool(root.isfinite().all())
        assert bool(inverse.isfinite().all())
