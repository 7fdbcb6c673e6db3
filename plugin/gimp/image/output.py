"""Where a painting goes: the arguments that concern GIMP alone, and what they ask for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from gi.repository import Gimp, GObject

from plugin.gimp.image import changes, layers
from plugin.gimp.image.changes import must
from plugin.gimp.image.layers import Look
from plugin.shared.i18n import _

NAMES = ("output", "opacity", "layer-mode")
"""The arguments, as the window shows them."""

CHOICES = ("output", "layer-mode")
"""Those of them that are chosen from a list."""

_NEW_LAYER, _NEW_IMAGE = "new-layer", "new-image"
_AS_LAYER, _NORMAL = "as-layer", "normal"


@dataclass(frozen=True)
class Painted:
    """A painted look with the name and the parasite that its layer shall have.

    ``group`` is the name of the group in which the paintings of the same layer are gathered, or empty for none.
    """

    look: Look
    name: str
    note: Gimp.Parasite
    group: str = ""


@dataclass(frozen=True)
class Output:
    """Where a painting goes; ``opacity`` is in percent of the source layer's own, in a new image of all."""

    new_image: bool = False
    opacity: float = 100.0
    has_own_mode: bool = True

    def deliver(self, image: Gimp.Image, painted: Sequence[Painted]) -> list[Gimp.Layer]:
        """Make the layers, all of them or none: in the image above their sources, or each in an image of its own.

        Those that are gathered in groups are always in the image.
        """
        if any(each.group for each in painted):
            return self._in_groups(image, painted)
        if self.new_image:
            return self._in_new_images(image, painted)
        with changes.one_step(image) as back:
            made = []
            for each in painted:
                layer = each.look.make_layer(image, each.name, self._opacity(each.look), self.has_own_mode)
                changes.insert_above(back, image, layer, each.look.layer)
                must(layer.attach_parasite, each.note)
                made.append(layer)
            must(image.set_selected_layers, made)
        return made

    def _in_groups(self, image: Gimp.Image, painted: Sequence[Painted]) -> list[Gimp.Layer]:
        groups, made = [], []
        with changes.one_step(image) as back:
            for _source, gathered in itertools.groupby(painted, key=lambda each: each.look.layer):
                paintings = list(gathered)
                look = paintings[0].look
                # Opacity and mode are the group's: its layers are there to be shown one instead of the other.
                group = look.make_group(image, paintings[0].group, self._opacity(look), self.has_own_mode)
                changes.insert_above(back, image, group, look.layer)
                groups.append(group)
                for place, each in enumerate(paintings):
                    layer = each.look.make_layer(image, each.name, has_own_mode=False)
                    changes.insert(back, image, layer, group, place)
                    must(layer.attach_parasite, each.note)
                    made.append(layer)
            must(image.set_selected_layers, groups)
        return made

    def _opacity(self, look: Look) -> float:
        return look.layer.get_opacity() * self.opacity / 100

    def _in_new_images(self, image: Gimp.Image, painted: Sequence[Painted]) -> list[Gimp.Layer]:
        made: list[Gimp.Layer] = []
        try:
            for each in painted:
                made.append(layers.in_new_image(image, each.look, each.name, self.opacity))
                must(made[-1].attach_parasite, each.note)
        except BaseException:
            for layer in made:
                layer.get_image().delete()
            raise
        return made


AS_EVER = Output()


def add_arguments(procedure: Gimp.Procedure) -> None:
    """Register the arguments."""
    flags = GObject.ParamFlags.READWRITE
    places = Gimp.Choice.new()
    places.add(_NEW_LAYER, 0, _("New layer"), _("Directly above the layer that is painted"))
    places.add(_NEW_IMAGE, 1, _("New image"), _("For each layer one, which has what was painted alone"))
    procedure.add_choice_argument("output", _("Output"), _("Where the painting goes."), places, _NEW_LAYER, flags)
    procedure.add_double_argument(
        "opacity",
        _("Opacity (%)"),
        _("Of the new layer, in percent of the opacity that the painted layer has; in a new image of all."),
        *(0.0, 100.0, 100.0),
        flags,
    )
    modes = Gimp.Choice.new()
    modes.add(_AS_LAYER, 0, _("As the layer"), _("The mode of the layer that is painted"))
    modes.add(_NORMAL, 1, _("Normal"), _("Whatever mode the layer that is painted has"))
    procedure.add_choice_argument(
        "layer-mode", _("Mode"), _("The new layer's mode; in a new image it is normal."), modes, _AS_LAYER, flags
    )


def of(config: Gimp.ProcedureConfig) -> Output:
    """What the arguments ask for."""
    return Output(
        new_image=config.get_property("output") == _NEW_IMAGE,
        opacity=config.get_property("opacity"),
        has_own_mode=config.get_property("layer-mode") == _AS_LAYER,
    )


def show(image: Gimp.Image, made: Sequence[Gimp.Layer]) -> None:
    """Open a window for every layer that is in another image."""
    for layer in made:
        if (new := layer.get_image()) != image:
            must(Gimp.Display.new, new)
    Gimp.displays_flush()
