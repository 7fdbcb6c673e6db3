"""The chain with its gradient by hand, against torchvision's network and autograd."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from plugin.engine.refusal import Refusal
from plugin.engine.transfer import vgg, winograd
from plugin.engine.transfer.vgg import LAYERS, VGG16

from .samples import PHOTO, pixels

ASKED = ("relu1_1", "relu2_2", "relu3_1", "relu4_2", "relu5_1")
CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24)


def by_autograd(image: Tensor, border: str, pooling: str, asked: Iterable[str] = ASKED) -> dict[str, Tensor]:
    """The same feature maps in plain torch, for autograd to differentiate."""
    weights = vgg.load_weights()
    names = iter(LAYERS)
    x = image - torch.tensor(vgg.MEAN).view(1, 3, 1, 1)
    features = {}
    block = 1
    for index in CONVOLUTIONS:
        name = next(names)
        if int(name[4]) > block:
            block = int(name[4])
            x = F.max_pool2d(x, 2) if pooling == "max" else F.avg_pool2d(x, 2) * vgg.AVERAGE_POOL_SCALE
        mode = (
            "circular" if border == "circular" else "replicate" if border == "replicate" and index == 0 else "constant"
        )
        kernel, bias = (weights[f"features.{index}.{part}"].to(x.dtype) for part in ("weight", "bias"))
        x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode), kernel, bias))
        features[name] = x
    return {name: features[name] for name in asked}


@pytest.mark.parametrize("border", ["zero", "replicate", "circular"])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("size", [48, 37])
def test_features_and_gradient_are_those_of_autograd(border: vgg.Border, pooling: vgg.Pooling, size: int) -> None:
    image = pixels(PHOTO, size, torch.float64).requires_grad_()
    expected = by_autograd(image, border, pooling)
    generator = torch.Generator().manual_seed(0)
    slopes = {name: torch.randn(x.shape, generator=generator, dtype=x.dtype) for name, x in expected.items()}
    torch.autograd.backward(list(expected.values()), list(slopes.values()))

    network = VGG16(ASKED, dtype=torch.float64, border=border, pooling=pooling)
    trace = network.forward(image.detach())
    for name, x in expected.items():
        torch.testing.assert_close(trace.features[name], x)
    assert image.grad is not None
    close(network.backward(trace, slopes), image.grad, 1e-6)


@pytest.mark.parametrize("border", ["zero", "replicate", "circular"])
def test_float32_is_as_exact_as_it_can_be(border: vgg.Border) -> None:
    image = pixels(PHOTO, 48, torch.float64)
    exact, network = VGG16(ASKED, dtype=torch.float64, border=border), VGG16(ASKED, border=border)
    trace = exact.forward(image)
    features = network.features(image.float())
    for name, x in trace.features.items():
        close(features[name], x, 1e-5)
    generator = torch.Generator().manual_seed(0)
    slopes = {
        name: torch.randn(x.shape, generator=generator, dtype=x.dtype).contiguous(memory_format=torch.channels_last)
        for name, x in trace.features.items()
    }
    # The same ReLUs let through: one that is next to zero would be another function.
    kept = [tuple(x.float() if x.is_floating_point() else x for x in each) for each in trace.kept]
    gradient = network.backward(vgg.Trace({}, kept), {name: slope.float() for name, slope in slopes.items()})
    close(gradient, exact.backward(trace, slopes), 1e-5)


def close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Each number to that part of itself or of the largest of them."""
    largest = float(expected.abs().max())
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance * largest)


def test_networks_have_their_kernels_in_common_and_take_them_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vgg, "_kernels", weakref.WeakValueDictionary())  # other tests' networks may be there yet
    one, other = VGG16(["relu1_2"], dtype=torch.float64), VGG16(["relu2_1"], dtype=torch.float64, pooling="average")
    first, second = (network._chain[1] for network in (one, other))
    assert isinstance(first, vgg._Convolution)
    assert isinstance(second, vgg._Convolution)
    assert first.kernel is second.kernel
    kernel = weakref.ref(first.kernel)
    del one, other, first, second
    assert kernel() is None


def test_where_it_pays_convolutions_take_fewer_multiplications() -> None:
    chain = [module for module in VGG16(["relu4_2"])._chain if isinstance(module, vgg._Convolution)]
    ways = {module.name: module.kernel.convolve.__module__ for module in chain}
    assert [name for name, way in ways.items() if way == winograd.__name__] == list(LAYERS[2:9])


def test_features_are_those_of_torchvisions_vgg16() -> None:
    from torchvision.models import vgg16

    reference = vgg16(weights=None).features.eval()
    reference.load_state_dict({name.removeprefix("features."): w.float() for name, w in vgg.load_weights().items()})
    image = pixels(PHOTO, 64)
    expected = reference[:26](image - torch.tensor(vgg.MEAN).view(1, 3, 1, 1))
    torch.testing.assert_close(VGG16(["relu5_1"]).features(image)["relu5_1"], expected, rtol=1e-4, atol=1e-2)


def test_only_the_layers_that_are_needed_are_built() -> None:
    assert len(VGG16(["relu2_1"])._chain) < len(VGG16(["relu5_1"])._chain)


def test_average_pooling_keeps_activations_their_size() -> None:
    image = pixels(PHOTO, 256)
    most = VGG16(["relu5_1"]).features(image)["relu5_1"].square().mean().sqrt()
    mean = VGG16(["relu5_1"], pooling="average").features(image)["relu5_1"].square().mean().sqrt()
    assert 0.7 < float(mean / most) < 1.4


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "vgg16_features.pt"
    damaged.write_bytes(vgg.WEIGHTS.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(vgg, "WEIGHTS", damaged)
    with pytest.raises(Refusal, match="are damaged"):
        VGG16(["relu1_1"])
