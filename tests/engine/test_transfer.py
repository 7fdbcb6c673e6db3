"""What a painting keeps and what it changes, on small pictures."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plugin.engine import pictures
from plugin.engine.machine import devices, memory
from plugin.engine.machine.devices import Device
from plugin.engine.refusal import Refusal
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task, Transfers, Whole
from plugin.engine.transfer.vgg import VGG16, Trace
from plugin.shared.settings import TABLE, Settings

from .samples import OTHER_STYLE, PHOTO, STYLE, rgba

DRAFT = Settings(quality="draft", size=64, iterations=20, device="cpu")

Painted = tuple[Tensor, list[float]]
"""A painting and its total loss in every iteration."""


@pytest.fixture(scope="module")
def transfer() -> StyleTransfer:
    return StyleTransfer(devices.choose("cpu"))


def task(**changes: object) -> Task:
    settings = dataclasses.replace(DRAFT, **changes)  # type: ignore[arg-type]
    return Task(rgba(PHOTO, 96), [Style(rgba(STYLE, 96), "style")], settings)


@pytest.fixture(scope="module")
def paint(transfer: StyleTransfer) -> Callable[..., Painted]:
    """Paints a task with some changes of its settings, each only once: the same task gives the same bits."""

    @functools.cache
    def painted(settings: Settings) -> Painted:
        losses: list[float] = []
        wanted = dataclasses.replace(task(), settings=settings)
        return transfer.paint(wanted, lambda step: losses.append(step.losses()["total"])), losses

    return lambda **changes: painted(task(**changes).settings)


def other_style() -> Style:
    return Style(rgba(OTHER_STYLE, 96), "other")


def apart(one: Tensor, other: Tensor) -> float:
    """Root mean square difference of the colors."""
    return float((one[:3] - other[:3]).square().mean().sqrt())


@pytest.mark.parametrize(("quality", "size"), [("draft", 160), ("gatys", 184)])
def test_the_losses_fall_at_every_scale(transfer: StyleTransfer, quality: str, size: int) -> None:
    steps: list[tuple[int, float]] = []
    transfer.paint(
        task(quality=quality, size=size, iterations=10), lambda step: steps.append((step.scale, step.losses()["total"]))
    )
    assert {scale for scale, _ in steps} == {1, 2}
    for scale in (1, 2):
        losses = [loss for number, loss in steps if number == scale]
        assert losses[-1] < 0.8 * losses[0]


def test_the_same_task_gives_the_same_bits_and_another_seed_does_not(transfer: StyleTransfer) -> None:
    one = transfer.paint(task(seed=5))
    assert torch.equal(one, StyleTransfer(devices.choose("cpu")).paint(task(seed=5)))
    assert not torch.equal(one, transfer.paint(task(seed=6)))


def test_strength_leads_from_the_photo_to_the_style(paint: Callable[..., Painted]) -> None:
    photo = rgba(PHOTO, 96)
    distances = [apart(paint(strength=strength, size=96)[0], photo) for strength in (0.0, 50.0, 100.0)]
    assert distances[0] < 0.015
    assert distances[0] < distances[1] < distances[2]


def test_another_style_or_stroke_size_paints_another_picture(
    transfer: StyleTransfer, paint: Callable[..., Painted]
) -> None:
    usual, _ = paint()
    other = dataclasses.replace(task(), styles=[other_style()])
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
    one, other = rgba(STYLE, 96).clone(), rgba(STYLE, 96).clone()
    for picture in (one, other):
        picture[3, :, :40] = 0
    other[:3, :, :40] = torch.rand(3, other.shape[1], 40)
    painted = [
        transfer.paint(dataclasses.replace(task(), styles=[Style(picture, key)]))
        for picture, key in ((one, "a"), (other, "b"))
    ]
    assert torch.equal(*painted)


def test_a_transparent_layer_is_refused(transfer: StyleTransfer) -> None:
    empty = rgba(PHOTO, 96).clone()
    empty[3] = 0
    with pytest.raises(Refusal, match="transparent everywhere"):
        transfer.paint(dataclasses.replace(task(), content=empty))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 301), (301, 33)])
def test_odd_and_narrow_pictures_keep_their_size(transfer: StyleTransfer, height: int, width: int) -> None:
    content = pictures.resize(rgba(PHOTO, 301), width, height).clamp(0, 1)
    painted = transfer.paint(dataclasses.replace(task(size=0, iterations=5), content=content))
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


CONTROLS: list[dict[str, object]] = [
    {"style_measure": "euclidean"},
    {"style_measure": "mahalanobis"},
    {"content_measure": "ssim"},
    {"content_weight": 20.0},
    {"style_weight": 20.0},
    {"tv_weight": 100.0},
    {"content_layers": "relu2_2,relu4_2:2"},
    {"style_layers": "relu1_1:0.2,relu3_1"},
    {"pooling": "average"},
    {"start": "noise"},
    {"start": "recolored"},
    {"optimizer": "lbfgs"},
    {"optimizer": "adam", "beta1": 0.5},
    {"optimizer": "adam", "beta2": 0.99},
    {"optimizer": "adam", "learning_rate": 9.0},
    {"optimizer": "gradient-descent"},
    {"optimizer": "gradient-descent", "gradient_clipping": 0.3},
    {"iterations": 8},
    {"iterations": 40, "stop_below": 10.0},
    {"normalize_gradients": True},
    {"tileable": True},
    {"preserve_colors": "histogram"},
]


@pytest.mark.parametrize("changes", CONTROLS, ids=lambda changes: ",".join(f"{k}={v}" for k, v in changes.items()))
def test_every_control_changes_the_picture_and_the_loss_still_falls(
    paint: Callable[..., Painted], changes: dict[str, object]
) -> None:
    painted, losses = paint(**changes)
    assert bool(painted.isfinite().all())
    assert losses[-1] < losses[0]
    without_last = dict(list(changes.items())[:-1])
    assert apart(painted, paint(**without_last)[0]) > 0.001


def test_the_controls_here_are_all_there_are() -> None:
    elsewhere = {"quality", "strength", "style_scale", "blend", "size", "seed", "device", "precision", "memory"}
    assert {name for changes in CONTROLS for name in changes} | elsewhere | {"preserve_colors"} == {
        setting.name for setting in TABLE
    }


def test_a_scale_ends_early_when_its_loss_is_flat(transfer: StyleTransfer) -> None:
    def iterations(**changes: object) -> int:
        steps: list[Step] = []
        transfer.paint(task(size=48, iterations=80, **changes), steps.append)
        assert steps[-1].fraction == 1
        return len(steps)

    assert iterations(stop_below=10.0) < iterations(stop_below=4.0) < iterations() == 80


def test_content_and_style_weight_pull_against_each_other(paint: Callable[..., Painted]) -> None:
    photo = rgba(PHOTO, 96)
    content, usual, style = (
        apart(paint(size=96, **changes)[0], photo) for changes in ({"content_weight": 30.0}, {}, {"style_weight": 30.0})
    )
    assert content < usual < style


def test_a_blend_lies_between_its_styles(transfer: StyleTransfer) -> None:
    def painted(*weights: float) -> Tensor:
        styles = [
            dataclasses.replace(style, weight=weight)
            for style, weight in zip((task().styles[0], other_style()), weights)
        ]
        return transfer.paint(dataclasses.replace(task(), styles=[style for style in styles if style.weight]))

    one, mixed, other = painted(1, 0), painted(1, 1), painted(0, 1)
    assert apart(mixed, one) < apart(other, one)
    assert apart(mixed, other) < apart(other, one)
    assert apart(painted(9, 1), one) < apart(mixed, one)


def test_each_region_gets_its_own_style_and_the_rest_stays(
    transfer: StyleTransfer, paint: Callable[..., Painted]
) -> None:
    height, width = rgba(PHOTO, 96).shape[-2:]
    left, right = torch.zeros(height, width), torch.zeros(height, width)
    left[:, :32], right[:, 64:] = 1, 1
    wide = task(size=96)
    styles = [dataclasses.replace(wide.styles[0], region=left), dataclasses.replace(other_style(), region=right)]
    painted = transfer.paint(dataclasses.replace(wide, styles=styles))
    (one, _), other = paint(size=96), transfer.paint(dataclasses.replace(wide, styles=[other_style()]))
    for columns, own, foreign in ((slice(0, 28), one, other), (slice(68, 96), other, one)):
        assert apart(painted[..., columns], own[..., columns]) < apart(painted[..., columns], foreign[..., columns])
    between = slice(33, 63)
    assert apart(painted[..., between], rgba(PHOTO, 96)[..., between]) < 1e-3


def test_an_empty_region_is_refused(transfer: StyleTransfer) -> None:
    style = dataclasses.replace(other_style(), region=torch.zeros(rgba(PHOTO, 96).shape[-2:]))
    with pytest.raises(Refusal, match="The region of style 2 is empty"):
        transfer.paint(dataclasses.replace(task(), styles=[task().styles[0], style]))


def test_a_detail_looks_as_it_does_in_the_whole(transfer: StyleTransfer) -> None:
    """Not as a picture of its own would, with strokes of its own size."""
    settings = Settings(quality="draft", iterations=12, size=192, device="cpu")
    photo, styles = rgba(PHOTO, 192), [Style(rgba(STYLE, 192), "style")]
    corner = (slice(None), slice(0, 80), slice(96, 192))
    painted = transfer.paint(Task(photo, styles, settings))[corner]
    detail = transfer.paint(Task(photo[corner], styles, settings, whole=Whole(192, rgba(PHOTO, 64))))
    alone = transfer.paint(Task(photo[corner], styles, dataclasses.replace(settings, size=0)))
    # Where exactly a stroke runs is chance; what colors are where is not.
    seen = [pictures.resize(picture, 12, 10) for picture in (painted, detail, alone)]
    assert detail.shape == painted.shape
    assert apart(seen[1], seen[0]) < 0.75 * apart(seen[2], seen[0])


def test_a_details_style_gets_the_palette_of_the_whole(transfer: StyleTransfer) -> None:
    """A red corner of a picture that is blue beside."""
    photo = rgba(PHOTO, 96).clone()
    photo[:3] = torch.tensor([0.1, 0.2, 0.9])[:, None, None] * (0.5 + 0.5 * photo[:3])
    photo[:3, :, :48] = photo[:3, :, :48].flip(0)
    settings = dataclasses.replace(DRAFT, preserve_colors="histogram", strength=100)
    styles = [Style(rgba(STYLE, 96), "style")]
    alone = transfer.paint(Task(photo[:, :, :48], styles, settings))
    detail = transfer.paint(Task(photo[:, :, :48], styles, settings, whole=Whole(96, photo)))
    assert float(alone[2].mean()) < float(detail[2].mean()) - 0.1


def test_a_tileable_picture_meets_itself(paint: Callable[..., Painted]) -> None:
    def seam(image: Tensor) -> float:
        across = (image[..., 0] - image[..., -1]).abs().mean() + (image[..., 0, :] - image[..., -1, :]).abs().mean()
        inside = image[:3].diff(dim=1).abs().mean() + image[:3].diff(dim=2).abs().mean()
        return float(across / inside)

    plain, tileable = (paint(size=96, tileable=value)[0][:3] for value in (False, True))
    assert seam(tileable) < 2.5
    assert seam(tileable) < 0.6 * seam(plain)


def test_histogram_paints_with_the_pictures_own_palette(paint: Callable[..., Painted]) -> None:
    photo = rgba(PHOTO, 96)

    def palette_apart(painted: Tensor) -> float:
        return float((painted[:3].mean((1, 2)) - photo[:3].mean((1, 2))).abs().mean())

    free, kept = (paint(size=96, strength=90.0, preserve_colors=value)[0] for value in ("off", "histogram"))
    assert palette_apart(kept) < 0.03
    assert palette_apart(kept) < 0.5 * palette_apart(free)


def test_bfloat16_ends_where_float32_ends(paint: Callable[..., Painted]) -> None:
    losses: list[float] = []
    coarse = StyleTransfer(devices.choose("cpu", "bfloat16"))
    coarse.paint(task(), lambda step: losses.append(step.losses()["total"]))
    assert losses[-1] == pytest.approx(paint()[1][-1], rel=0.03)


@pytest.fixture(scope="module")
def wide() -> Task:
    """One that is larger than the smallest tiles, along one side."""
    content = pictures.resize(rgba(PHOTO, 301), 640, 96).clamp(0, 1)
    return dataclasses.replace(task(size=640, iterations=2, optimizer="adam"), content=content)


@pytest.fixture(scope="module")
def wide_painting(transfer: StyleTransfer, wide: Task) -> Tensor:
    return transfer.paint(wide)


def test_little_memory_changes_nothing_but_the_time(
    transfer: StyleTransfer, wide: Task, wide_painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tight = dataclasses.replace(wide, settings=dataclasses.replace(wide.settings, memory=0.01))
    monkeypatch.setattr(memory, "_SMALLEST_TILE", 240 * 240)  # not worth the while, but for a test as small as this
    assert memory.plan(640 * 96, 3, transfer.device, 0.01).area < 640 * 96
    assert apart(transfer.paint(tight), wide_painting) < 0.005


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
    ids=["card", "card's library", "processor"],
)
def test_when_memory_runs_out_the_work_goes_on_in_tiles(
    error: RuntimeError, transfer: StyleTransfer, wide: Task, wide_painting: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that has less memory than it says, which only a fault of the test can be here."""
    whole = VGG16.forward

    def forward(network: VGG16, image: Tensor) -> Trace:
        if image.shape[-1] > 512:
            raise error
        return whole(network, image)

    scales: list[bool] = []
    monkeypatch.setattr(VGG16, "forward", forward)
    monkeypatch.setattr(memory, "begin_scale", lambda is_whole: scales.append(is_whole))
    assert apart(transfer.paint(wide), wide_painting) < 0.005
    assert not scales[-1], "what tiles have freed is not kept"


def test_when_no_tile_is_small_enough_it_ends(
    transfer: StyleTransfer, wide: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(network: VGG16, image: Tensor) -> Trace:
        raise MemoryError

    monkeypatch.setattr(VGG16, "forward", forward)
    with pytest.raises(MemoryError):
        transfer.paint(wide)


def test_where_a_card_has_no_room_at_all_the_processor_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card whose memory ends in mid-painting, which only a fault of the test can be here."""
    card, own = Device("cuda", "a small card", torch.float32), StyleTransfer.paint
    wanted = task(iterations=2, precision="float32")

    def paint(transfer: StyleTransfer, task: Task, on_step: Callable[[Step], None]) -> Tensor:
        painted = own(StyleTransfer(devices.choose("cpu", "float32")), task, on_step)
        if transfer.device == card:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return painted

    steps: list[Step] = []
    with monkeypatch.context() as patch:
        patch.setattr(StyleTransfer, "paint", paint)
        painted, device = Transfers().paint(wanted, card, steps.append)
    assert device == devices.choose("cpu", "float32")
    assert sum(step.is_first for step in steps) == 2
    assert torch.equal(painted, StyleTransfer(device).paint(wanted))


def test_a_size_that_does_not_fit_into_memory_is_refused(
    transfer: StyleTransfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 96 * 64 * memory._KEPT_BYTES[transfer.device.dtype.itemsize]
    monkeypatch.setattr(memory, "free", lambda device: needed - 1)
    with pytest.raises(Refusal, match=r"A working size of 96 pixels takes .* choose a size of at most \d\d\.$"):
        transfer.paint(task(size=96, iterations=2))


def test_the_history_does_not_hang_on_a_little_memory_more_or_less(transfer: StyleTransfer) -> None:
    assert len({memory.plan(2048 * 1365, 3, transfer.device, gigabytes) for gigabytes in (2.0, 2.05, 2.1, 2.2)}) == 1


@pytest.mark.parametrize("start", ["recolored", "noise"])
def test_at_strength_0_the_picture_comes_back_from_wherever_it_starts(
    paint: Callable[..., Painted], start: str
) -> None:
    _, losses = paint(start=start, strength=0.0)
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("changes", [{}, {"preserve_colors": "luminance", "start": "noise", "size": 48}])
def test_at_strength_0_the_picture_is_delivered_to_the_last_bit(
    transfer: StyleTransfer, changes: dict[str, object]
) -> None:
    content = rgba(PHOTO, 96).clone()
    content[3, :, :20] = 0  # what cannot be seen has a color, too
    asked = dataclasses.replace(task(strength=0.0, iterations=1, **changes), content=content)
    assert torch.equal(transfer.paint(asked), content)


def test_a_device_that_miscalculates_is_not_believed(transfer: StyleTransfer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VGG16, "backward", lambda network, trace, gradients: torch.full((1, 3, 64, 96), torch.nan))
    with pytest.raises(Refusal, match=r"The arithmetic of .* failed on this picture; choose float32"):
        transfer.paint(task(size=96, iterations=2))
