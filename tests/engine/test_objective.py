"""The whole objective: against double precision, against neural-style's formula, and through a mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from plugin.engine.transfer import recipe, tiles
from plugin.engine.transfer.metrics import CONTENT_LAYER, STYLE_LAYERS
from plugin.engine.transfer.objective import Evaluation, Objective, StyleTerm, shrink
from plugin.engine.transfer.style_losses import Moments
from plugin.engine.transfer.vgg import VGG16, Border, Pooling
from plugin.shared.settings import Settings

from .samples import OTHER_STYLE, PHOTO, STYLE, pixels
from .test_vgg import by_autograd


@cache
def _network(layers: frozenset[str], dtype: torch.dtype, border: Border, pooling: Pooling) -> VGG16:
    return VGG16(layers, dtype=dtype, border=border, pooling=pooling)


def objective(
    settings: Settings,
    dtype: torch.dtype,
    visible: Tensor | None = None,
    channels: int = 3,
    size: int = 48,
    guidance: Sequence[Tensor | None] = (None,),
    side: int = 0,
) -> Objective:
    """With as many styles as there are ``guidance`` masks, and in tiles of ``side`` pixels if that is not 0.

    ``dtype`` is the network's; a picture is in float32 for one in bfloat16.
    """
    of_pictures = torch.float64 if dtype == torch.float64 else torch.float32
    chosen = recipe.of(settings)
    layers = frozenset((*chosen.weights.style, *chosen.weights.content))
    network = _network(layers, dtype, chosen.border, chosen.pooling)
    terms = []
    for file, mask in zip((STYLE, OTHER_STYLE), guidance):
        style = network.features(pixels(file, 48, of_pictures))
        measures = {layer: chosen.measure(Moments.of(style[layer])) for layer in chosen.weights.style}
        terms.append(StyleTerm(measures, 1.0 if mask is None else float(mask.mean()), mask))
    content = pixels(PHOTO, size, of_pictures)[:, :channels]
    if settings.tileable:
        content = content[..., : content.shape[-2] // 16 * 16, :]
    height, width = content.shape[-2:]
    deepest = network.layers[-1]
    pieces = tiles.within(height, width, tiles.area_for(side, deepest), deepest, settings.tileable) if side else None
    return Objective(network, content, terms, chosen.weights, visible, pieces)


def painting(dtype: torch.dtype, channels: int = 3, size: int = 48) -> Tensor:
    """The photo with noise, some of it outside 0–255."""
    content = pixels(PHOTO, size, torch.float64)[:, :channels]
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (content + 30 * noise).to(dtype)


def fading(height: int, width: int) -> Tensor:
    return torch.linspace(0, 1, height * width).reshape(height, width)


MEASURES = [
    Settings(quality="gatys"),
    Settings(),
    Settings(style_measure="euclidean"),
    Settings(style_measure="mahalanobis"),
    Settings(content_measure="ssim"),
    Settings(tileable=True, pooling="average", content_layers="relu2_2,relu4_2"),
]


def named(settings: Settings) -> str:
    return ",".join(f"{k}={v}" for k, v in settings.to_json().items() if v != Settings().to_json()[k]) or "normal"


@pytest.mark.parametrize("settings", MEASURES, ids=named)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("dtype", "of_loss", "of_gradient"),
    [
        # Not less: here and there a ReLU or a pool decides the other way in float32, which is a step in the gradient.
        (torch.float32, 1e-4, 1e-3),
        # A feature has 8 bits, and errors of one half of the last add up over a dozen layers.
        (torch.bfloat16, 0.01, 0.1),
    ],
    ids=str,
)
def test_loss_and_gradient_agree_with_double_precision(
    settings: Settings, masked: bool, dtype: torch.dtype, of_loss: float, of_gradient: float
) -> None:
    image = painting(torch.float64)
    if settings.tileable:
        image = image[..., : image.shape[-2] // 16 * 16, :]
    height, width = image.shape[-2:]
    visible = fading(height, width) if masked else None
    found = objective(settings, dtype, visible)(image.float())
    double = objective(settings, torch.float64, None if visible is None else visible.double())(image)
    assert float(found.total) == pytest.approx(float(double.total), rel=of_loss)
    error = (found.gradient - double.gradient).norm() / double.gradient.norm()
    assert float(error) < of_gradient


class _Loss(torch.autograd.Function):
    """An objective as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, function: Objective) -> Tensor:
        evaluation = function(image)
        ctx.save_for_backward(evaluation.gradient)
        return evaluation.total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        return slope * ctx.saved_tensors[0], None


@pytest.mark.parametrize("settings", MEASURES, ids=named)
@pytest.mark.parametrize("case", ["plain", "grey", "masked", "styles", "regions"])
def test_the_gradient_passes_autograds_check(settings: Settings, case: str) -> None:
    channels, size = 1 if case == "grey" else 3, 32
    image = painting(torch.float64, channels, size).clamp(1, 254)
    if settings.tileable:
        image = image[..., : image.shape[-2] // 16 * 16, :]
    height, width = image.shape[-2:]
    mask = fading(height, width).double()
    visible = mask if case == "masked" else None
    guidance = {"styles": (None, None), "regions": (mask, 1 - mask)}.get(case, (None,))
    function = objective(settings, torch.float64, visible, channels, size, guidance)
    # Along random directions: a picture has thousands of pixels. Large parts of the objective are of the order 1e-6.
    factor = 1 / float(function(image).gradient.abs().max())

    def loss(x: Tensor) -> Tensor:
        return factor * _Loss.apply(x, function)

    assert torch.autograd.gradcheck(loss, image.requires_grad_(), eps=1e-5, atol=1e-4, rtol=1e-3, fast_mode=True)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not worth the while, but for pictures as small as a test's."""
    monkeypatch.setattr(tiles, "SMALLEST_SIDE", 16)


def tiled_and_whole(
    settings: Settings, dtype: torch.dtype, case: str, size: int, side: int = 16
) -> tuple[Evaluation, Evaluation]:
    image = painting(torch.promote_types(dtype, torch.float32), size=size)  # the network alone is ever coarser
    if settings.tileable:
        image = image[..., : image.shape[-2] // 16 * 16, :]
    mask = fading(*image.shape[-2:]).to(dtype)
    visible = mask if case == "masked" else None
    guidance = (mask, 1 - mask) if case == "regions" else (None,)
    pieces, whole = (objective(settings, dtype, visible, 3, size, guidance, each) for each in (side, 0))
    assert len(pieces._tiles) > 3
    return pieces(image), whole(image)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("settings", MEASURES, ids=named)
@pytest.mark.parametrize("case", ["plain", "masked", "regions"])
def test_in_tiles_and_as_a_whole_it_is_the_same(settings: Settings, case: str) -> None:
    # A tile sees less around it where the layers are shallow, and a small picture is enough.
    shallow = dataclasses.replace(settings, content_layers="relu2_2", style_layers="relu1_1,relu2_1")
    tiled, whole = tiled_and_whole(shallow, torch.float64, case, 80)
    assert float(tiled.total) == pytest.approx(float(whole.total), rel=1e-9)
    assert float((tiled.gradient - whole.gradient).norm() / whole.gradient.norm()) < 1e-9


@pytest.mark.usefixtures("small_tiles")
def test_deep_tiles_agree_with_the_whole_in_float32() -> None:
    tiled, whole = tiled_and_whole(Settings(), torch.float32, "plain", 208, side=32)
    assert float((tiled.gradient - whole.gradient).norm() / whole.gradient.norm()) < 1e-5


@pytest.mark.usefixtures("small_tiles")
def test_tiles_agree_with_the_whole_in_bfloat16() -> None:
    shallow = Settings(content_layers="relu2_2", style_layers="relu1_1,relu2_1")
    tiled, whole = tiled_and_whole(shallow, torch.bfloat16, "plain", 80)
    assert float((tiled.gradient - whole.gradient).norm() / whole.gradient.norm()) < 5e-3


def test_gatys_is_the_objective_of_neural_style_pt_at_its_defaults() -> None:
    def gram(f: Tensor) -> Tensor:
        rows = f[0].flatten(1)
        return rows @ rows.T / f.numel()

    image = painting(torch.float64).clamp(0, 255)
    features, content, style = (
        by_autograd_all(x) for x in (image, pixels(PHOTO, 48).double(), pixels(STYLE, 48).double())
    )
    expected_content = 5 * F.mse_loss(features[CONTENT_LAYER], content[CONTENT_LAYER])
    expected_style = sum(100 * F.mse_loss(gram(features[name]), gram(style[name])) for name in STYLE_LAYERS)
    expected_tv = 1e-3 * (image.diff(dim=2).abs().sum() + image.diff(dim=3).abs().sum())

    found = objective(Settings(quality="gatys"), torch.float64)(image)
    assert float(found.content) == pytest.approx(float(expected_content), rel=1e-6)
    assert float(found.style) == pytest.approx(float(expected_style), rel=1e-6)
    assert float(found.tv) == pytest.approx(float(expected_tv), rel=1e-6)


def by_autograd_all(image: Tensor) -> dict[str, Tensor]:
    return by_autograd(image, "zero", "max", (*STYLE_LAYERS, CONTENT_LAYER))


def test_outside_the_range_only_the_way_back_counts() -> None:
    function = objective(Settings(), torch.float32)
    image = painting(torch.float32)
    outside = image != image.clamp(0, 255)
    assert bool(outside.any())
    gradient = function(image).gradient
    assert torch.equal(gradient[outside].sign(), (image - image.clamp(0, 255))[outside].sign())


def test_where_nothing_counts_nothing_is_changed() -> None:
    """Inside the range, to the last bit: optimizers take steps of their own size, however small a gradient is."""
    function = objective(Settings(content_weight=0.0, style_weight=0.0), torch.float32)
    image = painting(torch.float32)
    assert not function(image).gradient[image == image.clamp(0, 255)].any()


def test_without_a_style_weight_there_is_nothing_to_normalize() -> None:
    function = objective(Settings(style_weight=0.0, normalize_gradients=True), torch.float32)
    sizes = function.gradient_sizes(painting(torch.float32))
    assert recipe.balanced(function.weights, sizes) == function.weights


def test_a_mask_shrinks_as_the_network_does() -> None:
    network = VGG16(STYLE_LAYERS)
    features = network.features(pixels(PHOTO, 77))
    height, width = pixels(PHOTO, 77).shape[-2:]
    for layer in STYLE_LAYERS:
        assert shrink(torch.ones(height, width), layer).shape == features[layer].shape[-2:]


def test_normalized_terms_have_gradients_of_the_size_of_their_weights() -> None:
    function = objective(Settings(normalize_gradients=True), torch.float32)
    image = painting(torch.float32).clamp(0, 255)
    weights = function.weights
    function.weights = recipe.balanced(weights, function.gradient_sizes(image))
    found = {}
    for term in function(image).layers:
        own, function.weights = function.weights, function.weights.alone(term)
        alone = float(function(image).gradient.square().mean().sqrt())
        function.weights = own
        kind, layer = term.split()
        now, before = (getattr(each, kind)[layer] for each in (own, weights))
        found[kind, layer] = alone * now / before
    sizes = [size for (kind, _), size in found.items() if kind == "style"]
    assert max(sizes) == pytest.approx(min(sizes), rel=1e-3)
    of_content = [size for (kind, _), size in found.items() if kind == "content"]
    assert of_content == pytest.approx([recipe._CONTENT_GRADIENT * sizes[0]] * len(of_content), rel=1e-3)
