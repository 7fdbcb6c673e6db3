"""Every precision, base type and profile: the new layer keeps them, and its alpha to the last bit."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable

from gi.repository import Babl, Gegl, Gimp

from plugin.gimp.image import layers
from plugin.shared.protocol import Picture
from tests.gimp.inside.stage import (
    Pixel,
    difference,
    fill,
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
        look.paint(Picture(48, 40, _mirrored(sent)), look.picture())
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


def test_what_comes_back_as_it_was_sent_leaves_the_layer_to_the_last_bit() -> None:
    """In every format; those that can have colors beyond sRGB, highlights and broken numbers have them here."""
    for kind, precision, profile in itertools.product((_RGB, _GREY), _precisions(), (False, True)):
        image = new_image(48, 40, kind, precision)
        if profile:
            _profiled(image)
        source = new_layer(image, "source", width=48, height=40, paint=torn)
        if precision.value_nick.startswith(("half", "float", "double")):
            _fill_own(source, _beyond)
        look = layers.read(image, source)
        sent = look.picture()
        assert all(0 <= sample <= 1 for sample in _floats(sent)), format_name(source)
        look.paint(sent, look.picture())
        assert native(look.make_layer(image, "new")) == native(source), format_name(source)
        image.delete()


def test_at_strength_0_the_layer_stays_to_the_last_bit() -> None:
    for precision in (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U16_LINEAR, Gimp.Precision.FLOAT_LINEAR):
        image = _profiled(new_image(48, 40, precision=precision))
        source = new_layer(image, "source", width=48, height=40, paint=torn)
        if precision == Gimp.Precision.FLOAT_LINEAR:
            _fill_own(source, _beyond)
        (layer,) = styled(image, [source], strength=0.0, iterations=1)
        assert native(layer) == native(source), precision


def test_colors_beyond_srgb_and_highlights_stay_where_nothing_is_painted() -> None:
    """Only the left half is: there the painting decides."""
    image = _profiled(new_image(64, 48, precision=Gimp.Precision.FLOAT_LINEAR))
    source = new_layer(image, "source")
    _fill_own(source, _beyond)
    half = Gimp.Channel.new(image, "half", 64, 48, 50, Gegl.Color.new("red"))
    image.insert_channel(half, None, 0)
    fill(half, lambda x, y: (*(float(x < 32),) * 3, 1.0))

    (layer,) = styled(image, [source], regions=["half"])

    before, after = (_own(each) for each in (source, layer))
    assert max(before) == 9
    right = [place for place in range(len(before)) if place // 4 % 64 >= 36]
    assert all(abs(after[place] - before[place]) <= 1e-4 * max(1, abs(before[place])) for place in right)
    left = [place for place in range(len(before)) if place // 4 % 64 < 28 and place % 4 < 3]
    assert sum(after[place] != before[place] for place in left) > 0.9 * len(left)


def test_the_more_is_painted_the_less_of_what_lies_beyond_stays() -> None:
    """A highlight that the painting darkens by so much in sRGB; a stroke must not vanish behind what is added to it."""
    image = new_image(64, 48, precision=Gimp.Precision.FLOAT_LINEAR)
    source = new_layer(image, "source", paint=lambda x, y: (1.0, 0.4, 0.2, 1.0))
    _fill_own(source, lambda x, y: (3.0, 0.2, -0.1, 1.0))
    found = []
    for change in (0.02, 0.1, 0.2, 0.4, 0.7):
        look = layers.read(image, source)
        sent = look.picture()
        samples = _floats(sent)
        samples[::4] = array("f", (sample - change for sample in samples[::4]))
        look.paint(Picture(64, 48, samples.tobytes()), sent)
        red, _green, blue, _alpha = _own(look.make_layer(image, "new"))[:4]
        found.append((red, blue))
    assert found == sorted(found, key=lambda each: -each[0]), found
    assert found[0][0] > 2.8 and found[0][1] < -0.09, found
    for (red, blue), change in zip(found[-2:], (0.4, 0.7)):
        assert abs(red - ((1 - change + 0.055) / 1.055) ** 2.4) < 1e-3 and abs(blue) < 1e-3, found


def test_broken_numbers_of_a_float_layer_become_colors() -> None:
    image = new_image(48, 40, precision=Gimp.Precision.FLOAT_LINEAR)
    broken = {0: float("nan"), 1: float("inf"), 2: -float("inf")}

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


def _fill_own(layer: Gimp.Layer, paint: Callable[[int, int], Pixel]) -> None:
    """Set every pixel in the layer's own color space; ``paint`` gives linear RGBA."""
    width, height = layer.get_width(), layer.get_height()
    own = array("d", (sample for y in range(height) for x in range(width) for sample in paint(x, y)))
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), _own_linear(layer), own.tobytes())
    buffer.flush()
    layer.update(0, 0, width, height)


def _own(layer: Gimp.Layer) -> array[float]:
    """Every pixel as linear RGBA in the layer's own color space."""
    found, extent = array("d"), Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    found.frombytes(layer.get_buffer().get(extent, 1.0, _own_linear(layer), Gegl.AbyssPolicy.NONE))
    return found


def _own_linear(layer: Gimp.Layer) -> str:
    return Babl.get_name(Babl.format_with_space("RGBA double", Babl.format_get_space(layer.get_format())))


def _beyond(x: int, y: int) -> Pixel:
    """Bands of the space's pure green, highlights, and colors that are none, beside ordinary ones."""
    bands: dict[int, tuple[float, float, float]] = {
        0: (0.0, 1.0, 0.0),
        1: (3.0, 3.0, 3.0),
        2: (9.0, 1.5, 0.2),
        3: (-0.25, 0.3, -0.0),
    }
    soft = photograph(x, y)[:3]
    return *bands.get(x // 4 % 8, soft), 0.2 + 0.8 * y / 47


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
