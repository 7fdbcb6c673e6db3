"""The memory of styles: short, and never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugin import locations, recent, starters
from plugin.recent import Remembered


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(locations, "config_folder", lambda: tmp_path)
    return locations.recent_styles()


def test_the_one_used_last_comes_first_and_once_and_twelve_are_kept() -> None:
    for number in range(20):
        recent.use(f"file:///{number}.png")
    recent.choose_folder("file:///own")
    recent.use("file:///15.png", "file:///new.png")
    styles = recent.load().styles
    assert styles[:3] == ("file:///15.png", "file:///new.png", "file:///19.png")
    assert len(styles) == len(set(styles)) == 12
    recent.forget("file:///new.png")
    assert recent.load() == Remembered(tuple(style for style in styles if style != "file:///new.png"), "file:///own")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"styles": 5, "folder": []}', '{"styles": [1, "", null]}', "\0"])
def test_a_broken_file_is_an_empty_memory_and_mended_by_the_next_use(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert recent.load() == Remembered()
    recent.use("file:///a.png")
    assert recent.load() == Remembered(("file:///a.png",))


def test_a_memory_that_cannot_be_kept_is_no_error(file: Path) -> None:
    file.mkdir()
    recent.use("file:///a.png")
    assert recent.load() == Remembered()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_starter_style_has_a_title_and_an_artist() -> None:
    assert set(starters.titles()) == set(starters.FOLDER.glob("*.jpg"))
    assert starters.titles()[starters.FIRST] == "Village Street in Auvers – Vincent van Gogh"
