"""What the bench tells: tables in Markdown, figures with as many digits as mean something, and a line on the way."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a row of names above the others."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def seconds(value: float) -> str:
    """``1.24 s`` or ``36.1 ms``."""
    return f"{value:.2f} s" if value >= 0.9995 else f"{value * 1000:.3g} ms"


def between(low: float, high: float) -> str:
    """The seconds of a range."""
    return f"{seconds(low)} – {seconds(high)}"


def figure(value: float) -> str:
    """``1,240`` or ``3.1``."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def mebibytes(value: int | None) -> str:
    """Bytes as MiB; nothing where they are not known."""
    return "" if value is None else f"{value / 2**20:,.0f} MiB"


def say(sentence: str) -> None:
    """Tell whoever waits how far it is."""
    print(sentence, file=sys.stderr, flush=True)
