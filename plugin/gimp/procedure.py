"""Registers with GIMP; :func:`run` makes layers into jobs and their results into new layers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gi.repository import Gegl, Gimp, GLib, GObject

from plugin.gimp import restyle
from plugin.gimp.image import layers, output, style_source
from plugin.gimp.image.layers import Refusal
from plugin.gimp.image.output import AS_EVER, Output, Painted
from plugin.gimp.jobs import request
from plugin.gimp.jobs import run as run_jobs
from plugin.gimp.jobs.request import Order
from plugin.gimp.jobs.session import Studio
from plugin.gimp.jobs.variation import Variation
from plugin.gimp.restyle import Earlier
from plugin.shared import engine_client, i18n, log, paths, settings
from plugin.shared.i18n import _
from plugin.shared.settings import Setting

NAME = "plug-in-neural-style"
RESTYLE = "plug-in-neural-style-restyle"

_log = logging.getLogger("neural-style.gimp")


class NeuralStyle(Gimp.PlugIn):
    """The plug-in as GIMP sees it."""

    def do_set_i18n(self, procedure_name: str) -> tuple[bool, str, str]:
        return True, i18n.DOMAIN, i18n.CATALOGUES.relative_to(paths.PLUG_IN_ROOT).as_posix()

    def do_query_procedures(self) -> list[str]:
        return [NAME, RESTYLE]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        procedure.set_attribution("Neural Style for GIMP", "Neural Style for GIMP", "2026")
        describe, add_more = (
            (restyle.describe, restyle.add_arguments) if name == RESTYLE else (_describe, output.add_arguments)
        )
        describe(procedure)
        procedure.add_menu_path("<Image>/Filters/Artistic")
        _add_arguments(procedure)
        add_more(procedure)
        procedure.add_core_object_array_return_value(
            "layers",
            _("Layers"),
            _("The new layers, in the order of the given ones."),
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
    """Paint; GIMP calls this, with the arguments that are registered above in ``config``."""
    try:
        log.to_file()
        Gegl.init(None)
        return _success(procedure, _paint(procedure, run_mode, image, drawables, config))
    except engine_client.JobCancelled:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
    except (Refusal, engine_client.EngineError) as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    except Exception:
        _log.exception("the filter failed")
        sentence = _("Neural Style failed and added nothing; what happened is written in {file}.")
        surprise = GLib.Error(sentence.format(file=log.file()))
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, surprise)


def _paint(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: Sequence[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> list[Gimp.Layer]:
    """Ask a person where there is one, paint, and return the new layers.

    Raises:
        Refusal, client.EngineError: one sentence, it cannot be done.
        client.JobCancelled: the person changed their mind.
    """
    asks = run_mode == Gimp.RunMode.INTERACTIVE
    sources, earlier = layers.check(drawables), None
    if procedure.get_name() == RESTYLE:
        earlier = restyle.find(image, sources)
        earlier.fill(config, everything=asks)
        sources = [earlier.source]
    if run_mode != Gimp.RunMode.NONINTERACTIVE:
        style_source.recall_open(config)
    watching, variations = _asked(procedure, run_mode, image, sources, earlier, config)
    with watching as studio:
        wanted = request.of_config(image, config)
        if earlier is None:
            made = stylize(sources, wanted, output.of(config), studio, variations)
        else:
            made = [earlier.restyle(wanted, config.get_property("replace"), studio)]
    if studio is not None:
        output.show(image, made)
    return made


def _asked(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    sources: Sequence[Gimp.Layer],
    earlier: Earlier | None,
    config: Gimp.ProcedureConfig,
) -> tuple[AbstractContextManager[Studio | None], Sequence[Variation]]:
    """The studio for a person who watches, from the window where they have been asked, if so; None if nobody does.

    And the variations that they chose there, none where it is what ``config`` says.

    Raises:
        client.JobCancelled: the person cancelled.
    """
    part, note = (None, "") if earlier is None else (earlier.part, earlier.note)
    if run_mode == Gimp.RunMode.INTERACTIVE:
        from plugin.gimp.window import dialog  # GTK wants a display, which a batch run may not have

        answer = dialog.run(procedure, config, image, sources, part, note)
        if answer is None:
            raise engine_client.JobCancelled
        style_source.remember_open(config)
        return answer
    # Who repeats the filter waits before the same image window as who has just pressed OK.
    is_watched = run_mode == Gimp.RunMode.WITH_LAST_VALS and Gimp.default_display() is not None
    if is_watched and note:
        Gimp.message(note)
    return Studio() if is_watched else nullcontext(), ()


def stylize(
    sources: Sequence[Gimp.Layer],
    wanted: Order,
    place: Output = AS_EVER,
    studio: Studio | None = None,
    variations: Sequence[Variation] = (),
) -> list[Gimp.Layer]:
    """Make one new layer for each of the given ones, all of them or none, and return them.

    With variations each layer gets a group with one painting for every one of them, named after it. With a studio a
    person watches; who has enough keeps what is painted until then.

    Raises:
        Refusal: one sentence, what is asked cannot be done.
        client.EngineError: one sentence, the engine cannot do it.
        client.JobCancelled: the person gave it up.
    """
    works = [(wanted.look(layer), variation) for layer in sources for variation in variations or (None,)]
    looks = [look for look, _variation in works]
    orders = [variation.of(wanted) if variation else wanted for _look, variation in works]
    notes = run_jobs.paint(looks, orders, studio)
    layers.check_still_there(looks[: len(notes)])
    painted = []
    for (look, variation), note in zip(works, notes):
        name = wanted.layer_name(look.name)
        painted.append(Painted(look, variation.name, note, group=name) if variation else Painted(look, name, note))
    return place.deliver(wanted.image, painted)


def _describe(procedure: Gimp.Procedure) -> None:
    procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
    procedure.set_documentation(
        _("Paint layers in the style of a picture"),
        _(
            "Makes a new layer above each selected one: its content, painted in the style of another picture with the "
            "method of Gatys, Ecker and Bethge (Image Style Transfer Using Convolutional Neural Networks, 2016)."
        ),
        procedure.get_name(),
    )
    procedure.set_menu_label(_("_Neural Style Transfer…"))


def _add_arguments(procedure: Gimp.Procedure) -> None:
    """Register styles, regions and settings."""
    procedure.add_file_argument(
        "style",
        _("St_yle"),
        _("The picture whose style the layers get."),
        Gimp.FileChooserAction.ANY,
        True,
        None,
        GObject.ParamFlags.READWRITE,
    )
    procedure.add_layer_argument(
        "style-layer",
        _("Style layer"),
        _("A layer of any open image as the style, instead of a file: what it shows, with its mask and filters."),
        True,
        GObject.ParamFlags.READWRITE,
    )
    procedure.add_image_argument(
        "style-image",
        _("Style image"),
        _("An open image as the style, instead of a file: what it shows."),
        True,
        GObject.ParamFlags.READWRITE,
    )
    procedure.add_string_array_argument(
        "more-styles",
        _("More styles"),
        _("Paths or URIs of further style pictures; “blend” says how much each style counts."),
        GObject.ParamFlags.READWRITE,
    )
    # Not an array of drawables: GIMP 3.0 refuses one that is empty or left out.
    procedure.add_string_array_argument(
        "regions",
        _("Regions"),
        _(
            "Where each style is wanted, in the order of the styles: the name of a channel, or of a layer, which "
            "counts with its mask or else with its lightness; “selection” is the selection. A style with no name, or "
            "beyond the last one, is wanted everywhere."
        ),
        GObject.ParamFlags.READWRITE,
    )
    for setting in settings.TABLE:
        _add_argument(procedure, setting)
    # For the window alone; they are kept with its other settings.
    for name, blurb, default in (
        ("preview", _("Whether the window paints proofs."), True),
        ("preview-split", _("Whether the preview has a line between before and after."), True),
    ):
        procedure.add_boolean_aux_argument(name, name, blurb, default, GObject.ParamFlags.READWRITE)
    procedure.add_double_aux_argument(
        "preview-position", "preview-position", _("Where that line is."), 0, 1, 0.5, GObject.ParamFlags.READWRITE
    )


def _add_argument(procedure: Gimp.Procedure, setting: Setting) -> None:
    """Make an argument of the PDB from an entry of the table of settings."""
    described = (setting.dashed, _(setting.title), _(setting.help))
    flags = GObject.ParamFlags.READWRITE
    if setting.choices:
        choice = Gimp.Choice.new()
        for number, each in enumerate(setting.choices):
            choice.add(each.value, number, _(each.label), _(each.help))
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
