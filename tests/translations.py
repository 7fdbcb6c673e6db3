"""Collects every text that people read and brings the catalogues up to date: ``python3 -m tests --words``.

What is new in the code comes into the ``.po`` files without a translation; after somebody has given it one, the same
command compiles it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog, extract, mofile, pofile

from plugin.shared import i18n, settings, starter_styles, sweep_grid
from tests.gimp_root import REPOSITORY

TEMPLATE = i18n.CATALOGUES / f"{i18n.DOMAIN}.pot"
_WIDTH = 120


class Texts(Catalog):
    """A catalogue that says nothing of dates and persons, so that the same texts always make the same file."""

    @property  # type: ignore[misc]  # Babel's can be written as well, which nobody does here
    def mime_headers(self) -> list[tuple[str, str]]:
        language = [("Language", str(self.locale))] if self.locale else []
        return [*language, ("Content-Type", "text/plain; charset=utf-8"), ("Content-Transfer-Encoding", "8bit")]


def files() -> list[Path]:
    """Every translation."""
    return sorted(i18n.CATALOGUES.glob(f"*/LC_MESSAGES/{i18n.DOMAIN}.po"))


def collect() -> Texts:
    """The texts in the code, each with the files that have it."""
    found = Texts(fuzzy=False, header_comment="# What Neural Style for GIMP says.")
    for path in sorted((REPOSITORY / "plugin").rglob("*.py")):
        with path.open("rb") as file:
            for _line, text, comments, _context in extract.extract("python", file, {"_": None}, ["Translators:"]):
                found.add(text, locations=[(_name(path), 0)], auto_comments=comments)
    for module, texts in (
        (settings, _of_settings()),
        (sweep_grid, _of_scores()),
        (starter_styles, starter_styles.titles().values()),
    ):
        for text in filter(None, texts):
            found.add(text, locations=[(_name(Path(module.__file__ or "")), 0)])
    return found


def read(file: Path) -> Catalog:
    """The catalogue in a ``.po`` or ``.pot`` file."""
    with file.open("rb") as stream:
        return pofile.read_po(stream, locale=None if file == TEMPLATE else file.parts[-3])


def merged(template: Catalog, translation: Catalog) -> Texts:
    """The texts of the template with what the translation has for them."""
    result = Texts(locale=translation.locale, fuzzy=False, header_comment=translation.header_comment)
    for message in template:
        if message.id:
            known = translation.get(message.id)
            result.add(
                message.id,
                known.string if known else "",
                locations=message.locations,
                flags=known.flags if known else (),
                auto_comments=message.auto_comments,
                user_comments=known.user_comments if known else (),
            )
    return result


def compiled(catalogue: Catalog) -> bytes:
    """A catalogue as gettext reads it."""
    sink = io.BytesIO()
    mofile.write_mo(sink, catalogue)
    return sink.getvalue()


def missing(catalogue: Catalog) -> list[str]:
    """The texts that have no translation yet, or one that its translator was not sure of."""
    return [str(message.id) for message in catalogue if message.id and (not message.string or message.fuzzy)]


def main() -> None:
    """Rewrite the template, bring the translations up to date with it and compile them."""
    template = collect()
    _write(TEMPLATE, template)
    for file in files():
        translation = merged(template, read(file))
        _write(file, translation)
        file.with_suffix(".mo").write_bytes(compiled(translation))
        count = len(missing(translation))
        print(f"{file.relative_to(REPOSITORY)}: {len(translation)} texts, {count} to be translated")


def _of_settings() -> Iterator[str]:
    for setting in settings.TABLE:
        yield from (setting.group, setting.label, setting.title, setting.unit, setting.help)
        for choice in setting.choices:
            yield from (choice.label, choice.help)


def _of_scores() -> Iterator[str]:
    for score in sweep_grid.SCORES:
        yield from (score.label, score.help)


def _name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def _write(file: Path, catalogue: Texts) -> None:
    for message in catalogue:
        message.flags.discard("python-format")  # “60 % of” is no placeholder
    # No line numbers: they would change with every edit of the code, and so would the file.
    with file.open("wb") as stream:
        pofile.write_po(stream, catalogue, width=_WIDTH, include_lineno=False, ignore_obsolete=True)


if __name__ == "__main__":
    main()
