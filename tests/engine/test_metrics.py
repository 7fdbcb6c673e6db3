"""The figures that say how like a picture is to its content and its style."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from skimage.metrics import structural_similarity as scikit_images
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.transfer.metrics import LAYERS, LONG_SIDE, Likeness, mahalanobis, structural_similarity
from plugin.engine.transfer.vgg import VGG16

from .samples import OTHER_STYLE, PHOTO, STYLE, pixels

SIZE = 128
Figures = dict[str, dict[str, float]]


def luma(picture: Tensor) -> Tensor:
    return pictures.luma(picture[0])[None]


def noisy(picture: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    return (picture + deviation * noise).clamp(0, 255)


@cache
def network() -> VGG16:
    return VGG16(LAYERS)


@cache
def likeness() -> Likeness:
    return Likeness(pixels(PHOTO, SIZE), [pixels(STYLE, SIZE)], network())


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Structural similarity.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_picture_is_wholly_similar_to_itself(dtype: torch.dtype) -> None:
    photo = luma(pixels(PHOTO, SIZE, dtype)).to(dtype)
    same = structural_similarity(photo, photo)
    assert same.dtype == dtype
    assert float(same) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("deviation", [2, 10, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_similarity_is_scikit_images(deviation: float, dtype: torch.dtype) -> None:
    photo = luma(pixels(PHOTO, SIZE)).to(dtype)
    other = luma(noisy(pixels(PHOTO, SIZE), deviation)).to(dtype)
    expected = scikit_images(
        photo[0, 0].double().numpy(),
        other[0, 0].double().numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert 0.1 < expected < 0.999
    assert float(structural_similarity(photo, other)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("weighted", [False, True], ids=["whole", "masked"])
def test_the_gradient_of_similarity_is_that_of_finite_differences(weighted: bool) -> None:
    one, other = (luma(pixels(path, 18, torch.float64)).double() for path in (PHOTO, STYLE))
    height, width = other.shape[-2:]
    one = one[..., :height, :width].clone().requires_grad_()
    other = other[..., : one.shape[-2], :].clone().requires_grad_()
    weights = torch.linspace(0, 1, one.numel(), dtype=torch.float64).reshape(one.shape[-2:]) if weighted else None
    assert torch.autograd.gradcheck(lambda a, b: structural_similarity(a, b, weights), (one, other))


def test_what_a_mask_hides_does_not_count_for_similarity() -> None:
    photo, other = luma(pixels(PHOTO, SIZE)), luma(noisy(pixels(PHOTO, SIZE), 10))
    visible = torch.ones(photo.shape[-2:])
    visible[:, 70:] = 0
    changed = other.clone()
    changed[..., 70:] = 0
    masked = float(structural_similarity(photo, other, visible))
    assert float(structural_similarity(photo, changed, visible)) == pytest.approx(masked, abs=1e-6)
    assert float(structural_similarity(photo, changed)) < masked - 0.1
    assert masked == pytest.approx(float(structural_similarity(photo[..., :70], other[..., :70])), abs=0.02)


def test_a_mask_of_ones_changes_nothing() -> None:
    photo, other = luma(pixels(PHOTO, SIZE)), luma(noisy(pixels(PHOTO, SIZE), 10))
    plain = float(structural_similarity(photo, other))
    assert float(structural_similarity(photo, other, torch.ones(photo.shape[-2:]))) == pytest.approx(plain, abs=1e-5)


def test_a_picture_smaller_than_the_window_has_a_similarity_too() -> None:
    photo, other = luma(pixels(PHOTO, SIZE))[..., 40:47, 40:60], luma(noisy(pixels(PHOTO, SIZE), 20))[..., 40:47, 40:60]
    assert float(structural_similarity(photo, photo)) == pytest.approx(1, abs=1e-6)
    assert 0 < float(structural_similarity(photo, other)) < 0.99


# Mahalanobis.


def test_in_a_round_distribution_it_is_the_length_in_standard_deviations_with_a_tenth_more_variance() -> None:
    differences = random(40, 6)
    expected = float(differences.square().mean()) ** 0.5 / (9 * 1.1) ** 0.5
    assert mahalanobis(differences, 9 * torch.eye(6, dtype=torch.float64)) == pytest.approx(expected)


def test_it_is_unchanged_when_both_are_turned_and_scaled() -> None:
    differences, mixed = random(40, 6), random(6, 6, seed=1)
    turn = 7 * torch.linalg.qr(random(6, 6, seed=2))[0]
    covariance = mixed @ mixed.T
    there = mahalanobis(differences @ turn, turn.T @ covariance @ turn)
    assert there == pytest.approx(mahalanobis(differences, covariance))


def test_a_difference_counts_more_where_the_distribution_is_narrow() -> None:
    covariance = torch.diag(torch.tensor([100.0, 1.0]))
    along, across = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert mahalanobis(across, covariance) > 4 * mahalanobis(along, covariance)


def test_without_any_spread_it_is_still_a_number() -> None:
    assert mahalanobis(torch.zeros(5, 3), torch.zeros(3, 3)) == 0
    assert math.isfinite(mahalanobis(torch.ones(5, 3), torch.zeros(3, 3)))


# Likeness.


def all_of(figures: Figures) -> list[tuple[str, str, float]]:
    return [(part, name, value) for part, named in figures.items() for name, value in named.items()]


def test_every_figure_is_there_and_a_number() -> None:
    figures = all_of(likeness()(pixels(PHOTO, SIZE)))
    names = ("euclidean", "mahalanobis", "ssim")
    assert [figure[:2] for figure in figures] == [(part, name) for part in ("content", "style") for name in names]
    assert all(isinstance(value, float) and math.isfinite(value) for _, _, value in figures)


def test_a_picture_is_at_no_distance_from_itself() -> None:
    photo = pixels(PHOTO, SIZE)
    for part, name, value in all_of(Likeness(photo, [photo], network())(photo)):
        assert value == pytest.approx(1 if name == "ssim" else 0, abs=1e-6), (part, name)


def test_noise_takes_a_picture_away_from_itself() -> None:
    photo = pixels(PHOTO, SIZE)
    near, far, farther = (Likeness(photo, [photo], network())(noisy(photo, deviation)) for deviation in (5, 20, 60))
    for part in near:
        for name in ("euclidean", "mahalanobis"):
            assert 0 < near[part][name] < far[part][name] < farther[part][name], (part, name)
        assert 1 > near[part]["ssim"] > far[part]["ssim"] > farther[part]["ssim"]


def test_the_content_is_nearer_to_the_content_and_the_style_to_the_style() -> None:
    photo, style = pixels(PHOTO, SIZE), pixels(STYLE, SIZE)
    height, width = photo.shape[-2:]
    judge = Likeness(photo, [style], network())
    painting = pictures.resize(style[0], width, height)[None]
    of_photo, of_painting = judge(photo), judge(painting)
    for name in ("euclidean", "mahalanobis"):
        assert of_photo["content"][name] < of_painting["content"][name]
        assert of_painting["style"][name] < of_photo["style"][name]
    assert of_photo["content"]["ssim"] > of_painting["content"]["ssim"]


def test_several_styles_are_averaged_by_their_weights() -> None:
    photo, one, other = pixels(PHOTO, SIZE), pixels(STYLE, SIZE), pixels(OTHER_STYLE, SIZE)
    of_one, of_other = (Likeness(photo, [style], network())(photo)["style"] for style in (one, other))
    mixed = Likeness(photo, [one, other], network(), style_weights=[3, 1])(photo)
    for name, value in mixed["style"].items():
        assert value == pytest.approx((3 * of_one[name] + of_other[name]) / 4)


def test_large_pictures_are_compared_small() -> None:
    large = pictures.resize(pixels(PHOTO, SIZE)[0], 1100, 734)[None]
    judge = Likeness(large, [large], network())
    small = pictures.resize(large[0], *pictures.fit(1100, 734, LONG_SIDE))[None].clamp(0, 255)
    figures = judge(small)
    for part in figures:
        assert figures[part]["euclidean"] == pytest.approx(0, abs=1e-6)
        assert figures[part]["mahalanobis"] == pytest.approx(0, abs=1e-6)
        assert figures[part]["ssim"] > 0.99


@pytest.mark.parametrize("size", [16, 40])
def test_a_plain_picture_and_a_tiny_one_have_figures_too(size: int) -> None:
    plain, tiny = torch.full((1, 3, size, size), 128.0), pixels(PHOTO, 20)
    judges = [Likeness(content, [plain, tiny], network()) for content in (plain, tiny)]
    for judge in judges:
        for picture in (plain, tiny, pixels(PHOTO, SIZE)):
            assert all(math.isfinite(value) for _, _, value in all_of(judge(picture)))
