"""What people read: all of it can be translated, and every translation is whole."""

from __future__ import annotations

import ast
import gettext
import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Message

from tests import translations
from tests.gimp_root import REPOSITORY

_BROUGHT_UP = "run “python3 -m tests --words”"

_PROSE = re.compile(r"^_?[A-Z]_?[a-z]|[a-z”}] [a-z“{]")
"""What a person would read: it begins with a capital letter, or has words one after the other."""

_NO_WORDS = re.compile(r"[\w']+ (float|double|u8|u16)|<Image>.*|(Babl|Gdk|Gegl|Gimp|GimpUi|Gtk)(\.\w+)*")
"""Names: babl's formats, menu paths, modules and types."""

_NAMES = {"Neural Style for GIMP"}
"""What is called the same in every language."""

_HAN = r"[\u4e00-\u9fff]"

IN_GIMP = [path for path in (REPOSITORY / "plugin" / "gimp").rglob("*.py") if path.name != "self_check.py"]
"""The installer's self-check speaks English, as the installer does."""

_UNSEEN = ("_log.", "TypeVar", "gi.require_version", "threading.Thread")
"""Calls whose texts nobody reads in the window."""

EVERYWHERE = sorted((REPOSITORY / "plugin").rglob("*.py"))
REFUSALS = ("Refusal", "EngineError", "Failure", "_error")


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def language(path: Path) -> str:
    return path.parts[-3]


def messages(file: Path) -> list[Message]:
    return [message for message in translations.read(file) if message.id]


def reads_like_prose(text: str) -> bool:
    return bool(_PROSE.search(text)) and not _NO_WORDS.fullmatch(text) and text not in _NAMES


def untranslatable(tree: ast.AST) -> Iterator[str]:
    """The prose under a node that is no documentation, is not inside ``_(…)`` and not for the log."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and ast.unparse(child.func).startswith(_UNSEEN):
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "_":
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and reads_like_prose(child.value):
            yield child.value
        yield from untranslatable(child)


@pytest.mark.parametrize("path", IN_GIMP, ids=name)
def test_everything_to_be_read_in_gimp_can_be_translated(path: Path) -> None:
    assert list(untranslatable(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("path", EVERYWHERE, ids=name)
def test_every_refusal_can_be_translated(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    told = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in REFUSALS]
    assert [text for call in told for text in untranslatable(call)] == []


def test_the_check_for_texts_finds_one_that_cannot_be_translated() -> None:
    code = """
def f():
    "Not this."
    label = Gtk.Label(label="Remove")
    button = Gtk.Button.new_with_mnemonic("_Add…" if more else "A_dd")
    raise Refusal(f"The style “{name}” is gone.")
    raise Refusal(_("The style “{name}” is gone.").format(name=name))
    window.get_widget("style-scale"); buffer.get("R'G'B'A float"); config.get_property("more-styles")
"""
    assert list(untranslatable(ast.parse(code))) == ["Remove", "_Add…", "A_dd", "The style “", "” is gone."]


def test_the_template_has_the_texts_of_the_code() -> None:
    in_code = {message.id for message in translations.collect() if message.id}
    assert {each.id for each in messages(translations.TEMPLATE)} == in_code, _BROUGHT_UP


@pytest.mark.parametrize("file", translations.files(), ids=language)
def test_every_text_is_translated(file: Path) -> None:
    translation = translations.read(file)
    assert {each.id for each in translation if each.id} == {m.id for m in translations.collect() if m.id}, _BROUGHT_UP
    assert translations.missing(translation) == []
    assert not translation.obsolete


@pytest.mark.parametrize("file", translations.files(), ids=language)
def test_values_and_mnemonics_are_in_the_translation_too(file: Path) -> None:
    for message in messages(file):
        text, translated = str(message.id), str(message.string)
        assert fields(translated) == fields(text), text
        assert has_mnemonic(translated) == has_mnemonic(text), text
        assert translated.endswith(("。", ".")) == text.endswith("."), text
        assert translated.endswith("…") == text.endswith("…"), text


@pytest.mark.parametrize("file", translations.files(), ids=language)
def test_what_is_installed_is_what_was_translated(file: Path) -> None:
    with file.with_suffix(".mo").open("rb") as stream:
        installed = gettext.GNUTranslations(stream)
    assert {each.id: installed.gettext(str(each.id)) for each in messages(file)} == {
        each.id: each.string for each in messages(file)
    }, _BROUGHT_UP


def test_chinese_is_set_as_in_gimp() -> None:
    """Full-width punctuation, typographic quotes, a space between Chinese and Latin letters or digits."""
    (file,) = (file for file in translations.files() if language(file) == "zh_CN")
    for message in messages(file):
        text = re.sub(r"\{[^}]*\}|\((_\w|%|×|像素|GiB)\)", "", str(message.string))  # values, mnemonics, units
        assert not re.search(rf"{_HAN}[,;:?!.()]|[,;:?!()]{_HAN}|['\"「」]|\.\.\.", text), text
        assert not re.search(rf"{_HAN}[A-Za-z0-9]|[A-Za-z0-9]{_HAN}", text), text


def test_the_engine_and_the_plug_in_speak_the_language_of_the_environment() -> None:
    code = "from plugin.shared.engine_client import EngineMissing; print(EngineMissing())"
    for tongue, start in (
        ("zh_CN", "Neural Style 引擎没有"),
        ("xx:zh_CN", "Neural Style 引擎没有"),
        ("xx", "The Neural"),
    ):
        variables = dict(os.environ) | {"LANGUAGE": tongue, "PYTHONIOENCODING": "utf-8"}
        said = subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env=variables,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert said.stdout.startswith(start)


def fields(text: str) -> list[str]:
    """The names of the values in a text, as often as they are there."""
    return sorted(field for _text, field, _format, _conversion in string.Formatter().parse(text) if field is not None)


def has_mnemonic(text: str) -> bool:
    return "_" in re.sub(r"relu\d_\d", "", text)
