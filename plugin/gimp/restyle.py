"""*Restyle…*: a layer that was painted earlier, painted anew from its source, with what was changed."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from gi.repository import Gimp, Gio, GObject

from plugin.gimp.image import layers, open_styles, style_source
from plugin.gimp.image.layers import Box, Refusal
from plugin.gimp.image.style_source import Source
from plugin.gimp.jobs import provenance, request
from plugin.gimp.jobs import run as run_jobs
from plugin.gimp.jobs.provenance import StyleTold, Told
from plugin.gimp.jobs.request import Order
from plugin.gimp.jobs.session import Studio
from plugin.shared import formats, starter_styles
from plugin.shared.i18n import _
from plugin.shared.settings import TABLE

NAMES = ("replace",)
"""The arguments, as the window shows them."""

_FROM_LAYER = "defaults-from-layer"

_log = logging.getLogger("neural-style.gimp")


@dataclass(frozen=True)
class Earlier:
    """A painted layer, what it tells of how it was made, and the layer that it was made from."""

    layer: Gimp.Layer
    told: Told
    source: Gimp.Layer

    def fill(self, config: Gimp.ProcedureConfig, everything: bool) -> None:
        """Give the arguments the values of when the layer was made: those at their defaults, or everything."""
        if everything:
            config.set_property(_FROM_LAYER, True)
        if not config.get_property(_FROM_LAYER):
            return
        for setting in TABLE:
            if everything or (config.get_property(setting.dashed) or setting.kind()) == setting.default:
                config.set_property(setting.dashed, getattr(self.told.settings, setting.name))
        if everything or style_source.chosen(config)[0] is None:
            first, *more = (_style(told, self.layer.get_image()) for told in self.told.styles)
            style_source.choose(config, first)
            config.set_property("more-styles", [file.get_uri() for file in more])
            config.set_property("regions", [told.region or "" for told in self.told.styles])
        # What a person has seen in the window is repeated as they saw it.
        config.set_property(_FROM_LAYER, not everything)

    def restyle(self, wanted: Order, replaces: bool, studio: Studio | None) -> Gimp.Layer:
        """Paint the source anew and return the layer that has it, in the place of the earlier one or above it.

        Raises:
            Refusal: the layer's pixels are locked and it is to be replaced, or it is deleted meanwhile.
            Refusal, client.EngineError, client.JobCancelled: as :func:`plugin.gimp.procedure.stylize`.
        """
        look = wanted.look(self.source, self.part)
        was_named = request.layer_name(self.told.source, [each.name for each in self.told.styles])
        self._check(was_named, replaces)
        keeping = dataclasses.replace(wanted, unknown=self.told.unknown)
        (note,) = run_jobs.paint([look], [keeping], studio)
        self._check(was_named, replaces)
        own_name = self.layer.get_name()
        # One that a person gave stays.
        name = wanted.layer_name(look.name) if own_name.startswith(was_named) else own_name
        return layers.revise(self.layer, look, name, note, replaces)

    def _check(self, was_named: str, replaces: bool) -> None:
        """See that a painting can be put in the layer's place, or above it; people go on working meanwhile."""
        if not self.layer.is_valid():
            sentence = _("“{layer}” was deleted while it was being painted anew; nothing was added.")
            raise Refusal(sentence.format(layer=was_named))
        if replaces and (locked := layers.locked(self.layer)) is not None:
            sentence = _(
                "The pixels of “{layer}” are locked; unlock them, or switch “Replace this layer” off to add the new "
                "painting above."
            )
            raise Refusal(sentence.format(layer=locked.get_name()))

    @property
    def note(self) -> str:
        """What a person has to know of the layer besides its settings; empty where there is nothing."""
        return formats.note(self.layer.get_name(), self.told.unknown) if self.told.unknown else ""

    @property
    def part(self) -> Box:
        """What was painted of the source, at the source's present size."""
        box, (width, height) = self.told.box, self.told.source_size
        present = self.source.get_width(), self.source.get_height()
        left, right = (_scaled(edge, width, present[0]) for edge in (box.x, box.x + box.width))
        top, bottom = (_scaled(edge, height, present[1]) for edge in (box.y, box.y + box.height))
        return Box(left, top, right - left, bottom - top)


def describe(procedure: Gimp.Procedure) -> None:
    """Say what the procedure is."""
    procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
    procedure.set_documentation(
        _("Paint a layer anew that Neural Style Transfer has painted"),
        _(
            "Takes styles, settings and the source from what the layer tells of how it was made. Arguments that are "
            "left at their defaults are as they were then. Its mask, opacity, mode and place stay."
        ),
        procedure.get_name(),
    )
    procedure.set_menu_label(_("Rest_yle…"))


def add_arguments(procedure: Gimp.Procedure) -> None:
    """Register the arguments that the other procedure does not have."""
    flags = GObject.ParamFlags.READWRITE
    procedure.add_boolean_argument(
        "replace", _("Replace this layer"), _("Off adds the new painting above the old one."), True, flags
    )
    procedure.add_boolean_argument(
        _FROM_LAYER,
        _("Defaults from the layer"),
        _(
            "Arguments that are left at their defaults are as they were when the layer was made; without this they "
            "are the defaults. No style takes all styles and regions from the layer."
        ),
        True,
        flags,
    )


def find(image: Gimp.Image, selected: Sequence[Gimp.Layer]) -> Earlier:
    """The layer to paint anew.

    Raises:
        Refusal: it is not one layer, or none that was painted, or its source is not there any more.
    """
    if len(selected) > 1:
        raise Refusal(_("Several layers are selected; select the one to restyle and try again."))
    (layer,) = selected
    told = provenance.read(layer)
    source = _source(image, layer, told)
    if source is None:
        sentence = _(
            "“{source}”, from which “{layer}” was painted, is not in this image any more; bring it back with Undo, or "
            "use Neural Style Transfer on another layer."
        )
        raise Refusal(sentence.format(source=told.source, layer=layer.get_name()))
    earlier = Earlier(layer, told, source)
    if earlier.note:
        _log.warning("%s", earlier.note)
    return earlier


def _source(image: Gimp.Image, layer: Gimp.Layer, told: Told) -> Gimp.Layer | None:
    """The layer that a layer was painted from.

    It may have been renamed or scaled since. But the tattoos of another image, which the painted layer may have been
    copied from, mean other layers; so one of the two must be as it was.
    """
    marked = None if told.source_tattoo is None else image.get_layer_by_tattoo(told.source_tattoo)
    named = image.get_layer_by_name(told.source)
    if marked not in (None, layer) and (
        marked == named or (marked.get_width(), marked.get_height()) == told.source_size
    ):
        named = marked
    return None if named == layer else named


def _style(told: StyleTold, image: Gimp.Image) -> Source:
    """Where a style comes from: an open layer or image, or where its file is, or was.

    A starter style is wherever the plug-in is now.
    """
    file = Gio.File.new_for_uri(told.uri) if told.uri else None
    if file is not None and file.query_exists(None):
        return file
    starter = starter_styles.FOLDER / told.name
    if told.mark is None and starter.is_file():
        return Gio.File.new_for_path(str(starter))
    return file or open_styles.find(told.name, told.sha256, told.mark, image) or style_source.gone(told.name)


def _scaled(edge: int, before: int, now: int) -> int:
    return min(max(round(edge * now / before), 0), now)
