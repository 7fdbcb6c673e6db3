"""Registers with GIMP; :func:`run` makes layers into jobs and their results into new layers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from gi.repository import Gegl, Gimp, GLib, GObject

from plugin import client, locations, settings
from plugin.gimp import layers, order, parasite, style
from plugin.gimp.layers import Look, Refusal
from plugin.gimp.order import Order
from plugin.gimp.style import Style
from plugin.protocol import Job, Progress, Result
from plugin.settings import Setting

NAME = "plug-in-neural-style"

_REPORT_EVERY = 10
"""Iterations from one line of the report to the next; asking for lines also has the likeness computed."""

_log = logging.getLogger("neural-style.gimp")


class Painter(Protocol):
    """An engine, or the studio of a window."""

    def run(self, job: Job, /) -> Iterator[Any]:
        """Paint; yields Progress and, at last, a Result."""


class NeuralStyle(Gimp.PlugIn):
    """The plug-in as GIMP sees it."""

    def do_set_i18n(self, procedure_name: str) -> bool:
        return False

    def do_query_procedures(self) -> list[str]:
        return [NAME]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
        procedure.set_documentation(
            "Paint layers in the style of a picture",
            "Makes a new layer above each selected one: its content, painted in the style of another picture with the "
            "method of Gatys, Ecker and Bethge (Image Style Transfer Using Convolutional Neural Networks, 2016).",
            name,
        )
        procedure.set_menu_label("_Neural Style Transfer…")
        procedure.set_attribution("Neural Style for GIMP", "Neural Style for GIMP", "2026")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.add_file_argument(
            "style",
            "St_yle",
            "The picture whose style the layers get.",
            Gimp.FileChooserAction.ANY,
            True,
            None,
            GObject.ParamFlags.READWRITE,
        )
        procedure.add_layer_argument(
            "style-layer",
            "Style layer",
            "A layer of any open image as the style, instead of a file: what it shows, with its mask and filters.",
            True,
            GObject.ParamFlags.READWRITE,
        )
        procedure.add_image_argument(
            "style-image",
            "Style image",
            "An open image as the style, instead of a file: what it shows.",
            True,
            GObject.ParamFlags.READWRITE,
        )
        procedure.add_string_array_argument(
            "more-styles",
            "More styles",
            "Paths or URIs of further style pictures; “blend” says how much each style counts.",
            GObject.ParamFlags.READWRITE,
        )
        # Not an array of drawables: GIMP 3.0 refuses one that is empty or left out.
        procedure.add_string_array_argument(
            "regions",
            "Regions",
            "Where each style is wanted, in the order of the styles: the name of a channel, or of a layer, which "
            "counts with its mask or else with its lightness; “selection” is the selection. A style with no name, or "
            "beyond the last one, is wanted everywhere.",
            GObject.ParamFlags.READWRITE,
        )
        for setting in settings.TABLE:
            _add_argument(procedure, setting)
        # For the window alone; they are kept with its other settings.
        for name, blurb, default in (
            ("preview", "Whether the window paints proofs.", True),
            ("preview-split", "Whether the preview has a line between before and after.", True),
        ):
            procedure.add_boolean_aux_argument(name, name, blurb, default, GObject.ParamFlags.READWRITE)
        procedure.add_double_aux_argument(
            "preview-position", "preview-position", "Where that line is.", 0, 1, 0.5, GObject.ParamFlags.READWRITE
        )
        procedure.add_core_object_array_return_value(
            "layers",
            "Layers",
            "The new layers, in the order of the given ones.",
            Gimp.Layer,
            GObject.ParamFlags.READWRITE,
        )
        return procedure


def main(arguments: Sequence[str]) -> None:
    """Hand over to GIMP."""
    Gimp.main(NeuralStyle.__gtype__, list(arguments))


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    data: Any,
) -> Gimp.ValueArray:
    """Style the selected layers; GIMP calls this, with the arguments that are registered above in ``config``."""
    Gegl.init(None)
    client.log_to_file()
    try:
        sources = layers.check(drawables)
        if run_mode != Gimp.RunMode.NONINTERACTIVE:
            style.recall_open(config)
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from plugin.gimp import dialog  # GTK wants a display, which a batch run may not have

            studio = dialog.run(procedure, config, image, sources)
            if studio is None:
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
            style.remember_open(config)
            with studio:
                made = stylize(sources, order.of_config(image, config), lambda: nullcontext(studio))
        else:
            made = stylize(sources, order.of_config(image, config))
    except client.JobCancelled:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    except (Refusal, client.EngineError) as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    except Exception:
        _log.exception("the filter failed")
        sentence = f"Neural Style failed and added nothing; what happened is written in {locations.log_file()}."
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence))
    return _success(procedure, made)


def stylize(
    sources: Sequence[Gimp.Layer], wanted: Order, start: Callable[[], AbstractContextManager[Painter]] = client.Engine
) -> list[Gimp.Layer]:
    """Make one new layer above each of the given ones, all of them or none, and return them.

    Args:
        start: what gives an engine, once all that can be refused without one is seen to be well.

    Raises:
        Refusal: one sentence, what is asked cannot be done.
        client.EngineError: one sentence, the engine cannot do it.
        client.JobCancelled: it was given up.
    """
    looks = [wanted.look(layer) for layer in sources]
    masks = [wanted.masks(look) for look in looks]
    notes = []
    Gimp.progress_init("Neural style: starting the engine")
    with start() as engine:
        for place, look in enumerate(looks):
            job = dataclasses.replace(wanted.job(look, masks[place]), id=place, report_every=_REPORT_EVERY)
            for event in engine.run(job):
                if isinstance(event, Progress):
                    _tell(looks, place, event)
                elif isinstance(event, Result):
                    look.paint(event.picture)
                    notes.append(parasite.make(look, wanted.styles, wanted.region_names, event))
    Gimp.progress_end()
    layers.check_still_there(looks)
    made = []
    for look, note in zip(looks, notes, strict=True):
        layer = look.make_layer(wanted.image, _layer_name(look, wanted.styles))
        layer.attach_parasite(note)
        made.append((look, layer))
    layers.add(wanted.image, made)
    return [layer for _, layer in made]


def progress_text(event: Progress, place: int, count: int, seconds_left: float) -> str:
    """One line for GIMP's progress bar; ``place`` counts the layers from 0."""
    which = f"layer {place + 1} of {count}, " if count > 1 else ""
    left = f"{seconds_left:.0f} s" if seconds_left < 100 else f"{seconds_left / 60:.0f} min"
    return (
        f"Neural style: {which}scale {event.scale} of {event.scales} ({event.width} × {event.height}), "
        f"iteration {event.iteration} of {event.iterations}, about {left} left"
    )


def _tell(looks: Sequence[Look], place: int, event: Progress) -> None:
    """Show how far all the layers are, each counted with its area."""
    areas = [look.box.width * look.box.height for look in looks]
    before, this, after = sum(areas[:place]), areas[place], sum(areas[place + 1 :])
    seconds_left = event.seconds_left + (event.seconds + event.seconds_left) * after / this
    Gimp.progress_set_text(progress_text(event, place, len(looks), seconds_left))
    Gimp.progress_update((before + this * event.fraction) / sum(areas))


def _layer_name(look: Look, styles: Sequence[Style]) -> str:
    more = f" +{len(styles) - 1}" if len(styles) > 1 else ""
    return f"{look.name} — {styles[0].name}{more}"


def _add_argument(procedure: Gimp.Procedure, setting: Setting) -> None:
    """Make an argument of the PDB from an entry of the table of settings."""
    label = f"{setting.label} ({setting.unit})" if setting.unit else setting.label
    described = (setting.dashed, label, setting.help)
    flags = GObject.ParamFlags.READWRITE
    if setting.choices:
        choice = Gimp.Choice.new()
        for number, each in enumerate(setting.choices):
            choice.add(each.value, number, each.label, each.help)
        procedure.add_choice_argument(*described, choice, setting.default, flags)
    elif setting.kind is str:
        procedure.add_string_argument(*described, setting.default, flags)
    elif setting.kind is bool:
        procedure.add_boolean_argument(*described, setting.default, flags)
    elif setting.kind is int:
        procedure.add_int_argument(*described, setting.minimum, setting.maximum, setting.default, flags)
    else:
        procedure.add_double_argument(*described, setting.minimum, setting.maximum, setting.default, flags)


def _success(procedure: Gimp.Procedure, made: list[Gimp.Layer]) -> Gimp.ValueArray:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    # Python has no way to fill an array of objects but a config's; its argument for drawables lends the type.
    config = procedure.create_config()
    config.set_core_object_array("drawables", made)
    array = GObject.Value(Gimp.core_object_array_get_type(), config.get_property("drawables"))
    values.remove(1)
    values.insert(1, array)
    return values
