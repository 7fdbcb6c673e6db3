"""The installer's self-check inside GIMP: one picture through the procedure, from file to file."""

from __future__ import annotations

from gi.repository import Gimp, Gio

PROCEDURE = "plug-in-neural-style"


def paint(content: str, style: str, out: str, quality: str, size: int) -> None:
    """Open ``content``, paint its layer in the style of the picture ``style``, export what is seen to ``out``.

    Raises:
        RuntimeError: one sentence, the procedure is not there or did not succeed.
    """
    procedure = Gimp.get_pdb().lookup_procedure(PROCEDURE)
    if procedure is None:
        raise RuntimeError("GIMP started but did not load the filter.")
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(content))
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", image.get_layers())
    config.set_property("style", Gio.File.new_for_path(style))
    config.set_property("quality", quality)
    config.set_property("size", size)
    values = procedure.run(config)
    if values.index(0) != Gimp.PDBStatusType.SUCCESS:
        raise RuntimeError(Gimp.get_pdb().get_last_error())
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(out), None)
    image.delete()
