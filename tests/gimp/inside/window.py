"""The windows for everybody: with keys alone, with a screen reader, on a small screen, with long names."""

from __future__ import annotations

from tests.gimp.inside import tour

SCREEN = (1280, 720)


def test_no_two_mnemonics_of_a_page_are_the_same() -> None:
    for page in tour.pages():
        assert not [key for key, count in page.mnemonics.items() if count > 1], page.mnemonics


def test_tab_comes_to_everything_that_can_be_used() -> None:
    for page in tour.pages():
        missed = page.used - page.tabbed
        assert not missed, missed


def test_a_screen_reader_can_say_what_everything_is() -> None:
    for page in tour.pages():
        assert not page.nameless, page.nameless


def test_every_window_fits_a_small_screen_whatever_the_names() -> None:
    for page in tour.pages():
        width, height = page.size
        assert width <= SCREEN[0] and height <= SCREEN[1], page.size
    assert any(tour.LONG in text for page in tour.pages() for text in page.texts)


def test_what_there_is_no_room_for_is_in_a_tooltip() -> None:
    for page in tour.pages():
        assert not page.cut, page.cut
