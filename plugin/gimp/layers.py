"""A layer's pixels out and in: bounds, selection, alpha, mask, precision.

A :class:`Look` is a layer as one sees it, copied out of the image before the engine starts, so that nothing of the
image is held or changed while it works. When every picture is painted, :func:`add` adds the layers in one undo step.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gi.repository import Babl, Gegl, Gimp

from plugin.protocol import Mask, Picture
from plugin.words import _

SMALLEST = 32
"""Pixels that both sides of what is styled must have: below that, VGG's deepest feature map is all border."""

SELECTION = "selection"
"""What stands for the selection among the names of regions."""

_SAMPLE_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""The array typecode that holds the bits of one sample of so many bytes, whatever number they mean."""

_TYPES = {
    Gimp.ImageBaseType.RGB: (Gimp.ImageType.RGB_IMAGE, Gimp.ImageType.RGBA_IMAGE),
    Gimp.ImageBaseType.GRAY: (Gimp.ImageType.GRAY_IMAGE, Gimp.ImageType.GRAYA_IMAGE),
    Gimp.ImageBaseType.INDEXED: (Gimp.ImageType.INDEXED_IMAGE, Gimp.ImageType.INDEXEDA_IMAGE),
}
"""A layer's type without and with alpha."""


class Refusal(Exception):
    """One sentence for a person: what is asked cannot be done, and what can be done instead."""


@dataclass(frozen=True)
class Box:
    """A rectangle in a layer's own coordinates, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def rectangle(self, dx: int = 0, dy: int = 0) -> Gegl.Rectangle:
        """As GEGL wants it, moved by ``dx``, ``dy``."""
        return Gegl.Rectangle.new(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class Look:
    """A layer as it looks, copied out of its image.

    ``pixels`` is in the layer's own precision and space and of the layer's size; ``format`` is babl's name for that.
    ``box`` is what the engine gets. ``selection`` holds the selection in ``box``, one sample a pixel in the format of a
    layer mask, or is None where nothing is selected.
    """

    layer: Gimp.Layer
    name: str
    pixels: Gegl.Buffer
    format: str
    has_alpha: bool
    box: Box
    selection: bytes | None

    def picture(self) -> Picture:
        """The pixels in the box, for the engine."""
        return Picture(self.box.width, self.box.height, _get(self.pixels, self.box.rectangle(), "R'G'B'A float"))

    def paint(self, picture: Picture) -> None:
        """Put a picture's colors into the box; alpha stays as it is, to the last bit.

        GEGL's conversions lose alpha bits in 32-bit integer and double layers, so alpha is carried over as raw bits.
        """
        rectangle = self.box.rectangle()
        before = self._samples(rectangle)
        self.pixels.set(rectangle, "R'G'B'A float", bytes(picture.pixels))
        if self.has_alpha:
            channels = Babl.format_get_n_components(Babl.format(self.format))
            alpha = slice(channels - 1, None, channels)
            after = self._samples(rectangle)
            after[alpha] = before[alpha]
            self.pixels.set(rectangle, self.format, after.tobytes())

    def _samples(self, rectangle: Gegl.Rectangle) -> array[int]:
        """The layer's own samples as unsigned integers that hold their bits."""
        format = Babl.format(self.format)
        size = Babl.format_get_bytes_per_pixel(format) // Babl.format_get_n_components(format)
        return array(_SAMPLE_CODES[size], _get(self.pixels, rectangle, self.format))

    def make_layer(self, image: Gimp.Image, name: str) -> Gimp.Layer:
        """A new layer with these pixels that is not yet in the image."""
        size = self.pixels.get_extent()
        kind = _TYPES[image.get_base_type()][self.has_alpha]
        layer = Gimp.Layer.new(image, name, size.width, size.height, kind, self.layer.get_opacity(), _mode(self.layer))
        layer.set_blend_space(self.layer.get_blend_space())
        layer.set_composite_space(self.layer.get_composite_space())
        layer.set_composite_mode(self.layer.get_composite_mode())
        _, x, y = self.layer.get_offsets()
        layer.set_offsets(x, y)
        target = layer.get_buffer()
        self.pixels.copy(size, Gegl.AbyssPolicy.NONE, target, size)
        target.flush()
        if self.selection is not None:
            self._add_mask(layer, self.selection)
        return layer

    def _add_mask(self, layer: Gimp.Layer, selection: bytes) -> None:
        mask = layer.create_mask(Gimp.AddMaskType.BLACK)
        layer.add_mask(mask)
        target = mask.get_buffer()
        target.set(self.box.rectangle(), Babl.get_name(mask.get_format()), selection)
        target.flush()
        layer.set_edit_mask(False)


def check(drawables: Sequence[Gimp.Drawable]) -> list[Gimp.Layer]:
    """The layers among what a person selected, which must be all of it.

    Raises:
        Refusal: nothing is selected, or something that is no layer.
    """
    if not drawables:
        raise Refusal(_("No layer is selected; select the layers to style and try again."))
    for drawable in drawables:
        if not isinstance(drawable, Gimp.Layer):
            sentence = _("“{name}” is a mask or a channel; select a layer and try again.")
            raise Refusal(sentence.format(name=drawable.get_name()))
        if drawable.is_floating_sel():
            sentence = _("“{name}” is floating; anchor it or make it a layer, then try again.")
            raise Refusal(sentence.format(name=drawable.get_name()))
    return list(drawables)


def find_region(image: Gimp.Image, name: str) -> Gimp.Drawable:
    """The channel or layer with a name; ``selection`` is the selection, where neither has that name.

    Raises:
        Refusal: the image has none.
    """
    found = image.get_channel_by_name(name) or image.get_layer_by_name(name)
    if found is None and name == SELECTION:
        found = image.get_selection()
    if found is None:
        sentence = _("This image has no channel or layer “{name}” to be the region of a style; choose another.")
        raise Refusal(sentence.format(name=name))
    return found


def read(image: Gimp.Image, layer: Gimp.Layer, whole: bool = False) -> Look:
    """Copy a layer out of its image as it looks: filters, mask and group merged, its own opacity and mode left out.

    ``whole`` takes all of the layer, whatever is selected.

    Raises:
        Refusal: the selection misses the layer, or what is to be styled is too small.
    """
    selected = not whole and not Gimp.Selection.is_empty(image)
    box = _box(layer, selected)
    selection = None
    if selected:
        channel = image.get_selection()
        _, x, y = layer.get_offsets()
        selection = _get(channel.get_buffer(), box.rectangle(x, y), Babl.get_name(channel.get_format()))
    if layer.is_group() or layer.get_mask() or layer.get_filters():
        with _rendered(image, layer) as drawn:
            return _look(layer, drawn, box, selection)
    return _look(layer, layer, box, selection)


def region(look: Look, drawable: Gimp.Drawable) -> Mask:
    """How far each pixel of what is styled belongs to a drawable, wherever in the image that is; 0 beyond its edges.

    A channel and the selection say it with their own values, a layer with its mask. A layer without one counts with its
    lightness (luma) times its alpha, so that grey half way between black and white is half.
    """
    if isinstance(drawable, Gimp.Layer):
        drawable = drawable.get_mask() or drawable
    _, x, y = look.layer.get_offsets()
    _, left, top = drawable.get_offsets()
    rectangle = look.box.rectangle(x - left, y - top)
    if isinstance(drawable, Gimp.Layer):
        samples = array("f", _get(drawable.get_buffer(), rectangle, "Y'aA float"))[::2].tobytes()
    else:
        # Linear or not, as the drawable has it: its values are no light, and nothing must bend them.
        model = Babl.get_name(drawable.get_format()).split()[0]
        samples = _get(drawable.get_buffer(), rectangle, f"{model} float")
    return Mask(look.box.width, look.box.height, samples)


def visible(image: Gimp.Image) -> Gimp.Layer:
    """Put what a scratch image shows on top of it, as a layer with alpha and of the image's size."""
    layer = Gimp.Layer.new_from_visible(image, image, None)
    image.insert_layer(layer, None, 0)
    return layer


def add(image: Gimp.Image, made: Sequence[tuple[Look, Gimp.Layer]]) -> None:
    """Insert each new layer directly above the layer it was made from and select them all: one undo step."""
    image.undo_group_start()
    try:
        for look, layer in made:
            image.insert_layer(layer, look.layer.get_parent(), image.get_item_position(look.layer))
        image.set_selected_layers([layer for _, layer in made])
    finally:
        image.undo_group_end()
    Gimp.displays_flush()


def check_still_there(looks: Iterable[Look]) -> None:
    """People go on working while the engine paints; a layer may be deleted by then.

    Raises:
        Refusal: one of the layers is gone.
    """
    for look in looks:
        if not look.layer.is_valid():
            sentence = _("“{name}” was deleted while it was being styled; nothing was added.")
            raise Refusal(sentence.format(name=look.name))


def _box(layer: Gimp.Layer, selected: bool) -> Box:
    """The bounding box of the selection in a layer; the whole layer where it is not to be cut by one."""
    name = layer.get_name()
    some, x, y, width, height = True, 0, 0, layer.get_width(), layer.get_height()
    if selected:
        some, x, y, width, height = layer.mask_intersect()
    # An empty group has a size of its own making.
    if not some or (layer.is_group() and not layer.get_children()):
        outside = _("“{name}” lies outside the selection; there is nothing to style in it.")
        empty = _("“{name}” is empty; there is nothing to style in it.")
        raise Refusal((outside if selected and not layer.is_group() else empty).format(name=name))
    if min(width, height) < SMALLEST:
        part = (_("The selected part of “{name}”") if selected else "“{name}”").format(name=name)
        sentence = _("{part} is {width} × {height} pixels; {least} × {least} is the smallest that can be styled.")
        raise Refusal(sentence.format(part=part, width=width, height=height, least=SMALLEST))
    return Box(x, y, width, height)


def _look(layer: Gimp.Layer, drawn: Gimp.Layer, box: Box, selection: bytes | None) -> Look:
    return Look(
        layer=layer,
        name=layer.get_name(),
        pixels=drawn.get_buffer().dup(),
        format=Babl.get_name(drawn.get_format()),
        has_alpha=drawn.has_alpha(),
        box=box,
        selection=selection,
    )


@contextmanager
def _rendered(image: Gimp.Image, layer: Gimp.Layer) -> Iterator[Gimp.Layer]:
    """Let GIMP draw one layer alone, in a scratch image of the layer's size that is gone afterwards."""
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = Gimp.ImageBaseType.GRAY if grey else Gimp.ImageBaseType.RGB
    scratch = Gimp.Image.new_with_precision(layer.get_width(), layer.get_height(), kind, image.get_precision())
    try:
        scratch.undo_disable()
        if profile := image.get_color_profile():
            scratch.set_color_profile(profile)
        copy = Gimp.Layer.new_from_drawable(layer, scratch)
        scratch.insert_layer(copy, None, 0)
        copy.set_offsets(0, 0)
        copy.set_visible(True)
        copy.set_opacity(100)
        copy.set_mode(Gimp.LayerMode.NORMAL)
        yield visible(scratch)
    finally:
        scratch.delete()


def _mode(layer: Gimp.Layer) -> Gimp.LayerMode:
    """The layer's mode, as far as a layer without children can have it."""
    mode = layer.get_mode()
    return Gimp.LayerMode.NORMAL if mode == Gimp.LayerMode.PASS_THROUGH else mode


def _get(buffer: Gegl.Buffer, rectangle: Gegl.Rectangle, format: str) -> bytes:
    return buffer.get(rectangle, 1.0, format, Gegl.AbyssPolicy.NONE)
