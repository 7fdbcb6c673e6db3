"""The one table of every setting.

The PDB arguments, the dialog's widgets, the command line's flags, the JSON on the wire and the table in the README are
all made from :class:`Settings`. A new setting is one field here and the code that obeys it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plugin.shared.i18n import _


@dataclass(frozen=True)
class Choice:
    """One value of a setting that is chosen from a list."""

    value: str
    label: str
    help: str


@dataclass(frozen=True)
class Setting:
    """What a person needs to know of one setting.

    ``label`` carries GTK's mnemonic underscore. ``minimum`` and ``maximum`` are inclusive and there for numbers only;
    ``parse`` is there for texts only and raises ValueError, one sentence, for one that means nothing.
    """

    name: str
    default: Any
    label: str
    help: str
    group: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple[Choice, ...] = ()
    parse: Callable[[str], Any] | None = None

    @property
    def kind(self) -> type:
        """``str`` for a choice or a text, ``bool`` for a switch, else ``int`` or ``float``."""
        return type(self.default)

    @property
    def title(self) -> str:
        """The label with the unit: ``Stro_ke size (%)``."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

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
                raise self._wrong(value, _("it must be one of {values}.").format(values=", ".join(allowed)))
            return value
        if self.kind is bool:
            if value not in (True, False):
                raise self._wrong(value, _("it must be true or false."))
            return bool(value)
        if self.parse is not None:
            try:
                self.parse(value)
            except (TypeError, ValueError, AttributeError) as error:
                raise self._wrong(value, str(error)) from None
            return value
        is_size = self.unit == "GiB"
        try:
            number = parse_gibibytes(value) if is_size and isinstance(value, str) else self.kind(value)
        except (TypeError, ValueError, OverflowError):
            reason = _("it must be a number of GiB, or one with a unit: 4G, 500M.")
            raise self._wrong(value, reason if is_size else _("it must be a number.")) from None
        assert self.minimum is not None and self.maximum is not None
        if not self.minimum <= number <= self.maximum:
            bounds = _("it must lie between {least} and {most}.")
            raise self._wrong(number, bounds.format(least=self.minimum, most=self.maximum))
        return number

    def _wrong(self, value: Any, reason: str) -> ValueError:
        shown = f"“{value}”" if isinstance(value, str) else value
        return ValueError(_("{setting} is {value}; {reason}").format(setting=self.dashed, value=shown, reason=reason))


def parse_gibibytes(text: str) -> float:
    """``500M``, ``1.5 GiB`` or just ``4`` in GiB.

    As everywhere where memory is counted a unit is 1024 times the one before it: M, MB and MiB are the same.

    Raises:
        ValueError: it is no number with such a unit.
    """
    found = re.fullmatch(r"(.*?)\s*([kmgt])(i?b)?", text.strip(), re.IGNORECASE)
    number, unit = (found[1], found[2].lower()) if found else (text, "g")
    return float(number) * 1024.0 ** ("kmgt".index(unit) - 2)


LAYERS = tuple(f"relu{block}_{n}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, count + 1))
"""The names of VGG-16's feature maps, in the order in which they are computed."""


def parse_layers(text: str) -> dict[str, float]:
    """``relu3_1:0.5, relu4_1`` as weights by name; a layer without a number has 1, and no text means no layer.

    Raises:
        ValueError: the end of a sentence, for an unknown layer or a weight that is none.
    """
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _colon, number = part.partition(":")
        if name.strip() not in LAYERS:
            sentence = _("the layers are {layers}, each with a weight if you like: relu3_1:0.5.")
            raise ValueError(sentence.format(layers=", ".join(LAYERS)))
        weights[name.strip()] = _positive(number) if number else 1.0
    return weights


def parse_blend(text: str) -> list[float]:
    """``60, 40`` as numbers; no text means no numbers.

    Raises:
        ValueError: the end of a sentence.
    """
    return [_positive(part) for part in text.split(",")] if text.strip() else []


def blend_text(weights: Sequence[float]) -> str:
    """Numbers as :func:`parse_blend` reads them, to the last bit."""
    return ",".join(repr(float(weight)).removesuffix(".0") for weight in weights)


_MOST_WEIGHT = 1_000_000


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < _MOST_WEIGHT:
        shown = f"“{text.strip()}”" if text.strip() else _("an empty place")
        raise ValueError(_("{text} must be a number above 0 and below {most}.").format(text=shown, most=_MOST_WEIGHT))
    return number


class Group:
    """Where a setting stands in the window and in the README."""

    FRONT = "Painting"
    OBJECTIVE = "Objective"
    SEARCH = "Optimization"
    PICTURE = "Picture"
    MACHINE = "Computer"


def _number(
    default: float, minimum: float, maximum: float, label: str, help: str, unit: str = "", group: str = Group.FRONT
) -> Any:
    described = {"label": label, "help": help, "minimum": minimum, "maximum": maximum, "unit": unit, "group": group}
    return dataclasses.field(default=default, metadata=described)


def _choice(default: str, label: str, help: str, *choices: Choice, group: str = Group.FRONT) -> Any:
    described = {"label": label, "help": help, "choices": choices, "group": group}
    return dataclasses.field(default=default, metadata=described)


def _text(label: str, help: str, parse: Callable[[str], Any], group: str) -> Any:
    return dataclasses.field(default="", metadata={"label": label, "help": help, "parse": parse, "group": group})


def _switch(label: str, help: str, group: str) -> Any:
    return dataclasses.field(default=False, metadata={"label": label, "help": help, "group": group})


@dataclass(frozen=True)
class Settings:
    """One value for every setting; each is checked against its range when the object is made.

    Raises:
        ValueError: one sentence that names the setting, its value and what it must be.
    """

    quality: str = _choice(
        "normal",
        "_Quality",
        "How much time the painting may take; what the settings below leave to it is decided here.",
        Choice("draft", "Draft", "A first look: half a minute on a processor, under a second on a graphics card"),
        Choice("normal", "Normal", "For most pictures: some minutes on a processor, seconds on a graphics card"),
        Choice("high", "High", "Larger and with more iterations: several times slower than normal"),
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
        Choice("histogram", "Histogram", "The style painted with the picture's palette"),
    )
    blend: str = _text(
        "_Blend",
        "With several styles, how much each of them counts, in their order: 60,40; empty is all alike.",
        parse_blend,
        group=Group.FRONT,
    )
    style_measure: str = _choice(
        "auto",
        "Style meas_ure",
        "How far the painting's feature statistics are from the style's.",
        Choice("auto", "As the quality has it", "Wasserstein, and Euclidean for Gatys 2016"),
        Choice("euclidean", "Euclidean", "Between Gram matrices, as in the paper"),
        Choice("mahalanobis", "Mahalanobis", "Between means and covariances, in the style's own whitened space"),
        Choice("wasserstein", "Wasserstein", "Between Gaussians: the work of turning one into the other"),
        group=Group.OBJECTIVE,
    )
    content_measure: str = _choice(
        "euclidean",
        "Content m_easure",
        "How far the painting is from what the picture shows.",
        Choice("euclidean", "Euclidean", "Between feature maps, as in the paper"),
        Choice(
            "ssim", "SSIM", "Structural similarity of the luminance: keeps light, shade and outlines in their place"
        ),
        group=Group.OBJECTIVE,
    )
    content_weight: float = _number(
        1.0,
        0.0,
        1000.0,
        "Co_ntent weight",
        "Counts the content loss so many times as much as the strength says; λ is style weight / content weight.",
        "×",
        group=Group.OBJECTIVE,
    )
    style_weight: float = _number(
        1.0,
        0.0,
        1000.0,
        "Style wei_ght",
        "Counts the style loss so many times; λ is style weight / content weight.",
        "×",
        group=Group.OBJECTIVE,
    )
    tv_weight: float = _number(
        1.0,
        0.0,
        1000.0,
        "S_moothness",
        "Counts the total variation, which is noise between neighbors, so many times as the quality does.",
        "×",
        group=Group.OBJECTIVE,
    )
    content_layers: str = _text(
        "Content layers",
        "Feature maps of the content loss with their weights, such as relu3_1:0.5,relu4_2; empty is as the quality has "
        "them.",
        parse_layers,
        group=Group.OBJECTIVE,
    )
    style_layers: str = _text(
        "Style layers",
        "Feature maps of the style loss with their weights, such as relu1_1:0.5,relu3_1; empty is as the quality has "
        "them.",
        parse_layers,
        group=Group.OBJECTIVE,
    )
    pooling: str = _choice(
        "max",
        "Pool_ing",
        "How the network goes from one size of feature maps to the next.",
        Choice("max", "Maximum", "As the network was trained"),
        Choice("average", "Average", "Smoother, as the paper suggests"),
        group=Group.OBJECTIVE,
    )
    start: str = _choice(
        "content",
        "Start fro_m",
        "What the painting begins as.",
        Choice("content", "Picture", "The picture itself"),
        Choice("recolored", "Recolored", "The picture in the style's colors"),
        Choice("noise", "Noise", "Noise from the random seed"),
        group=Group.SEARCH,
    )
    optimizer: str = _choice(
        "auto",
        "Optimi_zer",
        "The way downhill.",
        Choice("auto", "As the quality has it", "Adam, and L-BFGS for Gatys 2016"),
        Choice("lbfgs", "L-BFGS", "Learns the curvature"),
        Choice("adam", "Adam", "Momentum and a step size for each pixel"),
        Choice("gradient-descent", "Gradient descent", "Straight down"),
        group=Group.SEARCH,
    )
    iterations: int = _number(
        0, 0, 10000, "Iterations", "Of each scale; 0 is as the quality has them.", group=Group.SEARCH
    )
    stop_below: float = _number(
        0.0,
        0.0,
        10.0,
        "Stop below",
        "Ends a scale when ten iterations lowered the loss by less than this; 0 never does.",
        "%",
        group=Group.SEARCH,
    )
    learning_rate: float = _number(
        0.0,
        0.0,
        255.0,
        "Learning rate",
        "Of Adam and gradient descent: the size of the first step in levels of 255; 0 is as the quality has it.",
        group=Group.SEARCH,
    )
    beta1: float = _number(
        0.8, 0.0, 0.999, "B_eta 1", "Of Adam: how long the mean gradient is remembered.", group=Group.SEARCH
    )
    beta2: float = _number(
        0.9, 0.0, 0.9999, "Be_ta 2", "Of Adam: how long the size of the gradients is remembered.", group=Group.SEARCH
    )
    gradient_clipping: float = _number(
        0.0,
        0.0,
        1000.0,
        "Gradient clipping",
        "Shortens gradients longer than so many times the first one of their scale; 0 leaves them.",
        "×",
        group=Group.SEARCH,
    )
    normalize_gradients: bool = _switch(
        "Normalize gradients",
        "Weighs the terms of the loss so that each one's gradient has the same size, whatever the picture and layer.",
        group=Group.SEARCH,
    )
    tileable: bool = _switch(
        "Tileable",
        "Makes left and right, top and bottom fit together, for patterns and textures.",
        group=Group.PICTURE,
    )
    size: int = _number(
        0,
        0,
        16384,
        "Working si_ze",
        "Long side to work at, in pixels; 0 chooses it for the picture.",
        "px",
        group=Group.PICTURE,
    )
    seed: int = _number(
        0,
        0,
        2**31 - 1,
        "Random seed",
        "The same seed on the same device paints the same picture.",
        group=Group.PICTURE,
    )
    device: str = _choice(
        "auto",
        "_Device",
        "What does the computing.",
        Choice("auto", "Automatic", "The best that this computer has"),
        Choice("cpu", "CPU", "The processor"),
        Choice("cuda", "CUDA", "An NVIDIA or AMD graphics card"),
        Choice("mps", "MPS", "An Apple graphics processor"),
        Choice("xpu", "XPU", "An Intel graphics card"),
        group=Group.MACHINE,
    )
    memory: float = _number(
        0.0,
        0.0,
        1024.0,
        "Memory",
        "What the painting may take; 0 is 60 % of what is free.",
        "GiB",
        group=Group.MACHINE,
    )
    precision: str = _choice(
        "auto",
        "Precision",
        "Of the network's arithmetic.",
        Choice("auto", "Automatic", "bfloat16 where the device is fast at it, else float32"),
        Choice("float32", "float32", "Exact, slower on most devices"),
        Choice("bfloat16", "bfloat16", "Half the memory"),
        group=Group.MACHINE,
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
            sentence = _("There is no setting “{name}”; the settings are {names}.")
            raise ValueError(sentence.format(name=unknown[0], names=", ".join(s.name for s in TABLE)))
        return cls(**values)


_LARGEST = {"draft": 512, "normal": 1024, "high": 2048, "gatys": 512}
"""Long side to work at on a processor, by quality."""


def working_size(settings: Settings, long_side: int, device: str) -> int:
    """Long side that a picture of ``long_side`` is worked at, in pixels: its own one where that is not too much.

    ``device`` is what does the computing; on all but ``cpu`` it is soon done and twice as much is not too much.
    """
    largest = _LARGEST[settings.quality] * (1 if device == "cpu" else 2)
    return settings.size or min(long_side, largest)


def _table() -> Iterator[Setting]:
    for field in dataclasses.fields(Settings):
        yield Setting(field.name, field.default, **field.metadata)


TABLE: tuple[Setting, ...] = tuple(_table())


def markdown() -> str:
    """The table of settings as the README prints it."""
    rows = ["| setting | values | default | what it does |", "| --- | --- | --- | --- |"]
    group = ""
    for setting in TABLE:
        if setting.group != group:
            group = setting.group
            rows.append(f"| **{group}** | | | |")
        rows.append(f"| `{setting.dashed}` | {_values(setting)} | {_default(setting)} | {setting.help} |")
    return "\n".join(rows) + "\n"


def _values(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(f"`{choice.value}`" for choice in setting.choices)
    if setting.kind is bool:
        return "on, off"
    if setting.kind is str:
        return "text"
    unit = f" {setting.unit}" if setting.unit else ""
    return f"{setting.minimum:.10g} – {setting.maximum:.10g}{unit}"


def _default(setting: Setting) -> str:
    if setting.kind is bool:
        return "on" if setting.default else "off"
    return setting.default if setting.kind is str else f"{setting.default:g}"
