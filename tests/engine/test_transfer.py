"""What a painting keeps and what it changes, on small pictures."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from plugin.engine import devices, pictures
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.settings import Settings

from .samples import OTHER_STYLE, PHOTO, STYLE, rgba

DRAFT = Settings(quality="draft", size=64, device="cpu")


@pytest.fixture(scope="module")
def transfer() -> StyleTransfer:
    return StyleTransfer(devices.choose("cpu"))


def task(**changes: object) -> Task:
    settings = dataclasses.replace(DRAFT, **changes)  # type: ignore[arg-type]
    return Task(rgba(PHOTO, 96), rgba(STYLE, 96), "style", settings)


def apart(one: Tensor, other: Tensor) -> float:
    """Root mean square difference of the colors."""
    return float((one[:3] - other[:3]).square().mean().sqrt())


@pytest.mark.parametrize("quality", ["draft", "gatys"])
def test_the_losses_fall_at_every_scale(transfer: StyleTransfer, quality: str) -> None:
    steps: list[tuple[int, float]] = []
    transfer.paint(task(quality=quality, size=200), lambda step: steps.append((step.scale, step.losses()["total"])))
    assert {scale for scale, _ in steps} == {1, 2}
    for scale in (1, 2):
        losses = [loss for number, loss in steps if number == scale]
        assert losses[-1] < 0.8 * losses[0]


def test_the_same_task_gives_the_same_bits_and_another_seed_does_not(transfer: StyleTransfer) -> None:
    one = transfer.paint(task(seed=5))
    assert torch.equal(one, StyleTransfer(devices.choose("cpu")).paint(task(seed=5)))
    assert not torch.equal(one, transfer.paint(task(seed=6)))


def test_strength_leads_from_the_photo_to_the_style(transfer: StyleTransfer) -> None:
    photo = rgba(PHOTO, 96)
    distances = [apart(transfer.paint(task(strength=strength, size=96)), photo) for strength in (0, 50, 100)]
    assert distances[0] < 0.05
    assert distances[0] < distances[1] < distances[2]


def test_another_style_or_stroke_size_paints_another_picture(transfer: StyleTransfer) -> None:
    usual = transfer.paint(task())
    other = dataclasses.replace(task(), style=rgba(OTHER_STYLE, 96), style_key="other")
    assert apart(transfer.paint(other), usual) > 0.02
    assert apart(transfer.paint(task(style_scale=50)), usual) > 0.01


def test_grey_is_matched_in_grey(transfer: StyleTransfer) -> None:
    painted = transfer.paint(dataclasses.replace(task(), grey=True))
    assert torch.equal(painted[0], painted[1])
    assert torch.equal(painted[0], painted[2])
    assert apart(painted, rgba(PHOTO, 96)) > 0.02


def test_luminance_keeps_the_pictures_own_colors(transfer: StyleTransfer) -> None:
    photo = rgba(PHOTO, 96)
    painted = transfer.paint(task(preserve_colors="luminance", size=96))
    inside = ((painted[:3] > 0.01) & (painted[:3] < 0.99)).all(0)
    chroma = (painted[:3] - pictures.luma(painted[:3])) - (photo[:3] - pictures.luma(photo[:3]))
    assert float(chroma[:, inside].abs().max()) < 1e-3
    assert apart(painted, photo) > 0.02


def test_alpha_is_kept_and_what_it_hides_has_no_influence(transfer: StyleTransfer) -> None:
    one, other = (dataclasses.replace(task(), content=rgba(PHOTO, 96).clone()) for _ in range(2))
    for picture in (one.content, other.content):
        picture[3] = torch.linspace(-0.5, 1.5, picture.shape[2]).clamp(0, 1)
    hidden = other.content[3] == 0
    other.content[:3, hidden] = torch.tensor([1.0, 0.0, 1.0])[:, None]
    painted = transfer.paint(one)
    assert torch.equal(painted[3], one.content[3])
    assert torch.equal(transfer.paint(other), painted)


def test_hidden_parts_of_the_style_have_no_influence(transfer: StyleTransfer) -> None:
    one, other = (dataclasses.replace(task(), style=rgba(STYLE, 96).clone(), style_key=key) for key in "ab")
    for picture in (one.style, other.style):
        picture[3, :, :40] = 0
    other.style[:3, :, :40] = torch.rand(3, other.style.shape[1], 40)
    assert torch.equal(transfer.paint(one), transfer.paint(other))


def test_a_transparent_layer_is_refused(transfer: StyleTransfer) -> None:
    empty = rgba(PHOTO, 96).clone()
    empty[3] = 0
    with pytest.raises(Refusal, match="transparent everywhere"):
        transfer.paint(dataclasses.replace(task(), content=empty))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 301), (301, 33)])
def test_odd_and_narrow_pictures_keep_their_size(transfer: StyleTransfer, height: int, width: int) -> None:
    content = pictures.resize(rgba(PHOTO, 301), width, height).clamp(0, 1)
    painted = transfer.paint(dataclasses.replace(task(size=0), content=content))
    assert painted.shape == content.shape
    assert bool(painted.isfinite().all())


def test_a_step_tells_how_far_it_is_and_what_it_looks_like(transfer: StyleTransfer) -> None:
    steps: list[Step] = []
    shapes = []

    def follow(step: Step) -> None:
        steps.append(step)
        shapes.append(step.preview(32).shape)

    transfer.paint(task(), follow)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert all(max(shape[-2:]) == 32 for shape in shapes)


def test_an_exception_from_the_follower_ends_the_work_at_once(transfer: StyleTransfer) -> None:
    steps: list[Step] = []

    def follow(step: Step) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        transfer.paint(task(), follow)
    assert len(steps) == 3


def test_bringing_up_keeps_the_painting_and_sharpens_its_edges() -> None:
    photo = rgba(PHOTO, 256)[:3]
    guide = pictures.luma(photo)
    small = pictures.resize(photo, 64, 64 * photo.shape[1] // photo.shape[2])
    height, width = small.shape[-2:]
    plain = pictures.resize(small, photo.shape[2], photo.shape[1])
    brought_up = pictures.bring_up(small, pictures.resize(guide, width, height), guide)
    assert apart(brought_up, photo) < 0.7 * apart(plain, photo)
    back = pictures.resize(brought_up, width, height)
    assert apart(back, small) < 0.02
