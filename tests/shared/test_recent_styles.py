"""The memory of styles: short, and never in the way."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from plugin.shared import formats, paths, recent_styles, starter_styles
from plugin.shared.formats import Kind
from plugin.shared.recent_styles import Remembered
from tests.fixtures import OF_1_0_0


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "config_folder", lambda: tmp_path)
    return paths.recent_styles()


def test_the_one_used_last_comes_first_and_once_and_twelve_are_kept() -> None:
    for number in range(20):
        recent_styles.use(f"file:///{number}.png")
    recent_styles.choose_folder("file:///own")
    recent_styles.use("file:///15.png", "file:///new.png")
    styles = recent_styles.load().styles
    assert styles[:3] == ("file:///15.png", "file:///new.png", "file:///19.png")
    assert len(styles) == len(set(styles)) == 12
    recent_styles.forget("file:///new.png")
    assert recent_styles.load() == Remembered(
        tuple(style for style in styles if style != "file:///new.png"), "file:///own"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"styles": 5, "folder": []}', '{"styles": [1, "", null]}', "\0", "[" * 100_000),
        '{"format": "2", "styles": ["file:///b.png"]}',
    ],
)
def test_a_broken_file_is_an_empty_memory_and_mended_by_the_next_use(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert recent_styles.load() == Remembered()
    recent_styles.use("file:///a.png")
    assert recent_styles.load() == Remembered(("file:///a.png",))


def test_a_style_whose_name_is_half_a_surrogate_pair_is_in_nobodys_way(file: Path) -> None:
    file.write_text('{"styles": ["\\ud800"]}', encoding="utf-8")
    recent_styles.use("file:///a.png")
    assert recent_styles.load().styles[0] == "file:///a.png"


def test_what_1_0_0_remembers_is_read_and_written_in_todays_format(file: Path) -> None:
    shutil.copy(OF_1_0_0 / "styles.json", file)
    before = recent_styles.load()
    assert [style.rpartition("/")[2] for style in before.styles] == [
        "%C3%96lbild%201.png",
        "etching.tif",
        "van_gogh_village_street_in_auvers.jpg",
    ]
    assert before.folder == "file:///home/painter/Pictures/styles"
    recent_styles.use("file:///a.png")
    assert recent_styles.load() == Remembered(("file:///a.png", *before.styles), before.folder)
    assert json.loads(file.read_text(encoding="utf-8"))["format"] == formats.current(Kind.RECENT_STYLES)


def test_what_a_later_version_remembers_is_left_as_it_is(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("neural-style"), "propagate", True)
    later = json.dumps({"format": 99, "version": "9.0", "styles": [{"uri": "file:///a.png"}]})
    file.write_text(later, encoding="utf-8")
    assert recent_styles.load() == Remembered()
    assert "later version" in caplog.text
    recent_styles.use("file:///a.png")
    recent_styles.forget("file:///a.png")
    recent_styles.choose_folder("file:///own")
    assert file.read_text(encoding="utf-8") == later


def test_a_memory_that_cannot_be_kept_is_no_error(file: Path) -> None:
    file.mkdir()
    recent_styles.use("file:///a.png")
    assert recent_styles.load() == Remembered()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_starter_style_has_a_title_and_an_artist() -> None:
    assert set(starter_styles.titles()) == set(starter_styles.FOLDER.glob("*.jpg"))
    assert starter_styles.titles()[starter_styles.FIRST] == "Village Street in Auvers – Vincent van Gogh"
