"""A layer's pixels out and in: bounds, selection, alpha, mask, precision.

A :class:`Look` is a layer as one sees it, copied out of the image before the engine starts, so that nothing of the
image is held or changed while it works. When every picture is painted, :mod:`plugin.gimp.image.output` adds
the layers in one undo step.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from gi.repository import Babl, Gegl, Gimp

from plugin.gimp.idle_tasks import Pieces, at_once
from plugin.gimp.image import changes, gamut
from plugin.gimp.image.changes import must
from plugin.gimp.image.gamut import SENT
from plugin.shared import threads
from plugin.shared.i18n import _
from plugin.shared.protocol import Mask, Picture

SMALLEST = 32
"""Pixels that both sides of what is styled must have: below that, VGG's deepest feature map is all border."""

SELECTION = "selection"
"""What stands for the selection among the names of regions."""

SEEN = "R'G'B'A u8"
"""The format of what is on the screen."""

_STRIP_AREA = 1 << 19
"""Pixels that are read in one go while a window waits."""

_TILE = 64
"""Pixels of the height of GIMP's tiles."""

_SENT_BYTES = 16
"""Of a pixel in :data:`SENT`."""

_LOCKS = ("alpha", "content", "position", "visibility")

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

    def strips(self) -> Iterator[Box]:
        """Pieces of it, from top to bottom, that take some hundredths of a second each to draw or to read."""
        rows = max(_TILE, _STRIP_AREA // self.width // _TILE * _TILE)
        for top in range(0, self.height, rows):
            yield Box(self.x, self.y + top, self.width, min(rows, self.height - top))

    def rectangle(self, dx: int = 0, dy: int = 0) -> Gegl.Rectangle:
        """As GEGL wants it, moved by ``dx``, ``dy``."""
        return Gegl.Rectangle.new(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class View:
    """A part of a layer as it is at some scale: 0.5 makes a picture half as wide and half as high."""

    box: Box
    scale: float = 1.0

    @property
    def width(self) -> int:
        return max(1, round(self.box.width * self.scale))

    @property
    def height(self) -> int:
        return max(1, round(self.box.height * self.scale))

    def get(self, buffer: Gegl.Buffer, format: str, dx: int = 0, dy: int = 0) -> bytes:
        """What a buffer has there, moved by ``dx``, ``dy`` in the buffer's own pixels."""
        x, y = round((self.box.x + dx) * self.scale), round((self.box.y + dy) * self.scale)
        rectangle = Gegl.Rectangle.new(x, y, self.width, self.height)
        return buffer.get(rectangle, self.scale, format, Gegl.AbyssPolicy.NONE)


@dataclass(frozen=True)
class Look:
    """A layer as it looks, copied out of its image.

    ``pixels`` is in the layer's own precision and space and of the layer's size; ``format`` is babl's name for that.
    ``box`` is what the engine gets. ``selection`` holds the selection in ``box``, one sample a pixel in the format of a
    layer mask, or is None where nothing is selected. ``tattoo`` is GIMP's mark on the layer, which is saved with it.
    """

    layer: Gimp.Layer
    name: str
    tattoo: int
    pixels: Gegl.Buffer
    format: str
    has_alpha: bool
    box: Box
    selection: bytes | None

    @property
    def size(self) -> Gegl.Rectangle:
        """The layer's."""
        return self.pixels.get_extent()

    def picture(self, view: View | None = None) -> Picture:
        """The pixels in the box, or in view, for the engine."""
        view = view or View(self.box)
        if gamut.is_bounded(self.format):
            return Picture(view.width, view.height, view.get(self.pixels, SENT))
        samples = bytearray()
        for part in view.box.strips() if view.scale == 1 else (view.box,):
            strip = View(part, view.scale)
            samples += gamut.bounded(strip.get(self.pixels, SENT), strip.width, strip.height)
        return Picture(view.width, view.height, samples)

    def shows_the_same(self, other: Look, view: View) -> bool:
        """Whether both are of the same pixels, as far as they are in view, and of the same selection."""
        extents = [(*astuple(look.box), look.size.width, look.size.height) for look in (self, other)]
        return (
            extents[0] == extents[1]
            and self.selection == other.selection
            and self.picture(view).pixels == other.picture(view).pixels
        )

    def prepare(self, view: View) -> Pieces[None]:
        """Let GEGL make the pixels at the view's scale, which it keeps: after that they are soon read."""
        yield from warming(self.format)
        for strip in view.box.strips():
            View(strip, view.scale).get(self.pixels, SENT)
            yield

    def paint(self, painted: Picture, sent: Picture) -> None:
        """Put a painting of the box into it, of which ``sent`` is what the engine got.

        What of the layer lies outside of what was sent stays as far as :func:`gamut.carried` can tell. Alpha stays to
        the last bit, and so does all of a strip in which nothing was painted.
        """
        start = 0
        for strip in self.box.strips():
            end = start + strip.width * strip.height * _SENT_BYTES
            after, before = (bytes(memoryview(picture.pixels)[start:end]) for picture in (painted, sent))
            if after != before:
                self._paint(strip, after, before)
            start = end

    def _paint(self, strip: Box, painted: bytes, sent: bytes) -> None:
        """GEGL's conversions lose alpha bits in 32-bit integer and double layers; alpha is carried over as raw bits."""
        rectangle = strip.rectangle()
        before, original = self._samples(rectangle), _get(self.pixels, rectangle, SENT)
        if original != sent:
            painted = gamut.carried(painted, sent, original, strip.width, strip.height)
        self.pixels.set(rectangle, SENT, painted)
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

    def make_layer(self, image: Gimp.Image, name: str, opacity: float = 100, has_own_mode: bool = True) -> Gimp.Layer:
        """A new layer with these pixels that is not yet in the image; ``opacity`` is in percent.

        ``has_own_mode`` gives it the layer's mode instead of the normal one.
        """
        kind = _TYPES[image.get_base_type()][self.has_alpha]
        shape = (self.size.width, self.size.height, kind)
        layer = must(Gimp.Layer.new, image, name, *shape, opacity, Gimp.LayerMode.NORMAL)
        with changes.unless_it_fails(layer):
            if has_own_mode:
                self._lend_mode(layer)
            must(layer.set_offsets, *_offsets(self.layer))
            self.fill(layer)
            if self.selection is not None:
                self._add_mask(layer, self.selection)
        return layer

    def make_group(self, image: Gimp.Image, name: str, opacity: float, has_own_mode: bool) -> Gimp.GroupLayer:
        """A new group that is to be seen as :meth:`make_layer`'s layer is."""
        group = must(Gimp.GroupLayer.new, image, name)
        with changes.unless_it_fails(group):
            must(group.set_opacity, opacity)
            if has_own_mode:
                self._lend_mode(group)
        return group

    def _lend_mode(self, layer: Gimp.Layer) -> None:
        must(layer.set_mode, _mode(self.layer))
        must(layer.set_blend_space, self.layer.get_blend_space())
        must(layer.set_composite_space, self.layer.get_composite_space())
        must(layer.set_composite_mode, self.layer.get_composite_mode())

    def fill(self, layer: Gimp.Layer) -> None:
        """Put these pixels into a layer of their size, of which GIMP keeps no state for undo."""
        target = must(layer.get_buffer)
        self.pixels.copy(self.size, Gegl.AbyssPolicy.NONE, target, self.size)
        target.flush()

    def _add_mask(self, layer: Gimp.Layer, selection: bytes) -> None:
        mask = must(layer.create_mask, Gimp.AddMaskType.BLACK)
        must(layer.add_mask, mask)
        target = must(mask.get_buffer)
        target.set(self.box.rectangle(), Babl.get_name(mask.get_format()), selection)
        target.flush()
        must(layer.set_edit_mask, False)


def warming(format: str) -> Pieces[None]:
    """Let babl look for its quickest way from a format to what is sent, and back to what is seen.

    That takes it some tenths of a second, once for each pair of formats. A thread waits for it.
    """

    def convert() -> None:
        for source, target in ((format, SENT), (SENT, SEEN)):
            pixels = Gegl.Buffer.new(source, 0, 0, 8, 8)
            for scale in (1.0, 0.25):
                pixels.get(Gegl.Rectangle.new(0, 0, 2, 2), scale, target, Gegl.AbyssPolicy.NONE)

    thread = threads.start(convert)
    while thread.is_alive():
        thread.join(0.005)
        yield


def check(drawables: Sequence[Gimp.Drawable]) -> list[Gimp.Layer]:
    """The layers among what a person selected, which must be all of it; GIMP gives a layer's mask where that is active.

    Raises:
        Refusal: nothing is selected, or something that is no layer.
    """
    if not drawables:
        raise Refusal(_("No layer is selected; select the layers to style and try again."))
    found: list[Gimp.Layer] = []
    for drawable in drawables:
        layer = Gimp.Layer.from_mask(drawable) if isinstance(drawable, Gimp.LayerMask) else drawable
        if not isinstance(layer, Gimp.Layer):
            sentence = _("“{name}” is a mask or a channel; select a layer and try again.")
            raise Refusal(sentence.format(name=drawable.get_name()))
        if layer.is_floating_sel():
            sentence = _("“{name}” is floating; anchor it or make it a layer, then try again.")
            raise Refusal(sentence.format(name=layer.get_name()))
        if layer not in found:
            found.append(layer)
    return found


def locked(layer: Gimp.Layer) -> Gimp.Layer | None:
    """What has locked pixels, so that nothing can be painted into a layer: itself or a group around it, if any."""
    around: Gimp.Layer | None = layer
    while around is not None and not around.get_lock_content():
        around = around.get_parent()
    return around


def every_layer(image: Gimp.Image) -> Iterator[Gimp.Layer]:
    """The layers of an image from top to bottom, each group before what is in it."""
    waiting = list(reversed(image.get_layers()))
    while waiting:
        yield (layer := waiting.pop())
        if layer.is_group():
            waiting += reversed(layer.get_children())


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


def box(layer: Gimp.Layer, selected: bool, part: Box | None = None) -> Box:
    """The given part of a layer, or the bounding box of the selection in it, or else the whole layer.

    Raises:
        Refusal: the layer is gone, or there is nothing or too little to style in it.
    """
    if not layer.is_valid():
        raise Refusal(_("The layer to style was deleted; select another one and start the filter anew."))
    name = layer.get_name()
    some, x, y, width, height = True, 0, 0, layer.get_width(), layer.get_height()
    if part is not None:
        x, y, width, height = astuple(part)
    elif selected:
        some, x, y, width, height = layer.mask_intersect()
    # An empty group has a size of its own making.
    if not some or (layer.is_group() and not layer.get_children()):
        outside = _("“{name}” lies outside the selection; there is nothing to style in it.")
        empty = _("“{name}” is empty; there is nothing to style in it.")
        raise Refusal((outside if selected and not layer.is_group() else empty).format(name=name))
    if min(width, height) < SMALLEST:
        subject = (_("The selected part of “{name}”") if selected else "“{name}”").format(name=name)
        sentence = _("{part} is {width} × {height} pixels; {least} × {least} is the smallest that can be styled.")
        raise Refusal(sentence.format(part=subject, width=width, height=height, least=SMALLEST))
    return Box(x, y, width, height)


def read(image: Gimp.Image, layer: Gimp.Layer, whole: bool = False, part: Box | None = None) -> Look:
    """Do :func:`reading` at once."""
    return at_once(reading(image, layer, whole, part))


def reading(image: Gimp.Image, layer: Gimp.Layer, whole: bool = False, part: Box | None = None) -> Pieces[Look]:
    """Copy a layer out of its image as it looks: filters, mask and group merged, its own opacity and mode left out.

    ``whole`` takes all of the layer, and ``part`` that part of it, whatever is selected.

    Raises:
        Refusal: the selection misses the layer, or what is to be styled is too small.
    """
    selected = not whole and part is None and not Gimp.Selection.is_empty(image)
    found = box(layer, selected, part)
    selection = None
    if selected:
        channel, strips = image.get_selection(), []
        samples, kind = must(channel.get_buffer), Babl.get_name(channel.get_format())
        x, y = _offsets(layer)
        for strip in found.strips():
            strips.append(_get(samples, strip.rectangle(x, y), kind))
            yield
        selection = b"".join(strips)
    if layer.get_mask() or layer.get_filters():
        with _alone(image, layer) as scratch:
            pixels, format = yield from showing(scratch)
    else:
        pixels, format = yield from _copying(layer)
    return Look(
        layer=layer,
        name=layer.get_name(),
        tattoo=layer.get_tattoo(),
        pixels=pixels,
        format=format,
        has_alpha=bool(Babl.format_has_alpha(Babl.format(format))),
        box=found,
        selection=selection,
    )


def region(look: Look, drawable: Gimp.Drawable, view: View | None = None) -> Mask:
    """How far each pixel of what is styled, or is in view, belongs to a drawable, wherever in the image that is.

    It is 0 beyond the drawable's edges. A channel and the selection say it with their own values, a layer with its
    mask. A layer without one counts with its lightness (luma) times its alpha, so that grey half way between black and
    white is half.
    """
    if isinstance(drawable, Gimp.Layer):
        drawable = drawable.get_mask() or drawable
    (x, y), (left, top) = _offsets(look.layer), _offsets(drawable)
    view, beside = view or View(look.box), (x - left, y - top)
    if isinstance(drawable, Gimp.Layer):
        samples = array("f", view.get(must(drawable.get_buffer), "Y'aA float", *beside))[::2].tobytes()
    else:
        # Linear or not, as the drawable has it: its values are no light, and nothing must bend them.
        model = Babl.get_name(drawable.get_format()).split()[0]
        samples = view.get(must(drawable.get_buffer), f"{model} float", *beside)
    return Mask(view.width, view.height, samples)


def selected(look: Look, view: View) -> bytes | None:
    """How far each pixel in view is selected, one byte each; None where the layer was read without a selection."""
    if look.selection is None:
        return None
    channel = look.layer.get_image().get_selection()
    x, y = _offsets(look.layer)
    model = Babl.get_name(channel.get_format()).split()[0]
    return view.get(must(channel.get_buffer), f"{model} u8", x, y)


def showing(scratch: Gimp.Image) -> Pieces[tuple[Gegl.Buffer, str]]:
    """Copy what a scratch image shows, with alpha and in its precision, and say babl's name for the format.

    GIMP draws it strip by strip, of which the image gets the size.
    """
    whole, top = Box(0, 0, scratch.get_width(), scratch.get_height()), 0
    pixels, format = None, ""
    for strip in whole.strips():
        must(scratch.resize, strip.width, strip.height, 0, top - strip.y)
        top = strip.y
        drawn = must(Gimp.Layer.new_from_visible, scratch, scratch, None)
        format = Babl.get_name(drawn.get_format())
        pixels = pixels or Gegl.Buffer.new(format, *astuple(whole))
        source = must(drawn.get_buffer)
        source.copy(source.get_extent(), Gegl.AbyssPolicy.NONE, pixels, strip.rectangle())
        must(drawn.delete)
        yield
    assert pixels is not None
    return pixels, format


def in_new_image(image: Gimp.Image, look: Look, name: str, opacity: float) -> Gimp.Layer:
    """What was styled of a look, as the only layer of a new image of that size.

    Type, precision, profile and resolution are those of ``image``; ``opacity`` is in percent.
    """
    width, height = look.box.width, look.box.height
    new = must(Gimp.Image.new_with_precision, width, height, image.get_base_type(), image.get_precision())
    try:
        must(new.undo_disable)
        if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
            must(new.set_palette, must(image.get_palette))
        if profile := image.get_color_profile():
            must(new.set_color_profile, profile)
        must(new.set_resolution, *must(image.get_resolution)[1:])
        must(new.set_unit, image.get_unit())
        layer = look.make_layer(new, name, opacity, has_own_mode=False)
        must(layer.set_offsets, -look.box.x, -look.box.y)
        must(new.insert_layer, layer, None, 0)
        must(layer.resize_to_image_size)
        must(new.undo_enable)
    except BaseException:
        new.delete()
        raise
    return layer


def revise(layer: Gimp.Layer, look: Look, name: str, note: Gimp.Parasite, replaces: bool) -> Gimp.Layer:
    """Put a look, its new name and its parasite in the place of a layer, or directly above it: one undo step.

    All else is as that layer has it: mask, filters, opacity, mode, position, and in its place tattoo and locks. Where
    the look is of another size the layer gets that of the look's layer, and its position.
    """
    image, parent = layer.get_image(), layer.get_parent()
    with changes.one_step(image) as back:
        back.callback(layer.set_name, layer.get_name())
        revised = must(layer.copy)
        # First to the top, because in a group its locks would hold for the new layer, too.
        changes.insert(back, image, revised, None, 0)
        locks = _unlock(revised)
        must(revised.attach_parasite, note)
        if (layer.get_width(), layer.get_height()) != (look.size.width, look.size.height):
            must(revised.scale, look.size.width, look.size.height, False)  # and its mask with it
            must(revised.set_offsets, *_offsets(look.layer))
        if look.has_alpha and not revised.has_alpha():
            must(revised.add_alpha)
        look.fill(revised)
        must(revised.update, 0, 0, look.size.width, look.size.height)
        must(image.reorder_item, revised, parent, changes.place_of(image, layer) - (parent is None))
        if replaces:
            must(layer.set_name, f"{name} ~")  # of two layers of one name the second gets a number
            must(revised.set_tattoo, layer.get_tattoo())
            _lock(revised, locks)
        must(revised.set_name, name)
        must(image.set_selected_layers, [revised])
        if replaces:
            must(image.remove_layer, layer)
    return revised


def check_still_there(looks: Iterable[Look]) -> None:
    """People go on working while the engine paints; a layer may be deleted by then.

    Raises:
        Refusal: one of the layers is gone.
    """
    for look in looks:
        if not look.layer.is_valid():
            sentence = _("“{name}” was deleted while it was being styled; nothing was added.")
            raise Refusal(sentence.format(name=look.name))


@contextmanager
def _alone(image: Gimp.Image, layer: Gimp.Layer) -> Iterator[Gimp.Image]:
    """A scratch image of a layer's size that shows that layer alone, without its own opacity and mode."""
    grey = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = Gimp.ImageBaseType.GRAY if grey else Gimp.ImageBaseType.RGB
    size = layer.get_width(), layer.get_height()
    scratch = must(Gimp.Image.new_with_precision, *size, kind, image.get_precision())
    try:
        must(scratch.undo_disable)
        if profile := image.get_color_profile():
            must(scratch.set_color_profile, profile)
        copy = must(Gimp.Layer.new_from_drawable, layer, scratch)
        must(scratch.insert_layer, copy, None, 0)
        for each in every_layer(scratch):  # a group cannot be moved while a layer in it cannot
            _unlock(each)
        must(copy.set_offsets, 0, 0)
        must(copy.set_visible, True)
        must(copy.set_opacity, 100)
        must(copy.set_mode, Gimp.LayerMode.NORMAL)
        yield scratch
    finally:
        scratch.delete()


def _copying(layer: Gimp.Layer) -> Pieces[tuple[Gegl.Buffer, str]]:
    """Copy a layer's own pixels, which are a group's as it shows its layers, and say babl's name for their format."""
    source, format = must(layer.get_buffer), Babl.get_name(layer.get_format())
    whole = Box(0, 0, layer.get_width(), layer.get_height())
    pixels = Gegl.Buffer.new(format, *astuple(whole))
    for strip in whole.strips():
        source.copy(strip.rectangle(), Gegl.AbyssPolicy.NONE, pixels, strip.rectangle())
        yield
    return pixels, format


def _unlock(layer: Gimp.Layer) -> list[str]:
    """Take a layer's own locks away and say which it had."""
    locks = [lock for lock in _LOCKS if getattr(layer, f"get_lock_{lock}")()]
    for lock in locks:
        must(getattr(layer, f"set_lock_{lock}"), False)
    return locks


def _lock(layer: Gimp.Layer, locks: Iterable[str]) -> None:
    for lock in locks:
        must(getattr(layer, f"set_lock_{lock}"), True)


def _offsets(drawable: Gimp.Drawable) -> tuple[int, int]:
    """Where a drawable is in its image."""
    _, x, y = must(drawable.get_offsets)
    return x, y


def _mode(layer: Gimp.Layer) -> Gimp.LayerMode:
    """The layer's mode, as far as a layer without children can have it."""
    mode = layer.get_mode()
    return Gimp.LayerMode.NORMAL if mode == Gimp.LayerMode.PASS_THROUGH else mode


def _get(buffer: Gegl.Buffer, rectangle: Gegl.Rectangle, format: str) -> bytes:
    return buffer.get(rectangle, 1.0, format, Gegl.AbyssPolicy.NONE)
