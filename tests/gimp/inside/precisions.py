"""Every precision, base type and profile: the new layer keeps them, and its alpha to the last bit."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable

from gi.repository import Gimp

from plugin.gimp import layers
from plugin.protocol import Picture
from tests.gimp.inside.stage import (
    Pixel,
    difference,
    format_name,
    native,
    native_alpha,
    new_image,
    new_layer,
    photograph,
    samples,
    styled,
    torn,
)

_RGB, _GREY, _INDEXED = Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY, Gimp.ImageBaseType.INDEXED


def _profiled(image: Gimp.Image) -> Gimp.Image:
    grey = image.get_base_type() == _GREY
    image.set_color_profile(Gimp.ColorProfile.new_d50_gray_lab_trc() if grey else Gimp.ColorProfile.new_rgb_adobe())
    return image


def _keeps_format_and_alpha(image: Gimp.Image, *more: Gimp.Layer) -> list[Gimp.Layer]:
    """The whole way, with the engine; what became of more layers is returned."""
    source = new_layer(image, "source", width=48, height=40, paint=torn)
    profile = image.get_color_profile()

    layer, *others = styled(image, [source, *more])

    assert format_name(layer) == format_name(source)
    assert native_alpha(layer) == native_alpha(source), f"alpha changed in {format_name(source)}"
    assert difference(source, layer) > 0.02, f"nothing was painted in {format_name(source)}"
    assert max(samples(layer)) <= 1.01, f"too bright in {format_name(source)}"
    if profile:
        assert image.get_color_profile().get_label() == profile.get_label()
    return others


def test_8_bit_integer() -> None:
    _keeps_format_and_alpha(new_image(48, 40, _RGB, Gimp.Precision.U8_NON_LINEAR))


def test_16_bit_integer_linear() -> None:
    _keeps_format_and_alpha(new_image(48, 40, _RGB, Gimp.Precision.U16_LINEAR))


def test_32_bit_integer_with_a_profile() -> None:
    _keeps_format_and_alpha(_profiled(new_image(48, 40, _RGB, Gimp.Precision.U32_NON_LINEAR)))


def test_half_float_linear() -> None:
    _keeps_format_and_alpha(new_image(48, 40, _RGB, Gimp.Precision.HALF_LINEAR))


def test_float_with_a_profile() -> None:
    _keeps_format_and_alpha(_profiled(new_image(48, 40, _RGB, Gimp.Precision.FLOAT_LINEAR)))


def test_double_in_grey_with_and_without_alpha() -> None:
    image = new_image(48, 40, _GREY, Gimp.Precision.DOUBLE_NON_LINEAR)
    opaque = new_layer(image, "opaque", width=48, height=40, alpha=False)

    (layer,) = _keeps_format_and_alpha(image, opaque)

    assert layer.type() == Gimp.ImageType.GRAY_IMAGE
    assert difference(opaque, layer) > 0.02


def test_every_format_goes_out_and_in_exactly() -> None:
    """Every precision, linear or not, in color and grey, with a profile and without; no engine is needed for that."""
    for kind, precision, profile in itertools.product((_RGB, _GREY), _precisions(), (False, True)):
        image = new_image(48, 40, kind, precision)
        if profile:
            _profiled(image)
        paint = _soft_grey if kind == _GREY else _soft
        source = new_layer(image, "source", width=48, height=40, paint=_fading(paint))
        what = f"{format_name(source)}, profile {profile}"
        assert len(set(native_alpha(source))) >= 48
        coarse = precision.value_nick.startswith(("u8", "half"))

        look = layers.read(image, source)
        sent = _floats(look.picture())
        assert _apart(sent, samples(source)) < 1e-4, what
        look.paint(Picture(48, 40, _mirrored(sent)))
        layer = look.make_layer(image, "new")

        assert format_name(layer) == format_name(source)
        assert native_alpha(layer) == native_alpha(source), f"alpha changed in {what}"
        wrong = _apart(_floats(Picture(48, 40, _mirrored(sent))), samples(layer))
        assert wrong < (0.01 if coarse else 1e-3), f"{what}: {wrong}"
        image.delete()


def test_a_profile_describes_the_same_colors() -> None:
    """The same colors in sRGB and in Adobe RGB are different numbers in the layer and the same for the engine."""
    sources, sent = [], []
    for profile in (False, True):
        image = new_image(48, 40, precision=Gimp.Precision.FLOAT_NON_LINEAR)
        if profile:
            _profiled(image)
        sources.append(new_layer(image, "source", width=48, height=40, paint=_soft))
        sent.append(_floats(layers.read(image, sources[-1]).picture()))
    assert native(sources[0]) != native(sources[1])
    assert _apart(*sent) < 1e-4, _apart(*sent)


def test_indexed_layers_get_colors_of_their_palette() -> None:
    image = new_image(48, 40)
    opaque = new_layer(image, "opaque", width=48, height=40, alpha=False)
    cut = new_layer(image, "cut", width=48, height=40, paint=_cut)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 32, False, False, "")

    from_opaque, from_cut = styled(image, [opaque, cut])

    assert from_opaque.type() == Gimp.ImageType.INDEXED_IMAGE
    assert from_cut.type() == Gimp.ImageType.INDEXEDA_IMAGE
    assert native_alpha(from_cut) == native_alpha(cut)
    for source, layer in ((opaque, from_opaque), (cut, from_cut)):
        assert difference(source, layer) > 0.02
        assert _colors(layer) <= _colors(opaque) | _colors(cut)


def test_bright_and_broken_numbers_of_a_float_layer() -> None:
    image = new_image(48, 40, precision=Gimp.Precision.FLOAT_LINEAR)
    broken = {0: float("nan"), 1: float("inf"), 2: -3.0, 3: 9.0}

    def paint(x: int, y: int) -> Pixel:
        grey = broken.get(x, 0.5)
        return grey, grey, grey, 1.0 if y else 1.5

    source = new_layer(image, "source", width=48, height=40, paint=paint)

    (layer,) = styled(image, [source])

    assert native_alpha(layer) == native_alpha(source)
    colors = [sample for place, sample in enumerate(samples(layer)) if place % 4 < 3]
    assert min(colors) > -0.01, min(colors)
    assert max(colors) < 1.01, max(colors)


def _precisions() -> list[Gimp.Precision]:
    return [value for name, value in vars(Gimp.Precision).items() if name.endswith(("_LINEAR", "_PERCEPTUAL"))]


def _floats(picture: Picture) -> array[float]:
    found = array("f")
    found.frombytes(picture.pixels)
    return found


def _mirrored(sent: array[float]) -> bytes:
    """Other colors for each pixel, with the alpha of none."""
    colors = [1.1 - sample for sample in sent]
    return array("f", (1.0 if place % 4 == 3 else color for place, color in enumerate(colors))).tobytes()


def _apart(first: array[float], second: array[float]) -> float:
    """The largest difference of two pictures' colors."""
    return max(abs(a - b) for place, (a, b) in enumerate(zip(first, second, strict=True)) if place % 4 < 3)


def _fading(paint: Callable[[int, int], Pixel]) -> Callable[[int, int], Pixel]:
    """The same colors, from nothing on the left to opaque on the right."""
    return lambda x, y: (*paint(x, y)[:3], x / 47)


def _soft_grey(x: int, y: int) -> Pixel:
    grey = _soft(x, y)[0]
    return grey, grey, grey, 1.0


def _soft(x: int, y: int) -> Pixel:
    """Colors that lie within sRGB and within Adobe RGB."""
    red, green, blue, _ = photograph(x, y)
    return 0.3 + 0.4 * red, 0.3 + 0.4 * green, 0.3 + 0.4 * blue, 1.0


def _cut(x: int, y: int) -> Pixel:
    """Opaque or not at all, as indexed layers are."""
    red, green, blue, _ = photograph(x, y)
    return red, green, blue, float(x > y)


def _colors(layer: Gimp.Layer) -> set[tuple[float, ...]]:
    found = samples(layer)
    return {tuple(round(sample, 4) for sample in found[place : place + 3]) for place in range(0, len(found), 4)}
