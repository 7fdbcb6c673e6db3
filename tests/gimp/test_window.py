"""The filter as a person uses it: in GIMP's window, with keys and the mouse."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gimp_root import REPOSITORY, Gimp

_TITLE = "Neural Style Transfer"
_WIDTH, _HEIGHT = 1600, 1200
_STYLE = "van_gogh_village_street_in_auvers.jpg"
_ADD, _SECOND_STYLE = "Add Styles", "hokusai_poppies.jpg"
_MADE = [f"two — {_STYLE}", "two", f"one — {_STYLE}", "one"]


class Window:
    """GIMP's window on the virtual display, and a script inside that answers questions about the image."""

    def __init__(self, gimp: Gimp) -> None:
        self._gimp = gimp
        for remembered in (gimp.home / ".config" / "GIMP").glob("*/plug-in-settings"):
            shutil.rmtree(remembered)
        code = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
            "from tests.gimp.inside import listener; listener.show_and_listen()"
        )
        self._environment = {"DISPLAY": gimp.display, "NEURAL_STYLE_TESTS": str(gimp.folder), "NO_AT_BRIDGE": "1"}
        executable = gimp.executable.replace("gimp-console", "gimp")
        arguments = [executable, "--new-instance", "--no-splash", "--batch-interpreter=python-fu-eval", "-b", code]
        self._output = (gimp.folder / "window.log").open("w")
        self._process = gimp.popen(
            arguments, environment=self._environment, stdout=self._output, stderr=subprocess.STDOUT
        )
        self.wait_for(lambda: self.find("GIMP$") is not None, "GIMP's window", 120)
        self._command(
            "xdotool", "windowmove", self._main, "0", "0", "windowsize", self._main, str(_WIDTH), str(_HEIGHT)
        )
        time.sleep(1)

    def close(self) -> None:
        self._tell("None")
        self._process.kill()
        self._process.wait(30)
        self._output.close()

    def ask(self, question: str) -> Any:
        """The value of an expression about ``image``."""
        answer = self._gimp.folder / "answer"
        self._tell(question)
        self.wait_for(answer.is_file, f"an answer to {question}", 30)
        text = answer.read_text(encoding="utf-8")
        answer.unlink()
        return ast.literal_eval(text)

    def layers(self) -> list[str]:
        return self.ask("stage.tree(image)")

    def engines(self) -> list[int]:
        return self.ask("stage.engines()")

    def find(self, title: str) -> str | None:
        """A window that is seen, by a part of its title."""
        found = self._command("xdotool", "search", "--onlyvisible", "--name", title).split()
        return found[-1] if found else None

    def keys(self, *keys: str, title: str | None = None) -> None:
        """Press keys one after the other in the window with this title, or in GIMP's own."""
        window = self._main if title is None else self.find(title)
        assert window is not None, f"there is no window {title}"
        self._command("xdotool", "windowfocus", "--sync", window)
        for key in keys:
            self._command("xdotool", "key", key)
            time.sleep(0.5)

    def type(self, text: str) -> None:
        self._command("xdotool", "type", "--delay", "20", text)
        time.sleep(0.5)

    def open_dialog(self) -> None:
        """From the menu: Filters ▸ Artistic ▸ Neural Style Transfer…"""
        self.keys("alt+r", "a", "n")
        self.wait_for(lambda: self.find(_TITLE) is not None, "the dialog", 30)

    def painted(self) -> bytes:
        """The right half of the dialog's preview, before a line is moved: R'G'B' bytes."""
        found, pixels = self.find(_TITLE), self._gimp.folder / "preview.rgb"
        assert found is not None
        self._command("import", "-window", found, "-crop", "170x200+230+100", "-depth", "8", f"rgb:{pixels}")
        return pixels.read_bytes()

    def cancel_progress(self) -> None:
        """Click on *Cancel* beside the progress bar, left of the docks of a new profile."""
        self._command("xdotool", "mousemove", str(_WIDTH - 282), str(_HEIGHT - 18), "click", "1")

    def picture(self, name: str) -> None:
        """Keep what is on the display, to be looked at."""
        self._command("import", "-window", "root", str(self._gimp.folder / f"{name}.png"))

    def wait_for(self, ready: Callable[[], Any], what: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end or self._process.poll() is not None:
                self.picture("gave-up")
                log = (self._gimp.folder / "window.log").read_text(encoding="utf-8", errors="replace")
                pytest.fail(f"waited {seconds:.0f} s for {what}\n{log[-3000:]}", pytrace=False)
            time.sleep(0.2)

    @property
    def _main(self) -> str:
        found = self.find("GIMP$")
        assert found is not None, "GIMP's window is gone"
        return found

    def _tell(self, question: str) -> None:
        partial = self._gimp.folder / "question.partial"
        partial.write_text(question, encoding="utf-8")
        partial.rename(self._gimp.folder / "question")

    def _command(self, *arguments: str) -> str:
        return self._gimp.command(arguments, environment=self._environment, timeout=60).stdout


@pytest.fixture(scope="module")
def window(gimp: Gimp) -> Iterator[Window]:
    window = Window(gimp)
    yield window
    window.close()


def test_the_menu_opens_the_dialog_and_cancel_closes_it(window: Window) -> None:
    window.keys("alt+r", "a")
    window.picture("menu")
    window.keys("n")
    window.wait_for(lambda: window.find(_TITLE), "the dialog", 30)
    window.keys("alt+a", title=_TITLE)
    window.picture("dialog")
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.find(_TITLE), "the dialog to close", 10)
    window.wait_for(lambda: not window.engines(), "the engine to end, perhaps while it starts", 5)
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def test_proofs_follow_the_settings_and_end_with_the_window(window: Window) -> None:
    window.open_dialog()
    window.wait_for(lambda: len(set(window.painted())) > 50, "the photograph", 30)
    photograph = window.painted()

    def change() -> float:
        pairs = list(zip(window.painted(), photograph, strict=True))
        return sum(abs(one - other) for one, other in pairs) / len(pairs)

    window.wait_for(lambda: change() > 20, "a proof", 120)
    window.picture("proof")
    window.keys("alt+t", "ctrl+a", "0", "Tab", title=_TITLE)
    window.wait_for(lambda: change() < 8, "a proof at a strength of 0", 120)
    window.keys("alt+t", "ctrl+a", "6", "0", "Tab", title=_TITLE)
    window.wait_for(lambda: change() > 20, "a proof at a strength of 60", 120)

    (engine,) = window.engines()
    os.kill(engine, signal.SIGKILL)
    window.wait_for(lambda: change() < 2, "the picture without a proof", 30)
    window.picture("engine-died")
    assert window.engines() == []
    window.keys("alt+g", title=_TITLE)
    window.wait_for(lambda: change() > 20, "a proof of another engine", 120)

    window.keys("alt+e", title=_TITLE)
    window.wait_for(lambda: change() < 2, "the picture while there is no preview", 10)
    window.keys("alt+e", title=_TITLE)
    window.wait_for(lambda: change() > 20, "a proof in progress", 120)
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.find(_TITLE), "the dialog to close", 10)
    window.wait_for(lambda: not window.engines(), "the engine to end", 5)
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def test_progress_is_told_and_cancel_leaves_the_image_and_no_engine(window: Window) -> None:
    window.open_dialog()
    window.wait_for(window.engines, "the engine", 30)
    engines = window.engines()
    window.keys("alt+o", title=_TITLE)
    time.sleep(12)
    window.picture("progress")
    assert window.engines() == engines, "another engine than the preview's"
    window.cancel_progress()
    window.wait_for(lambda: not window.engines(), "the engine to end", 5)
    window.picture("cancelled")
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def test_ok_makes_all_layers_in_one_undo_step_and_repeat_last_repeats(window: Window) -> None:
    window.open_dialog()
    window.keys("alt+q", "Down", "Down", "alt+a", title=_TITLE)
    # From the last of the widgets in front past the expander to the pages, and there to the size.
    window.keys("alt+p", "Tab", "Tab", "Right", "Right", "Right", "alt+w", "ctrl+a", "4", "0", "Tab", title=_TITLE)
    window.picture("settings")
    window.keys("alt+o", title=_TITLE)
    window.wait_for(lambda: window.layers() == _MADE, "the new layers", 180)
    window.picture("result")
    told = window.ask("stage.recipe(image.get_layers()[0])")
    assert told["settings"]["quality"] == "gatys"
    assert told["settings"]["size"] == 40

    window.keys("ctrl+z")
    window.wait_for(lambda: window.layers() == ["two", "one"], "undo", 20)
    window.keys("ctrl+y")
    window.wait_for(lambda: window.layers() == _MADE, "redo", 20)
    assert window.ask("stage.recipe(image.get_layers()[0])") == told
    window.keys("ctrl+z")
    window.wait_for(lambda: window.layers() == ["two", "one"], "a second undo", 20)

    window.ask("image.set_selected_layers(image.get_layers())")
    window.keys("ctrl+f")
    window.wait_for(lambda: window.layers() == _MADE, "the new layers again", 180)
    assert window.ask("stage.recipe(image.get_layers()[0])")["settings"] == told["settings"]
    assert window.engines() == []


def test_a_second_style_and_its_region_are_chosen_in_the_window(window: Window) -> None:
    before = window.layers()
    window.ask("image.set_selected_layers(image.get_layers()[-1:])")
    window.open_dialog()  # with the settings of the test before
    window.keys("alt+a", "alt+d", title=_TITLE)
    window.wait_for(lambda: window.find(_ADD), "the file chooser", 30)
    window.type(str(REPOSITORY / "plugin" / "styles" / _SECOND_STYLE))
    window.keys("Return", title=_ADD)
    window.wait_for(lambda: not window.find(_ADD), "the file chooser to close", 30)
    window.keys("alt+b", "shift+Tab", "shift+Tab", "shift+Tab", "Down", "Down", title=_TITLE)
    window.picture("styles")
    window.keys("alt+o", title=_TITLE)
    window.wait_for(lambda: len(window.layers()) > len(before), "the new layer", 180)
    told = window.ask("stage.recipe(image.get_selected_layers()[0])")
    assert [style["name"] for style in told["styles"]] == [_STYLE, _SECOND_STYLE]
    assert [style["region"] for style in told["styles"]] == [None, before[0]]
