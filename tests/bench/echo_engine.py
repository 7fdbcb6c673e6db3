"""An engine that paints nothing: it sends back what it gets, so that the way there and back can be timed alone."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from plugin import __version__
from plugin.shared import protocol
from plugin.shared.protocol import Hello, Result, Submit


def main() -> None:
    out = sys.stdout.buffer
    protocol.write(out, Hello(protocol.VERSION, __version__, {"cpu": "Echo"}))
    while (message := protocol.read(sys.stdin.buffer)) is not None:
        if isinstance(message, Submit):
            protocol.write(out, Result(message.job.id, message.job.content, "Echo", 0.0, [], {}))


if __name__ == "__main__":
    main()
