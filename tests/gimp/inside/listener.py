"""Answers questions about what is in GIMP while its window is used: one expression in a file, its value in another."""

from __future__ import annotations

import time
import traceback

from gi.repository import Gegl, Gimp, Gio

from tests.gimp.inside import stage

QUESTION, ANSWER = stage.FOLDER / "question", stage.FOLDER / "answer"


def show_and_listen() -> None:
    """Show an image with two layers, then evaluate what is asked about it (``image``) until that is ``None``."""
    Gegl.init(None)
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(stage.PHOTOGRAPH)))
    image.undo_enable()  # which a script's file_load leaves off
    (photograph,) = image.get_layers()
    photograph.set_name("one")
    copy = photograph.copy()
    image.insert_layer(copy, None, 0)
    copy.set_name("two")
    image.set_selected_layers(image.get_layers())
    image.clean_all()
    Gimp.Display.new(image)
    while (question := _next_question()) != "None":
        try:
            _write(repr(eval(question, {"Gimp": Gimp, "image": image, "stage": stage})))
        except Exception:
            _write(traceback.format_exc())


def _next_question() -> str:
    while not QUESTION.is_file():
        time.sleep(0.05)
    question = QUESTION.read_text(encoding="utf-8")
    QUESTION.unlink()
    return question


def _write(text: str) -> None:
    """The answer appears at once or not at all."""
    partial = ANSWER.with_name("answer.partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(ANSWER)
