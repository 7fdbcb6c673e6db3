"""The one table of every setting.

The PDB arguments, the dialog's widgets, the command line's flags, the JSON on the wire and the table in the README are
all made from :class:`Settings`. A new setting is one field here and the code that obeys it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """One value of a setting that is chosen from a list."""

    value: str
    label: str
    help: str


@dataclass(frozen=True)
class Setting:
    """What a person needs to know of one setting.

    ``label`` carries GTK's mnemonic underscore. ``minimum`` and ``maximum`` are inclusive and None for choices.
    """

    name: str
    default: Any
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def kind(self) -> type:
        """``str`` for a choice, else ``int`` or ``float``."""
        return type(self.default)

    @property
    def dashed(self) -> str:
        """The name as the PDB and the command line write it: ``style-scale``."""
        return self.name.replace("_", "-")

    def check(self, value: Any) -> Any:
        """Return ``value`` in this setting's type.

        Raises:
            ValueError: one sentence, when the value is of another kind or out of range.
        """
        if self.choices:
            allowed = [choice.value for choice in self.choices]
            if value not in allowed:
                raise ValueError(f"{self.dashed} is {value!r}; it must be one of {', '.join(allowed)}.")
            return value
        try:
            number = self.kind(value)
        except (TypeError, ValueError):
            raise ValueError(f"{self.dashed} is {value!r}; it must be a number.") from None
        assert self.minimum is not None and self.maximum is not None
        if not self.minimum <= number <= self.maximum:
            raise ValueError(f"{self.dashed} is {number}; it must lie between {self.minimum} and {self.maximum}.")
        return number


def _number(default: float, minimum: float, maximum: float, label: str, help: str, unit: str = "") -> Any:
    described = {"label": label, "help": help, "minimum": minimum, "maximum": maximum, "unit": unit}
    return dataclasses.field(default=default, metadata=described)


def _choice(default: str, label: str, help: str, *choices: Choice) -> Any:
    return dataclasses.field(default=default, metadata={"label": label, "help": help, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """One value for every setting; each is checked against its range when the object is made.

    Raises:
        ValueError: one sentence that names the setting, its value and what it must be.
    """

    quality: str = _choice(
        "normal",
        "_Quality",
        "How much time the painting may take.",
        Choice("draft", "Draft", "A first look in seconds"),
        Choice("normal", "Normal", "For most pictures"),
        Choice("high", "High", "More scales and iterations, several times slower"),
        Choice("gatys", "Gatys 2016", "The plain objective of the paper, to compare with other programs"),
    )
    strength: float = _number(
        50.0, 0.0, 100.0, "S_trength", "How far the picture turns into a painting: 0 leaves it alone, 100 is all style."
    )
    style_scale: float = _number(
        100.0, 25.0, 400.0, "Stro_ke size", "The size of the style's strokes and shapes in the picture.", "%"
    )
    preserve_colors: str = _choice(
        "off",
        "_Preserve colors",
        "Whether the picture keeps its own colors.",
        Choice("off", "Off", "The style's colors"),
        Choice("luminance", "Luminance", "The style's light and dark in the picture's own colors"),
    )
    size: int = _number(
        0, 0, 16384, "_Working size", "Long side to work at, in pixels; 0 chooses it for the picture.", "px"
    )
    seed: int = _number(0, 0, 2**31 - 1, "Rando_m seed", "The same seed on the same device paints the same picture.")
    device: str = _choice(
        "auto",
        "_Device",
        "What does the computing.",
        Choice("auto", "Automatic", "The best that this computer has"),
        Choice("cpu", "CPU", "The processor"),
        Choice("cuda", "CUDA", "An NVIDIA or AMD graphics card"),
        Choice("mps", "MPS", "An Apple graphics processor"),
        Choice("xpu", "XPU", "An Intel graphics card"),
    )

    def __post_init__(self) -> None:
        for setting in TABLE:
            object.__setattr__(self, setting.name, setting.check(getattr(self, setting.name)))

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object, every one of them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """The settings of a JSON object; what it leaves out has its default.

        Raises:
            ValueError: one sentence, for an unknown name or a value out of range.
        """
        unknown = sorted(set(values) - {setting.name for setting in TABLE})
        if unknown:
            raise ValueError(
                f"There is no setting {unknown[0]!r}; the settings are {', '.join(s.name for s in TABLE)}."
            )
        return cls(**values)


def _table() -> Iterator[Setting]:
    for field in dataclasses.fields(Settings):
        yield Setting(field.name, field.default, **field.metadata)


TABLE: tuple[Setting, ...] = tuple(_table())


def markdown() -> str:
    """The table of settings as the README prints it."""
    rows = ["| setting | values | default | what it does |", "| --- | --- | --- | --- |"]
    for setting in TABLE:
        if setting.choices:
            values = ", ".join(f"`{choice.value}`" for choice in setting.choices)
        else:
            unit = f" {setting.unit}" if setting.unit else ""
            values = f"{setting.minimum:.0f} – {setting.maximum:.0f}{unit}"
        default = f"{setting.default:g}" if not setting.choices else setting.default
        rows.append(f"| `{setting.dashed}` | {values} | {default} | {setting.help} |")
    return "\n".join(rows) + "\n"
