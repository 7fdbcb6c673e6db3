"""The filter as a person uses it: in GIMP's window, with keys and the mouse."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gimp_root import REPOSITORY, Gimp

_TITLE, _PROGRESS, _RESTYLE = "Neural Style Transfer", "Painting", "Restyle"
_EXPLORE = "^Explore$"
_WIDTH, _HEIGHT = 1600, 1200
_SEEN = (170, 200)
"""Width and height of the part of the preview that is looked at."""
_STYLE = "van_gogh_village_street_in_auvers.jpg"
_SECOND_STYLE = "hokusai_poppies.jpg"
_MADE = [f"two — {_STYLE}", "two", f"one — {_STYLE}", "one"]


# Places in the dialog: pixels from its right and its upper edge.
_PRESETS = (200, 28)
_MENU_OF_PRESETS = (30, 28)
_STARTERS = (530, 110)
_LAST_OF_THE_FIRST_ROW = (75, 185)


class Window:
    """GIMP's window on the virtual display, and a script inside that answers questions about the image."""

    def __init__(self, gimp: Gimp, **environment: str) -> None:
        self._gimp = gimp
        self.pictures = gimp.folder / "pictures"
        for remembered in (gimp.home / ".config").glob("GIMP/*/plug-in-settings"):
            shutil.rmtree(remembered)
        shutil.rmtree(gimp.home / ".config" / "neural-style", ignore_errors=True)
        code = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
            "from tests.gimp.inside import listener; listener.show_and_listen()"
        )
        bus = ["dbus-daemon", "--session", "--print-address=1", "--nofork", "--nopidfile"]
        self._bus = gimp.popen(bus, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._bus.stdout is not None
        self._environment = {
            "DISPLAY": gimp.display,
            "NEURAL_STYLE_TESTS": str(gimp.folder),
            "DBUS_SESSION_BUS_ADDRESS": self._bus.stdout.readline().strip(),
            **environment,
        }
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
        self._bus.terminate()
        self._bus.wait(30)

    def ask(self, question: str, seconds: float = 30) -> Any:
        """The value of an expression about ``image``."""
        answer = self._gimp.folder / "answer"
        self._tell(question)
        self.wait_for(answer.is_file, f"an answer to {question}", seconds)
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

    def click_at_part(self, title: str, x: float, y: float, held: str = "") -> None:
        """Click into the window with this title, at parts of its width and height, while a key is held, if any."""
        window = self.find(title)
        assert window is not None, f"there is no window {title}"
        geometry = self._command("xdotool", "getwindowgeometry", "--shell", window)
        size = dict(line.split("=") for line in geometry.split())
        place = [str(round(x * int(size["WIDTH"]))), str(round(y * int(size["HEIGHT"])))]
        pressed = ["keydown", held, "click", "1", "keyup", held] if held else ["click", "1"]
        self._command("xdotool", "mousemove", "--window", window, *place, "sleep", "0.3", *pressed)
        time.sleep(0.5)

    def type(self, text: str) -> None:
        self._command("xdotool", "type", "--delay", "20", text)
        time.sleep(0.5)

    def click(self, right: int, top: int, title: str) -> None:
        """Click so many pixels from the right and the upper edge of the window with this title."""
        x, y = self.point(right, top, title)
        self._command("xdotool", "mousemove", str(x), str(y), "click", "1")
        time.sleep(0.5)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag the mouse from one point of the display to another."""
        self._command("xdotool", "mousemove", *map(str, start), "mousedown", "1")
        for part in range(1, 11):
            x, y = (round(a + (b - a) * part / 10) for a, b in zip(start, end, strict=True))
            self._command("xdotool", "mousemove", str(x), str(y))
            time.sleep(0.1)
        self._command("xdotool", "mouseup", "1")

    def point(self, right: int, top: int, title: str) -> tuple[int, int]:
        """The place on the display so many pixels from the right and the upper edge of the window with this title."""
        window = self.find(title)
        assert window is not None, f"there is no window {title}"
        told = self._command("xdotool", "getwindowgeometry", "--shell", window).split()
        place = dict(line.split("=") for line in told)
        return int(place["X"]) + int(place["WIDTH"]) - right, int(place["Y"]) + top

    def offer(self, *files: Path) -> subprocess.Popen[Any]:
        """A window at the display's lower edge from which files can be dragged, as from a file manager."""
        source = [str(REPOSITORY / "tests" / "gimp" / "drag_source.py"), *(file.as_uri() for file in files)]
        started = self._gimp.popen(["python3", *source], environment=self._environment, stdout=subprocess.DEVNULL)
        self.wait_for(lambda: self.find("Files to drag"), "the files", 30)
        return started

    def read_aloud(self, title: str) -> list[tuple[str, str, str]]:
        """What a screen reader can say of a window: role, name or label, and description of all that can be used."""
        reader = str(REPOSITORY / "tests" / "gimp" / "screen_reader.py")
        read = self._gimp.command(["python3", reader, title], environment=self._environment, timeout=60)
        assert read.returncode == 0, read.stderr
        return [(role, name, help) for role, name, help in map(json.loads, read.stdout.splitlines())]

    def open_dialog(self) -> None:
        """From the menu: Filters ▸ Artistic ▸ Neural Style Transfer…"""
        self.keys("alt+r", "a", "n")
        self.wait_for(lambda: self.find(_TITLE) is not None, "the dialog", 30)

    def stop_painting(self) -> None:
        """Press *Stop Here and Keep*, which is there once there is something to keep, until the window closes."""

        def press() -> bool:
            if (window := self.find(_PROGRESS)) is not None:
                # To this window alone: once it has closed the keys would open one of GIMP's menus.
                self._command("xdotool", "key", "--window", window, "alt+s")
                time.sleep(0.5)
            return self.find(_PROGRESS) is None

        self.wait_for(press, "the painting to stop", 120)

    def painted(self) -> bytes:
        """The right half of the dialog's preview, before a line is moved: R'G'B' bytes."""
        found, pixels = self.find(_TITLE), self._gimp.folder / "preview.rgb"
        assert found is not None
        self._command(
            "import", "-window", found, "-crop", "{}x{}+230+100".format(*_SEEN), "-depth", "8", f"rgb:{pixels}"
        )
        return pixels.read_bytes()

    def picture(self, name: str, title: str | None = None) -> None:
        """Keep what is on the display, or the window with this title, to be looked at."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        seen = "root" if title is None else self.find(title)
        assert seen is not None, f"there is no window {title}"
        # Without the time of day, so that two pictures of the same are the same file.
        plain = ("-define", "png:exclude-chunks=date,time")
        self._command("import", "-window", seen, *plain, str(self.pictures / f"{name}.png"))

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
    window.wait_for(lambda: window.read_aloud(_TITLE), "the dialog to be on the accessibility bus", 30)
    told = window.read_aloud(_TITLE)
    assert {
        ("check box", "Preview"),
        ("radio button", "100 %"),
        ("combo box", "Preset None"),
        ("toggle button", "Presets menu"),
        ("list item", "Poppies – Katsushika Hokusai"),
        ("combo box", "Where this style is wanted Everywhere"),
        ("combo box", "Quality Normal"),
        ("slider", "Strength"),
        ("spin button", "Stroke size (%)"),
    } <= {(role, name) for role, name, _help in told}
    around = ("scroll pane", "scroll bar", "page tab list")
    assert not [each for each in told if not each[1] and each[0] not in around]
    assert ["Ctrl and an arrow key" in help for role, name, help in told if name == "100 %"] == [True]
    window.keys("alt+a", title=_TITLE)
    window.picture("dialog")
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.find(_TITLE), "the dialog to close", 10)
    window.wait_for(lambda: not window.engines(), "the engine to end, perhaps while it starts", 5)
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def _move(left: bytes, right: bytes) -> int:
    """By how many pixels the second picture of :meth:`Window.painted` is further on the right; 0 is not at all."""
    lines = [(left[place : place + _SEEN[0] * 3], right[place : place + _SEEN[0] * 3]) for place in (0, len(left) // 2)]
    moves = [
        pixels
        for pixels in range(60)
        if all(one[pixels * 3 :] == other[: len(other) - pixels * 3] for one, other in lines)
    ]
    assert len(moves) == 1, moves
    return moves[0]


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
    assert engine not in window.engines()
    window.keys("alt+y", title=_TITLE)
    window.wait_for(lambda: change() > 20, "a proof of another engine", 120)

    window.keys("alt+v", title=_TITLE)
    window.wait_for(lambda: change() < 2, "the picture while there is no preview", 10)
    window.keys("alt+v", title=_TITLE)
    window.wait_for(lambda: change() > 20, "a proof in progress", 120)
    window.keys("shift+Tab", "End", title=_TITLE)
    window.wait_for(lambda: change() < 2, "the line to go to the end", 10)
    window.keys("alt+1", title=_TITLE)
    window.wait_for(lambda: change() > 5, "a detail", 10)
    window.picture("detail")
    middle = window.painted()
    window.keys("ctrl+Left", title=_TITLE)
    window.wait_for(lambda: window.painted() != middle, "another detail", 10)
    left = window.painted()
    window.keys("ctrl+Right", title=_TITLE)
    window.wait_for(lambda: window.painted() != left, "a third detail", 10)
    assert 0 < _move(left, middle) < _move(left, window.painted())
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.find(_TITLE), "the dialog to close", 10)
    window.wait_for(lambda: not window.engines(), "the engine to end", 5)
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def test_cancel_in_mid_run_leaves_the_image_and_no_engine(window: Window) -> None:
    window.open_dialog()
    window.wait_for(window.engines, "the engine", 30)
    engines = window.engines()
    window.keys("alt+o", title=_TITLE)
    window.wait_for(lambda: window.find(_PROGRESS), "the window with the progress", 30)
    time.sleep(12)
    window.picture("progress")
    assert window.engines() == engines, "another engine than the preview's"
    window.keys("Escape", title=_PROGRESS)
    window.wait_for(lambda: not window.find(_PROGRESS), "the window to close", 10)
    window.wait_for(lambda: not window.engines(), "the engine to end", 10)
    window.picture("cancelled")
    assert window.layers() == ["two", "one"]
    assert not window.ask("image.is_dirty()")


def test_stop_here_and_keep_in_mid_run_adds_what_is_there_in_one_undo_step(window: Window) -> None:
    window.open_dialog()
    window.keys("alt+o", title=_TITLE)
    window.wait_for(lambda: window.find(_PROGRESS), "the window with the progress", 30)
    window.stop_painting()
    window.wait_for(lambda: len(window.layers()) == 3, "the layer that was begun", 30)
    window.wait_for(lambda: not window.engines(), "the engine to end", 10)
    told = window.ask("stage.recipe(image.get_selected_layers()[0])")
    assert told["stopped"]["scale"] < told["stopped"]["scales"]
    window.keys("ctrl+z")
    window.wait_for(lambda: window.layers() == ["two", "one"], "undo", 20)
    window.ask("image.set_selected_layers(image.get_layers())")


def test_ok_makes_all_layers_in_one_undo_step_and_repeat_last_repeats(window: Window) -> None:
    window.open_dialog()
    window.keys("alt+q", "Down", "Down", "alt+a", title=_TITLE)
    # From the tab of the advanced settings to their pages, and there to the size.
    window.keys("Tab", "Right", "Right", "alt+z", "ctrl+a", "4", "0", "Tab", title=_TITLE)
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


def test_restyle_shows_how_a_layer_was_made_and_replaces_it_in_one_undo_step(window: Window) -> None:
    before = window.layers()
    window.ask("image.set_selected_layers(image.get_layers()[:1])")
    told = window.ask("stage.recipe(image.get_layers()[0])")
    window.keys("alt+r", "a", "y")
    window.wait_for(lambda: window.find(_RESTYLE), "the dialog", 30)
    window.picture("restyle")
    window.keys("alt+q", "Up", "alt+o", title=_RESTYLE)
    made = "stage.recipe(image.get_layers()[0])['settings']"
    window.wait_for(lambda: window.ask(made) != told["settings"], "the layer to be painted anew", 180)
    assert window.ask(made) == told["settings"] | {"quality": "high"}
    assert window.layers() == before
    window.keys("ctrl+z")
    window.wait_for(lambda: window.ask("stage.recipe(image.get_layers()[0])") == told, "undo", 20)
    assert window.layers() == before


def test_explore_takes_a_cells_settings_and_adds_checked_ones_as_a_group_in_one_undo_step(window: Window) -> None:
    before = window.layers()
    window.ask("image.set_selected_layers(image.get_layers()[-1:])")
    window.open_dialog()  # with the settings of the tests before
    window.keys("alt+x", title=_TITLE)
    window.wait_for(lambda: window.find(_EXPLORE), "the window with the variations", 30)
    # The present cell is in the middle and has the focus; on its right are those of strength 70 and 90.
    window.keys("Right", "ctrl+space", title=_EXPLORE)
    window.click_at_part(_EXPLORE, 0.89, 0.5)
    window.click_at_part(_EXPLORE, 0.89, 0.5, held="ctrl")
    window.keys("Left", "space", title=_EXPLORE)
    window.picture("explore")
    window.keys("alt+a", title=_EXPLORE)
    names = ["Strength 70, Stroke size 100 %", "Strength 90, Stroke size 100 %"]
    group = "[[each.get_name() for each in image.get_layers()[-2].get_children()], image.get_layers()[-2].get_name()]"
    window.wait_for(lambda: len(window.layers()) > len(before), "the group", 180)
    assert window.ask(group) == [names, f"one — {_STYLE} #1"]
    assert window.ask("stage.recipe(image.get_layers()[-2].get_children()[1])['settings']['strength']") == 90
    window.keys("ctrl+z")
    window.wait_for(lambda: window.layers() == before, "undo", 20)

    window.open_dialog()
    window.keys("alt+x", title=_TITLE)
    window.wait_for(lambda: window.find(_EXPLORE), "the window with the variations", 30)
    window.keys("Escape", title=_EXPLORE)
    window.wait_for(lambda: not window.find(_EXPLORE), "the variations to close", 10)
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.engines(), "the engine to end", 20)
    assert window.layers() == before


def test_styles_are_chosen_with_the_mouse_and_a_preset_brings_settings_back(window: Window, gimp: Gimp) -> None:
    before = window.layers()
    window.ask("image.set_selected_layers(image.get_layers()[-1:])")
    window.open_dialog()  # with the settings of the test before
    window.click(*_MENU_OF_PRESETS, title=_TITLE)
    window.keys("Down", "Return", title=_TITLE)
    window.wait_for(lambda: window.find("Save Preset"), "the question for a name", 10)
    window.keys(title="Save Preset")
    window.type("small & quick")
    window.keys("Return", title="Save Preset")
    window.wait_for(lambda: not window.find("Save Preset"), "the name to be taken", 10)
    (file,) = (gimp.home / ".config" / "neural-style" / "presets").iterdir()
    kept = json.loads(file.read_text(encoding="utf-8"))["settings"]
    # The strength is that of the cell that Explore's test took with Space, if that test ran before.
    assert kept in ({"quality": "gatys", "size": 40}, {"quality": "gatys", "size": 40, "strength": 70})

    window.keys("alt+q", "Home", title=_TITLE)  # a draft, which is none of the presets
    window.picture("changed")
    window.click(*_PRESETS, title=_TITLE)
    window.keys("Down", "Return", title=_TITLE)

    dropped = [gimp.folder / "one.jpg", gimp.folder / "two.jpg"]
    for path in dropped:
        shutil.copy(REPOSITORY / "plugin" / "data" / "styles" / _STYLE, path)
    files = window.offer(*dropped)
    window.drag((150, 1040), window.point(*_LAST_OF_THE_FIRST_ROW, title=_TITLE))
    time.sleep(1)
    files.kill()
    files.wait(30)
    window.picture("dropped")
    window.click(*_STARTERS, title=_TITLE)
    window.click(*_LAST_OF_THE_FIRST_ROW, title=_TITLE)
    window.keys("alt+q", "shift+Tab", "shift+Tab", "Down", "Down", title=_TITLE)
    window.picture("styles")
    window.keys("alt+o", title=_TITLE)
    window.wait_for(lambda: len(window.layers()) > len(before), "the new layer", 180)
    told = window.ask("stage.recipe(image.get_selected_layers()[0])")
    assert [style["name"] for style in told["styles"]] == [_SECOND_STYLE, "two.jpg"]
    assert [style["region"] for style in told["styles"]] == [before[0], None]
    assert (told["settings"]["quality"], told["settings"]["size"]) == ("gatys", 40)


def test_presets_are_renamed_exported_deleted_and_imported_with_keys(window: Window, gimp: Gimp) -> None:
    folder = gimp.home / ".config" / "neural-style" / "presets"
    folder.mkdir(parents=True, exist_ok=True)
    preset = {"preset": "a draft", "version": "1", "settings": {"quality": "draft"}}
    for name in ("a draft", "another"):
        (folder / f"{name}.json").write_text(json.dumps(preset | {"preset": name}), encoding="utf-8")

    def names() -> set[str]:
        return {json.loads(file.read_text(encoding="utf-8"))["preset"] for file in folder.iterdir()}

    def choose(entry: str, title: str) -> None:
        window.click(*_MENU_OF_PRESETS, title=_TITLE)
        window.keys(entry, title=_TITLE)
        window.wait_for(lambda: window.find(title), title, 10)

    before, exported = names(), gimp.home / "a quick draft.json"
    exported.unlink(missing_ok=True)
    window.open_dialog()
    window.click(*_PRESETS, title=_TITLE)
    window.keys("Home", "Down", "Return", title=_TITLE)
    choose("r", "Rename Preset")
    window.keys(title="Rename Preset")
    window.type("another")
    window.keys("Return", title="Rename Preset")
    window.wait_for(lambda: window.find("^Replace$"), "the question whether to replace it", 10)
    window.picture("replace-preset")
    window.keys("Escape", title="^Replace$")
    window.wait_for(lambda: window.find("Rename Preset"), "the name to be asked again", 10)
    assert names() == before
    window.keys(title="Rename Preset")
    window.type("a quick draft")
    window.picture("rename-preset")
    window.keys("Return", title="Rename Preset")
    window.wait_for(lambda: names() == before - {"a draft"} | {"a quick draft"}, "the new name", 10)

    choose("e", "Export the Preset")
    window.picture("export-preset")
    window.keys("Return", title="Export the Preset")
    window.wait_for(exported.is_file, "the exported file", 10)
    told = json.loads(exported.read_text(encoding="utf-8"))
    assert (told["preset"], told["settings"]) == ("a quick draft", {"quality": "draft"})

    for key, left in (("Escape", {"a quick draft"}), ("Return", set())):
        choose("d", "^Delete$")
        window.picture("delete-preset")
        window.keys(key, title="^Delete$")
        window.wait_for(lambda: not window.find("^Delete$"), "the answer to be taken", 10)
        assert names() == before - {"a draft"} | left

    window.keys("alt+q", "End", title=_TITLE)
    choose("i", "Import a Preset")
    window.keys(title="Import a Preset")
    window.type(str(exported))
    window.keys("Return", title="Import a Preset")
    window.wait_for(lambda: "a quick draft" in names(), "the imported preset", 10)
    exported.unlink()
    choose("e", "Export the Preset")
    window.keys("Return", title="Export the Preset")
    window.wait_for(exported.is_file, "what was imported to be exported again", 10)
    assert json.loads(exported.read_text(encoding="utf-8")) == told
    window.picture("imported")
    window.keys("Escape", title=_TITLE)
    window.wait_for(lambda: not window.find(_TITLE), "the dialog to close", 10)
