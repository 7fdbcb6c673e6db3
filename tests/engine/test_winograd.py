"""The convolution with fewer multiplications, beside torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from plugin.engine import pictures
from plugin.engine.bench import subject
from plugin.engine.transfer import vgg, winograd


@pytest.mark.parametrize(
    ("height", "width", "padding"),
    [(1, 1, 1), (1, 9, 2), (3, 5, 0), (16, 16, 1), (16, 16, 2), (37, 129, 0), (37, 129, 1), (37, 129, 2)],
)
@pytest.mark.parametrize("tiles_a_thread", [1, 128])
@pytest.mark.parametrize("with_bias", [False, True])
def test_it_is_the_convolution(
    height: int, width: int, padding: int, tiles_a_thread: int, with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_TILES_A_THREAD", tiles_a_thread)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 64, height, width, generator=generator).to(memory_format=torch.channels_last)
    kernel = torch.randn(128, 64, 3, 3, generator=generator) / 24
    bias = torch.randn(128, generator=generator) if with_bias else None
    expected = F.conv2d(x.double(), kernel.double(), None if bias is None else bias.double(), padding=padding)
    y = winograd.convolution(kernel, bias)(x, padding)
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y.double(), expected if bias is None else expected.relu(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layer", ["relu2_1", "relu2_2", "relu3_2", "relu4_1", "relu4_2"])
def test_on_a_photograph_it_is_as_exact_as_the_plain_sum(layer: str) -> None:
    before = vgg.LAYERS[vgg.LAYERS.index(layer) - 1]
    photograph = pictures.load(subject.CONTENT).rgba[None, :3, :256, :256] * 255
    x = vgg.VGG16([before]).features(photograph)[before]
    if layer.endswith("_1"):
        x = F.max_pool2d(x, 2)
    weights = vgg.load_weights()
    kernel = [value.float() for value in weights.values() if value.dim() == 4][vgg.LAYERS.index(layer)]
    exact = F.conv2d(x.double(), kernel.double(), padding=1)
    plain, fewer = F.conv2d(x, kernel, padding=1), winograd.convolution(kernel, None)(x, 1)
    assert float((fewer - exact).norm()) < 1.2 * float((plain - exact).norm())
