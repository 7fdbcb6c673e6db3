"""GIMP in Chinese: the window, what GIMP knows of the filter, and what the filter and its engine say."""

from __future__ import annotations

import re

from gi.repository import Gimp

from plugin.shared import i18n, settings
from tests.gimp.inside import tour, window
from tests.gimp.inside.faults import refused
from tests.gimp.inside.stage import new_image, new_layer

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_nothing_of_ours_in_any_window_is_english() -> None:
    catalogue = vars(i18n._catalogue)["_catalog"]
    english = {text.replace("_", "") for text, translated in catalogue.items() if _CHINESE.search(translated)}
    assert "Style" in english
    for page in tour.pages():
        assert not page.texts & english, page.texts & english


def test_no_two_mnemonics_of_a_page_are_the_same() -> None:
    window.test_no_two_mnemonics_of_a_page_are_the_same()


def test_every_window_fits_a_small_screen_whatever_the_names() -> None:
    window.test_every_window_fits_a_small_screen_whatever_the_names()
    window.test_what_there_is_no_room_for_is_in_a_tooltip()


def test_menu_entry_settings_and_help_are_translated() -> None:
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-neural-style")
    assert procedure.get_menu_label() == "神经风格迁移(_N)…"
    assert procedure.get_blurb() == "以某幅图像的风格绘制图层"
    assert _CHINESE.search(procedure.get_help())
    arguments = {each.get_name(): each for each in procedure.get_arguments()}
    assert arguments["style-scale"].get_nick() == "笔触大小(%)(_K)"
    for name in ("style", "more-styles", "regions", *(setting.dashed for setting in settings.TABLE)):
        assert _CHINESE.search(arguments[name].get_blurb()), name
    quality = Gimp.param_spec_choice_get_choice(arguments["quality"])
    assert quality.get_label("draft") == "草稿"
    assert _CHINESE.search(quality.get_help("draft"))


def test_what_the_filter_and_the_engine_refuse_is_said_in_chinese() -> None:
    image = new_image()
    layer = new_layer(image, "图层")
    assert refused(image, [layer], blend="60,x") == "blend 的值为 “60,x”；“x” 必须是大于 0 且小于 1000000 的数字。"
    empty = new_layer(image, "空", paint=lambda x, y: (0, 0, 0, 0))
    assert refused(image, [empty]) == "该图层完全透明；请选择有可见内容的。"
