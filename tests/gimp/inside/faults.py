"""What a person can do wrong: one clear sentence, and nothing happened to the image."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp, Gio

from tests.gimp.inside.stage import (
    ERROR,
    FOLDER,
    STYLE,
    engines,
    new_image,
    new_layer,
    stylize,
    unchanged,
)


def refused(
    image: Gimp.Image, drawables: Sequence[Gimp.Drawable], style: Path | None = STYLE, *more: Any, **given: Any
) -> str:
    """The sentence of a run that must fail and leave no trace; the arguments are those of ``stylize``."""
    with unchanged(image):
        outcome = stylize(image, drawables, style, *more, **given)
    assert outcome.status == ERROR, outcome.status
    assert engines() == []
    assert "Traceback" not in outcome.sentence
    assert outcome.sentence.endswith((".", "。")), outcome.sentence
    assert len(outcome.sentence) < 300
    print(f"sentence: {outcome.sentence}")
    return outcome.sentence


def test_no_style() -> None:
    image = new_image()
    assert "No style is chosen" in refused(image, [new_layer(image, "layer")], None)


def test_a_style_that_is_not_there() -> None:
    image = new_image()
    sentence = refused(image, [new_layer(image, "layer")], FOLDER / "nowhere.jpg")
    assert "“nowhere.jpg” cannot be read" in sentence
    assert "No such file" in sentence


def test_a_style_that_is_no_file() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    assert "is not a file but a folder or a device" in refused(image, [layer], STYLE.parent)
    assert "is not a file but a folder or a device" in refused(image, [layer], Path("/dev/zero"))


def test_a_style_that_is_not_a_picture() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    (FOLDER / "letter.jpg").write_text("Dear Sir or Madam", encoding="utf-8")
    assert "“letter.jpg” cannot be opened by GIMP" in refused(image, [layer], FOLDER / "letter.jpg")
    (FOLDER / "letter.xcf").write_text("Dear Sir or Madam", encoding="utf-8")
    assert "“letter.xcf” cannot be opened by GIMP" in refused(image, [layer], FOLDER / "letter.xcf")


def test_a_style_that_is_too_small() -> None:
    image = new_image()
    small = FOLDER / "small.png"
    _write_png(small, 31, 40)
    sentence = refused(image, [new_layer(image, "layer")], small)
    assert "31 × 40" in sentence
    assert "32" in sentence


def test_a_style_that_is_a_decompression_bomb() -> None:
    """60000 × 60000 pixels in a file of three megabytes."""
    image = new_image()
    bomb = FOLDER / "bomb.png"
    _write_png(bomb, 60000, 60000)
    assert bomb.stat().st_size < 5_000_000
    assert "60000 × 60000" in refused(image, [new_layer(image, "layer")], bomb)


def test_a_style_for_gimp_that_is_a_decompression_bomb() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    huge = Gimp.Image.new(20000, 20000, Gimp.ImageBaseType.RGB)
    huge.insert_layer(
        Gimp.Layer.new(huge, "empty", 40, 40, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL), None, 0
    )
    plain, bomb = FOLDER / "huge.xcf", FOLDER / "huge.xcf.gz"
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, huge, Gio.File.new_for_path(str(plain)), None)
    huge.delete()
    bomb.write_bytes(gzip.compress(plain.read_bytes()))
    assert "20000 × 20000" in refused(image, [layer], bomb)


def test_no_layer() -> None:
    image = new_image()
    new_layer(image, "layer")
    with unchanged(image):
        outcome = stylize(image, [])
    assert outcome.status != Gimp.PDBStatusType.SUCCESS
    assert "layer" in outcome.sentence, outcome.sentence


def test_a_channel_or_the_mask_of_no_layer_is_no_layer() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    channel = Gimp.Channel.new(image, "channel", 80, 64, 50, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    assert "is a mask or a channel; select a layer" in refused(image, [layer, channel])
    assert "is a mask or a channel; select a layer" in refused(image, [layer.create_mask(Gimp.AddMaskType.WHITE)])


def test_a_floating_selection() -> None:
    image = new_image()
    layer = new_layer(image, "layer")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 40, 40)
    floating = Gimp.Selection.float(image, [layer], 0, 0)
    assert "is floating" in refused(image, [floating])


def test_a_selection_beside_the_layer() -> None:
    image = new_image(200, 200)
    layer, other = new_layer(image, "layer"), new_layer(image, "other", x=120, y=120)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 120, 40, 40)
    assert "“layer” lies outside the selection" in refused(image, [other, layer])


def test_too_little_to_style() -> None:
    image = new_image()
    assert "“dot” is 31 × 40 pixels" in refused(image, [new_layer(image, "dot", width=31, height=40)])
    layer = new_layer(image, "layer")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 50, 2, 40, 40)
    assert "The selected part of “layer” is 14 × 40 pixels" in refused(image, [layer])


def test_an_empty_group() -> None:
    image = new_image()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    assert "“group” is empty" in refused(image, [group])
    new_layer(image, "layer")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 40, 40)
    assert "“group” is empty" in refused(image, [group])


def test_a_device_that_is_not_there() -> None:
    image = new_image()
    assert "xpu" in refused(image, [new_layer(image, "layer")], device="xpu").lower()


def test_a_text_that_means_nothing() -> None:
    image = new_image()
    sentence = refused(image, [new_layer(image, "layer")], style_layers="relu9_1")
    assert sentence.startswith("style-layers is “relu9_1”; the layers are relu1_1"), sentence


def _write_png(path: Path, width: int, height: int) -> None:
    """A grey picture of one bit a pixel, all black."""
    packer, packed = zlib.compressobj(9), []
    row = bytes(1 + (width + 7) // 8)
    for _ in range(height):
        packed.append(packer.compress(row))
    packed.append(packer.flush())
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", b"".join(packed)),
        (b"IEND", b""),
    ]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in chunks:
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
