"""The whole objective: against double precision, against neural-style's formula, and through a mask."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from plugin.engine import recipe
from plugin.engine.objective import Objective, shrink
from plugin.engine.recipe import CONTENT_LAYER, GATYS_LAYERS
from plugin.engine.statistics import Moments
from plugin.engine.vgg import VGG16
from plugin.settings import Settings

from .samples import PHOTO, STYLE, pixels
from .test_vgg import by_autograd


def objective(quality: str, dtype: torch.dtype, visible: Tensor | None = None, channels: int = 3) -> Objective:
    chosen = recipe.of(Settings(quality=quality))
    network = VGG16((*chosen.weights.style, CONTENT_LAYER), dtype=dtype, border=chosen.border)
    style = network.features(pixels(STYLE, 48, dtype))
    measures = {layer: chosen.measure(Moments.of(style[layer])) for layer in chosen.weights.style}
    content = pixels(PHOTO, 48, dtype)[:, :channels]
    return Objective(network, CONTENT_LAYER, content, measures, chosen.weights, visible)


def painting(dtype: torch.dtype, channels: int = 3) -> Tensor:
    """The photo with noise, some of it outside 0–255."""
    content = pixels(PHOTO, 48, torch.float64)[:, :channels]
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (content + 30 * noise).to(dtype)


def fading(height: int, width: int) -> Tensor:
    return torch.linspace(0, 1, height * width).reshape(height, width)


@pytest.mark.parametrize("quality", ["gatys", "normal"])
@pytest.mark.parametrize("masked", [False, True])
def test_float32_agrees_with_double_precision(quality: str, masked: bool) -> None:
    height, width = painting(torch.float32).shape[-2:]
    visible = fading(height, width) if masked else None
    single = objective(quality, torch.float32, visible)(painting(torch.float32))
    double = objective(quality, torch.float64, None if visible is None else visible.double())(painting(torch.float64))
    assert float(single.total) == pytest.approx(float(double.total), rel=1e-4)
    error = (single.gradient - double.gradient).norm() / double.gradient.norm()
    # Not less: here and there a ReLU or a pool decides the other way in float32, which is a step in the gradient.
    assert float(error) < 1e-3


@pytest.mark.parametrize("quality", ["gatys", "normal"])
@pytest.mark.parametrize("channels", [3, 1])
def test_the_gradient_is_that_of_finite_differences(quality: str, channels: int) -> None:
    function = objective(quality, torch.float64, channels=channels)
    image = painting(torch.float64, channels).clamp(1, 254)
    gradient = function(image).gradient
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=image.dtype)
    direction = gradient / gradient.abs().max() + 0.1 * noise
    there, back = (float(function(image + step * direction).total) for step in (1e-5, -1e-5))
    assert float((gradient * direction).sum()) == pytest.approx((there - back) / 2e-5, rel=1e-4)


def test_gatys_is_the_objective_of_neural_style_pt_at_its_defaults() -> None:
    def gram(f: Tensor) -> Tensor:
        rows = f[0].flatten(1)
        return rows @ rows.T / f.numel()

    image = painting(torch.float64).clamp(0, 255)
    features, content, style = (
        by_autograd_all(x) for x in (image, pixels(PHOTO, 48).double(), pixels(STYLE, 48).double())
    )
    expected_content = 5 * F.mse_loss(features[CONTENT_LAYER], content[CONTENT_LAYER])
    expected_style = sum(100 * F.mse_loss(gram(features[name]), gram(style[name])) for name in GATYS_LAYERS)
    expected_tv = 1e-3 * (image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum())

    found = objective("gatys", torch.float64)(image)
    assert float(found.content) == pytest.approx(float(expected_content), rel=1e-6)
    assert float(found.style) == pytest.approx(float(expected_style), rel=1e-6)
    assert float(found.tv) == pytest.approx(float(expected_tv), rel=1e-6)


def by_autograd_all(image: Tensor) -> dict[str, Tensor]:
    return by_autograd(image, "zero", "max", (*GATYS_LAYERS, CONTENT_LAYER))


def test_outside_the_range_only_the_way_back_counts() -> None:
    function = objective("normal", torch.float32)
    image = painting(torch.float32)
    outside = image != image.clamp(0, 255)
    assert bool(outside.any())
    gradient = function(image).gradient
    assert torch.equal(gradient[outside].sign(), (image - image.clamp(0, 255))[outside].sign())


def test_a_mask_shrinks_as_the_network_does() -> None:
    network = VGG16(GATYS_LAYERS)
    features = network.features(pixels(PHOTO, 77))
    height, width = pixels(PHOTO, 77).shape[-2:]
    for layer in GATYS_LAYERS:
        assert shrink(torch.ones(height, width), layer).shape == features[layer].shape[-2:]
