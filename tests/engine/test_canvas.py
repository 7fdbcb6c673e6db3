"""How a painting goes from one scale to the next."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.transfer.canvas import Canvas, Style

from .samples import PHOTO, STYLE, rgba

CPU = torch.device("cpu")


def canvas(wraps: bool = False) -> Canvas:
    made = Canvas(rgba(PHOTO, 192), [Style(rgba(STYLE, 64), "style")], working_size=192, wraps=wraps)
    made.start(96, CPU, "content", seed=0)
    return made


def detail(image: Tensor) -> float:
    """The mean difference between neighbours."""
    return float(image.diff(dim=-1).abs().mean() + image.diff(dim=-2).abs().mean())


@pytest.mark.parametrize("wraps", [False, True])
def test_enlarging_sharpens(wraps: bool) -> None:
    painting = canvas(wraps)
    assert painting.image is not None
    small = painting.image[0].clamp(0, 255)
    enlarged = painting.enlarge(192, CPU, add_detail=False)[0]
    height, width = enlarged.shape[-2:]
    plain = pictures.resize(small, width, height, wraps)
    assert 1.05 * detail(plain) < detail(enlarged) < 1.5 * detail(plain)
    torch.testing.assert_close(enlarged.mean((1, 2)), plain.mean((1, 2)), rtol=0, atol=0.5)


def test_with_the_contents_own_detail_it_is_the_content_again() -> None:
    enlarged = canvas().enlarge(192, CPU, add_detail=True)
    content, _ = canvas().content_at(192, CPU)
    assert float((enlarged - content).square().mean().sqrt()) < 5  # what the seed and the cut at 0 and 255 have changed


def test_at_its_own_size_a_painting_stays_as_it_is() -> None:
    painting = canvas()
    assert painting.image is not None
    before = painting.image.clamp(0, 255).clone()
    assert torch.equal(painting.enlarge(96, CPU, add_detail=False), before)
