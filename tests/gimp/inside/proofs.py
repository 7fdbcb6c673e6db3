"""Proofs: small pictures from which one can tell what OK will paint."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from gi.repository import Gegl, Gimp, Gio

from plugin.gimp import procedure
from plugin.gimp.image import layers
from plugin.gimp.image.layers import Box, View
from plugin.gimp.jobs import preview_job, request
from plugin.gimp.jobs.preview_job import Proof
from plugin.gimp.jobs.request import Order
from plugin.shared import engine_client
from plugin.shared.protocol import Picture, Progress, Result
from plugin.shared.settings import Settings
from tests.gimp.inside.stage import PHOTOGRAPH, REPOSITORY, new_image, new_layer, torn

_STYLES = REPOSITORY / "plugin" / "data" / "styles"
_WAVE, _POPPIES = _STYLES / "hokusai_great_wave.jpg", _STYLES / "hokusai_poppies.jpg"


def _photograph() -> tuple[Gimp.Image, Gimp.Layer]:
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(PHOTOGRAPH)))
    return image, image.get_layers()[0]


def _order(
    image: Gimp.Image, settings: Settings, regions: Sequence[str] = (), styles: Sequence[Path] = (_WAVE,)
) -> Order:
    return request.of(image, [Gio.File.new_for_path(str(style)) for style in styles], regions, settings)


def _painted(engine: engine_client.Engine, wanted: Proof) -> Picture:
    *steps, last = engine.run(wanted.job)
    assert isinstance(last, Result)
    assert any(isinstance(step, Progress) and step.preview for step in steps)
    return last.picture


def _change(painted: array[float], before: array[float]) -> array[float]:
    """What painting did to the colors, without what it did to all of them alike."""
    change = array("f", (after - old for place, (after, old) in enumerate(zip(painted, before)) if place % 4 < 3))
    mean = sum(change) / len(change)
    return array("f", (value - mean for value in change))


def _alike(one: array[float], other: array[float]) -> float:
    """The correlation of two changes."""
    product, first, second = (
        sum(a * b for a, b in zip(x, y, strict=True)) for x, y in ((one, other), (one, one), (other, other))
    )
    return product / (first * second) ** 0.5


def _floats(picture: Picture) -> array[float]:
    return array("f", bytes(picture.pixels))


def test_proof_and_detail_look_like_the_final_layer() -> None:
    image, layer = _photograph()
    settings = Settings(iterations=10, size=128, device="cpu")
    wanted = _order(image, settings)
    with mock.patch.dict(preview_job._WORKING_SIZES, {"cpu": 80}):
        look = wanted.look(layer)
        whole = preview_job.of_whole(wanted, look, "cpu")
        assert whole.job.settings.size == 80
        shown = Box(200, 60, 150, 150)
        detail = preview_job.of_detail(wanted, look, "cpu", shown)
        assert detail is not None
        with engine_client.Engine() as engine:
            proofs = [_painted(engine, each) for each in (whole, detail)]
    finals = [procedure.stylize([layer], each)[0] for each in (wanted, _order(image, settings, styles=[_POPPIES]))]
    for each, picture in zip((whole, detail), proofs, strict=True):
        # As small as the strokes are not: where exactly one of them runs is chance.
        view, scale = each.view, 24 / max(each.view.box.width, each.view.box.height)
        small = View(view.box, scale)
        before = array("f", small.get(look.pixels, "R'G'B'A float"))
        changes = [_change(array("f", small.get(final.get_buffer(), "R'G'B'A float")), before) for final in finals]
        change = _change(_shrunk(picture, small), before)
        same, other = (_alike(change, final) for final in changes)
        print(f"alike: {same:.2f}, another painting: {other:.2f}")
        assert same > 0.7
        assert same > other + 0.2


def _shrunk(picture: Picture, to: View) -> array[float]:
    buffer = Gegl.Buffer.new("R'G'B'A float", 0, 0, picture.width, picture.height)
    buffer.set(buffer.get_extent(), "R'G'B'A float", bytes(picture.pixels))
    rectangle = Gegl.Rectangle.new(0, 0, to.width, to.height)
    return array("f", buffer.get(rectangle, to.width / picture.width, "R'G'B'A float", Gegl.AbyssPolicy.CLAMP))


def test_what_is_in_view_is_the_layers_content_selection_and_regions_at_its_scale() -> None:
    image = new_image(1100, 900)
    layer = new_layer(image, "layer", x=20, y=10, width=1024, height=768, paint=torn)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 110, 800, 400)
    region = Gimp.Channel.new(image, "left", 1100, 900, 50, Gegl.Color.new("red"))
    image.insert_channel(region, None, 0)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 320, 900)
    Gimp.Selection.save(image).set_name("part")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 110, 800, 400)

    wanted = _order(image, Settings(), ["", "part"], [_WAVE, _POPPIES])
    look = wanted.look(layer)
    seen = preview_job.of_whole(wanted, look, "cpu")
    assert look.box == Box(100, 100, 800, 400)
    assert (seen.job.content.width, seen.job.content.height) == (512, 256)
    assert seen.job.settings.size == 256
    everywhere, part = (style.region for style in seen.job.styles)
    assert everywhere is None
    assert part is not None and (part.width, part.height) == (512, 256)
    assert abs(sum(memoryview(part.samples).cast("f")) / (512 * 256) - 0.25) < 0.01
    mask = layers.selected(look, seen.view)
    assert mask is not None and len(mask) == 512 * 256
    assert mask.count(255) > 0.99 * len(mask), "all but the edges, which may lie between two pixels"

    right = preview_job.of_detail(wanted, look, "cpu", Box(600, 200, 100, 100))
    assert right is not None
    assert len(right.job.styles) == 1, "the region is beside it, and an empty one would be refused"
    assert right.job.whole is not None and right.job.whole.long_side == 800
    assert right.view.box.width > 100
    only = _order(image, Settings(), ["part"])
    assert preview_job.of_detail(only, look, "cpu", Box(600, 200, 100, 100)) is None, "nothing is wanted there"


def test_a_small_layer_and_a_narrow_one_are_not_made_too_small() -> None:
    image = new_image()
    small = new_layer(image, "small")
    wanted = _order(image, Settings())
    assert preview_job.of_whole(wanted, wanted.look(small), "cpu").job.settings.size == 64
    narrow = new_layer(image, "narrow", width=2048, height=40)
    content = preview_job.of_whole(wanted, wanted.look(narrow), "cpu").job.content
    assert (content.width, content.height) == (1638, 32)
