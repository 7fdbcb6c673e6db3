"""The window for everybody: with keys alone, with a screen reader, on a small screen, with long names."""

from __future__ import annotations

from tests.gimp.inside import walk

SCREEN = (1280, 720)


def test_no_two_mnemonics_of_a_page_are_the_same() -> None:
    for page in walk.pages():
        assert not [key for key, count in page.mnemonics.items() if count > 1], page.mnemonics


def test_tab_comes_to_everything_that_can_be_used() -> None:
    for page in walk.pages():
        missed = page.used - page.tabbed
        assert not missed, missed


def test_a_screen_reader_can_say_what_everything_is() -> None:
    for page in walk.pages():
        assert not page.nameless, page.nameless


def test_the_window_fits_a_small_screen_whatever_the_names() -> None:
    for page in walk.pages():
        width, height = page.size
        assert width <= SCREEN[0] and height <= SCREEN[1], page.size
    assert any(walk.LONG in text for page in walk.pages() for text in page.texts)
