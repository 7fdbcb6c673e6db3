"""The engine from a shell: ``python3 -m plugin stylize CONTENT STYLE -o OUT``."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from plugin import __version__, client, locations
from plugin.settings import TABLE, Setting, Settings


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        from plugin import doctor

        return doctor.main()
    if importlib.util.find_spec("torch") is None:
        return _in_the_engine(sys.argv[1:] if arguments is None else arguments)
    if options.command == "serve":
        from plugin.engine import worker

        worker.main()
        return 0
    from plugin.engine import shell

    return shell.stylize(options, _settings(parser, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m plugin", description="Neural style transfer.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stylize = commands.add_parser("stylize", help="paint one picture in the style of another")
    stylize.add_argument("content", type=Path, metavar="CONTENT", help="the picture to paint")
    stylize.add_argument("style", type=Path, metavar="STYLE", help="the picture whose style it gets")
    stylize.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write")
    stylize.add_argument("--report", type=Path, metavar="FILE.json", help="write settings, device, times and losses")
    for setting in TABLE:
        _add_flag(stylize, setting)
    commands.add_parser("serve", help="answer messages on standard input and output, for the plug-in")
    commands.add_parser("doctor", help="say what is installed and what is wrong")
    return parser


def _add_flag(parser: argparse.ArgumentParser, setting: Setting) -> None:
    values = setting.default
    if setting.choices:
        parser.add_argument(
            f"--{setting.dashed}",
            choices=[choice.value for choice in setting.choices],
            default=setting.default,
            help=f"{setting.help} (default: {values})",
        )
        return
    parser.add_argument(
        f"--{setting.dashed}",
        type=setting.kind,
        default=setting.default,
        metavar="N",
        help=f"{setting.help} From {setting.minimum:g} to {setting.maximum:g}. (default: {values:g})",
    )


def _settings(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Settings:
    try:
        return Settings(**{setting.name: getattr(options, setting.name) for setting in TABLE})
    except ValueError as error:
        parser.error(str(error))


def _in_the_engine(arguments: list[str]) -> int:
    """Run the same command in the installed environment, which has torch."""
    python = locations.python_of(locations.engine_folder())
    if not python.is_file() or Path(sys.prefix) == locations.engine_folder():
        print(client.EngineMissing(), file=sys.stderr)
        return 1
    command = [str(python), "-m", "plugin", *arguments]
    environment = client.environment() | {"PYTHONPATH": str(locations.PLUG_IN_ROOT)}
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
