"""Pictures of every state of the window, to be looked at: ``python3 -m tests --screens [FOLDER]``.

Each in English and Chinese, on GIMP's dark and its light theme; the main ones also on a screen with two pixels a point.
"""

from __future__ import annotations

import gettext
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from plugin.shared import i18n
from tests import gimp_root
from tests.conftest import clone
from tests.gimp.test_window import Window
from tests.gimp_root import REPOSITORY, Gimp

_STYLES = REPOSITORY / "plugin" / "data" / "styles"
_PAGES = ("objective", "optimization", "picture", "computer", "result")
_OPEN = ("alt+r", "a", "n")
_OPEN_RESTYLE = ("alt+r", "a", "y")
_TO_THE_PICTURES = ("alt+q", *["shift+Tab"] * 3)
_TO_THE_PAGES_OF_PICTURES = ("alt+a", "Left", "Tab")

_PAINTED = f"""stage.styled(image, image.get_layers()[-1:], stage.STYLE, [stage.Path({str(_STYLES)!r}) /
    "van_gogh_village_street_in_auvers.jpg"], ["", "two"], blend="70,40", strength=60.0, size=64, iterations=5)"""
_MASKED = """(lambda layer: (layer.add_mask(layer.create_mask(0)), layer.set_edit_mask(True),
    image.set_selected_layers([layer])))(image.get_layers()[0])"""


@dataclass(frozen=True)
class Look:
    """How GIMP looks, and whether only the main states are of interest in it."""

    language: str
    theme: str
    scale: int = 1

    @property
    def name(self) -> str:
        return f"{self.language}-{self.theme}" + (f"-{self.scale}x" if self.scale > 1 else "")

    def text(self, english: str) -> str:
        """What is read in this language."""
        catalogue = gettext.translation(i18n.DOMAIN, i18n.CATALOGUES, [self.language], fallback=True)
        return i18n.without_mnemonic(catalogue.gettext(english)).rstrip("…")


_LOOKS = (
    *(Look(language, theme) for language in ("en", "zh_CN") for theme in ("dark", "light")),
    *(Look("en", "dark", 2), Look("zh_CN", "light", 2)),
)


class Photographer:
    """Brings the window into its states, one after the other, and keeps a picture of each."""

    def __init__(self, gimp: Gimp, look: Look, engine: Path) -> None:
        self._gimp, self._look = gimp, look
        gimp.screen = f"{1600 * look.scale}x{1200 * look.scale}"
        self._engine = gimp.folder / "engine"
        """A link, so that the engine can be missing for a while."""
        self._installed = engine
        self._is_missing(False)
        self._preferences = [profile / "gimprc" for profile in (gimp.home / ".config" / "GIMP").iterdir()]
        for file in self._preferences:
            file.write_text(f"(theme-color-scheme {look.theme})\n")
        language = {"LANG": "zh_CN.UTF-8", "LANGUAGE": "zh_CN"} if look.language == "zh_CN" else {"LANGUAGE": "en"}
        scale = {"GDK_SCALE": str(look.scale)} if look.scale > 1 else {}
        self._window = Window(gimp, NEURAL_STYLE_ENGINE_DIR=str(self._engine), **language, **scale)
        self._window.pictures /= look.name
        self._title, self._restyle, self._explore, self._progress = map(
            look.text, ("_Neural Style Transfer…", "Rest_yle…", "Explore", "Painting")
        )

    def close(self) -> None:
        self._window.close()
        self._gimp.close()
        for file in self._preferences:
            file.unlink()

    def take_main(self) -> None:
        self._open()
        self._picture("first")
        self._settle("proof", 90)
        self._press("alt+x")
        self._settle("explore", 240, title=self._explore)
        self._press("Escape", title=self._explore)
        self._window.wait_for(lambda: not self._window.find(self._explore), "the variations to close", 30)
        self._choose_several()
        self._settle("several", 90)
        self._advanced()
        self._paint()

    def take_others(self) -> None:
        self._take_restyle()
        self._take_pages_of_pictures()
        self._take_faults()
        self._do(_MASKED)
        self._press(*_OPEN, title=None)
        time.sleep(3)
        self._window.picture("refused")

    def _open(self, keys: tuple[str, ...] = _OPEN, title: str = "") -> None:
        self._press(*keys, title=None)
        self._window.wait_for(lambda: self._window.find(title or self._title), "the window", 60)

    def _cancel(self, title: str = "") -> None:
        self._press("Escape", title=title or self._title)
        self._window.wait_for(lambda: not self._window.engines(), "the engine to end", 30)

    def _choose_several(self) -> None:
        self._press(*_TO_THE_PICTURES, "Menu", "Down", "Return")
        self._press("Left", "Left", "space")
        self._press("alt+q", "shift+Tab", "shift+Tab", "Down", "Down")

    def _advanced(self) -> None:
        self._press("alt+a", "Tab")
        for number, page in enumerate(_PAGES):
            self._press(*["Right"] * bool(number))
            self._picture(page)
        self._press("alt+a", "Left")

    def _paint(self) -> None:
        self._press("alt+o")
        self._window.wait_for(lambda: self._window.find(self._progress), "the window with the progress", 60)
        time.sleep(20)
        self._picture("painting", title=self._progress)
        self._cancel(self._progress)

    def _take_restyle(self) -> None:
        self._do(_PAINTED)
        self._open(_OPEN_RESTYLE, self._restyle)
        self._settle("restyle", 90, title=self._restyle)
        self._cancel(self._restyle)
        self._do("image.remove_layer(image.get_selected_layers()[0])")
        self._do("image.set_selected_layers(image.get_layers())")

    def _take_pages_of_pictures(self) -> None:
        broken = self._gimp.folder / "broken.jpg"
        broken.write_text("no picture")
        styles = [self._gimp.folder / "vanished.jpg", broken, _STYLES / "hokusai_poppies.jpg"]
        remembered = {"styles": [style.as_uri() for style in styles], "folder": _STYLES.as_uri()}
        kept = self._gimp.home / ".config" / "neural-style" / "styles.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(remembered))
        self._open()
        self._press(*_TO_THE_PAGES_OF_PICTURES)
        for page, keys in {"folder": ("Right", "Right"), "open": ("Right",), "vanished": ("Left", "Left")}.items():
            self._press(*keys, "space")
            self._picture(page)
        self._press(*["Tab"] * 5, "space")
        self._picture("vanished")
        self._press("Right", "space")
        self._settle("broken", 60)
        self._cancel()
        kept.unlink()

    def _take_faults(self) -> None:
        self._open()
        time.sleep(20)
        self._press("alt+t", "ctrl+a", "7", "0", "Tab")
        time.sleep(1)
        for engine in self._window.engines():
            os.kill(engine, signal.SIGKILL)
        self._settle("engine-died", 20)
        self._cancel()
        self._is_missing(True)
        self._open()
        self._settle("engine-missing", 20)
        self._cancel()
        self._is_missing(False)

    def _do(self, expression: str) -> None:
        """Something with the image; whatever its value is, no answer is needed but that it is done."""
        self._window.ask(f"bool({expression})", seconds=120)

    def _is_missing(self, missing: bool) -> None:
        self._engine.unlink(missing_ok=True)
        if not missing:
            self._engine.symlink_to(self._installed)

    def _press(self, *keys: str, title: str | None = "") -> None:
        self._window.keys(*keys, title=self._title if title == "" else title)

    def _picture(self, name: str, title: str = "") -> None:
        time.sleep(1)
        self._window.picture(name, title or self._title)

    def _settle(self, name: str, seconds: float, title: str = "") -> None:
        """Keep a picture once nothing has moved for a while, or after so many seconds."""
        end, same, before = time.monotonic() + seconds, 0, b""
        while same < 4 and time.monotonic() < end:
            self._picture(name, title)
            now = (self._window.pictures / f"{name}.png").read_bytes()
            same, before = (same + 1 if now == before else 0), now


def main() -> int:
    """Install the plug-in as a newcomer, take the pictures and say where they are."""
    gimp = gimp_root.find()
    try:
        installed = gimp.command(["python3", "install.py"], cwd=clone(gimp.folder / "checkout"), timeout=1200)
        if installed.returncode:
            print(installed.stdout + installed.stderr, file=sys.stderr)
            return installed.returncode
        pictures = shoot(gimp, gimp.home / ".local" / "share" / "neural-style" / "engine")
    finally:
        gimp.close()
    if len(sys.argv) > 1:
        pictures = Path(shutil.copytree(pictures, sys.argv[1], dirs_exist_ok=True))
    print(f"The pictures are in {pictures}")
    return 0


def shoot(gimp: Gimp, engine: Path) -> Path:
    """Take all pictures and return the folder that they are in."""
    for look in _LOOKS:
        photographer = Photographer(gimp, look, engine)
        try:
            photographer.take_main()
            if look.scale == 1:
                photographer.take_others()
        finally:
            photographer.close()
    return gimp.folder / "pictures"


if __name__ == "__main__":
    sys.exit(main())
