"""The engine from a shell: ``python3 -m plugin stylize CONTENT STYLE -o OUT``, a grid search with it, its speed."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

from plugin import __version__
from plugin.shared import engine_client, i18n, log, paths, sweep_grid
from plugin.shared.i18n import _
from plugin.shared.settings import TABLE, Setting, Settings

_log = logging.getLogger("neural-style.command")

_NEEDED = ("torch", "torchvision", "numpy", "PIL", "pyvips")
"""What the engine imports, of what requirements.txt has installed."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says, in the installed engine where there is one, and return the exit status."""
    i18n.can_be_printed_anywhere()
    options = _parser().parse_args(arguments)
    if options.command == "doctor":
        from plugin.install import doctor

        return doctor.main()
    python = paths.python_of(paths.engine_folder())
    if python.is_file() and not _has_the_engines_packages():
        return _start(python, sys.argv[1:] if arguments is None else arguments)
    return here(arguments)


def here(arguments: list[str] | None = None) -> int:
    """The same in this interpreter, whichever it is: it starts no other."""
    i18n.can_be_printed_anywhere()
    parser = _parser()
    options = parser.parse_args(arguments)
    if lacking := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        return _say_what_is_missing(_("{packages} missing").format(packages=", ".join(lacking)))
    try:
        return _run(parser, options)
    except ImportError as error:
        log.to_file()
        _log.exception("the engine cannot be loaded")
        return _say_what_is_missing(str(error))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.command == "serve":
        from plugin.engine import worker

        worker.main()
        return 0
    if options.command == "sweep":
        cells = _grid(parser, options)
        from plugin.engine import sweep

        return sweep.command(options, cells)
    if options.command == "bench":
        from plugin.engine.bench import command

        return command.run(options)
    from plugin.engine import cli

    return cli.stylize(options, _settings(parser, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m plugin", description="Neural style transfer.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    stylize = commands.add_parser("stylize", help="paint one picture in the style of another")
    _add_pictures(stylize)
    stylize.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write")
    stylize.add_argument(
        "--report", type=Path, metavar="FILE.json", help="write settings, device, times, losses and measures"
    )
    stylize.add_argument("--report-every", type=_count, default=1, metavar="N", help="of its losses, every so many")
    stylize.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the losses over the seconds")
    for setting in TABLE:
        _add_flag(stylize, setting)
    _add_sweep(commands.add_parser("sweep", help="paint a grid of settings, small, and rank them"))
    _add_bench(commands.add_parser("bench", help="measure how fast this computer paints"))
    commands.add_parser("serve", help="answer messages on standard input and output, for the plug-in")
    commands.add_parser("doctor", help="say what is installed and what is wrong")
    return parser


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("content", type=Path, metavar="CONTENT", help="the picture to paint")
    parser.add_argument("style", type=Path, nargs="+", metavar="STYLE", help="the pictures whose style it gets")
    parser.add_argument(
        "--region",
        type=Path,
        action="append",
        metavar="MASK",
        help="where a style is wanted: a picture, white inside; once for each style in their order, - for everywhere",
    )


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Paint every combination of the values of some settings, measure and rank them. This makes a contact sheet, "
        "the last setting across and the others down, and beside it a table with the same name as .csv and .json."
    )
    _add_pictures(parser)
    parser.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="SETTING=VALUES",
        help="strength=20,50,80: a setting and its values, separated by commas, or by semicolons where they contain "
        f"commas; once for each setting to vary. At most {sweep_grid.MOST_CELLS} combinations.",
    )
    parser.add_argument(
        "--score",
        choices=[score.value for score in sweep_grid.SCORES],
        default=sweep_grid.SCORES[0].value,
        help=f"what they are ranked by (default: {sweep_grid.SCORES[0].value}). "
        + " ".join(f"{score.value}: {score.help}." for score in sweep_grid.SCORES),
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="SHEET", help="the contact sheet to write: .png, .jpg, .tif"
    )
    for setting in TABLE:
        _add_flag(parser, setting)
    parser.epilog = (
        f"Where --size is 0 the pictures are painted at {sweep_grid.PROOF_SIZE} pixels, or at the content's size if it "
        "is smaller."
    )


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure one step of the painting at several sizes, beside its convolutions alone and the rate of a matrix "
        "product, and what a pixel costs from small pictures to large ones, and print tables in Markdown. float32 is "
        "always measured, and bfloat16 besides where the device is fast at it or --precision asks for it."
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write bench.json, bench.md, losses.png and pixels.png; without peers the losses are those of a picture "
        "that is painted for that, with gatys and with normal",
    )
    for name, kind, default, help in (
        ("sizes", _sizes, "256,512,1024", "long sides in pixels"),
        ("repeats", _count, 30, "of each measurement, at most; fewer where one takes long"),
        ("tile", _count, 512, "side of the tiles of a step in tiles, at the largest size"),
        ("losses-size", _count, 512, "long side of the pictures for losses.png"),
        ("peer-iterations", _count, 1000, "of neural-style"),
    ):
        help = f"{help} (default: {default})"
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=help)
    parser.add_argument(
        "--megapixels",
        type=_megapixels,
        metavar="N",
        help="pictures of which a step is measured for pixels.png, such as 0.25,1,24 (default: 0.25 to 24, up to "
        "those that take minutes)",
    )
    parser.add_argument(
        "--memory", action="store_true", help="measure the peak memory on a processor, too; on CUDA it always is"
    )
    parser.add_argument(
        "--peers",
        action=argparse.BooleanOptionalAction,
        help="let neural-style paint, too, and tell how much sooner gatys is where it arrives; this installs it in a "
        "folder of its own, and where it is, it paints unless --no-peers is given",
    )
    parser.add_argument(
        "--peer-size", type=_count, metavar="N", help="long side of what it paints (default: the first of --sizes)"
    )
    parser.add_argument(
        "--peer-pair",
        type=Path,
        nargs=2,
        action="append",
        metavar=("CONTENT", "STYLE"),
        help="what it paints, once for each pair (default: the sample photograph in three starter styles)",
    )
    for setting in TABLE:
        if setting.name in ("device", "precision"):
            _add_flag(parser, setting)


def _add_flag(parser: argparse.ArgumentParser, setting: Setting) -> None:
    values = setting.default
    help = setting.help.replace("%", "%%")  # which argparse takes for the beginning of a placeholder
    if setting.choices:
        parser.add_argument(
            f"--{setting.dashed}",
            choices=[choice.value for choice in setting.choices],
            default=setting.default,
            help=f"{help} (default: {values})",
        )
        return
    if setting.kind is bool:
        parser.add_argument(
            f"--{setting.dashed}", action=argparse.BooleanOptionalAction, default=setting.default, help=help
        )
        return
    if setting.kind is str:
        parser.add_argument(f"--{setting.dashed}", default=setting.default, metavar="TEXT", help=help)
        return
    limits = f"From {setting.minimum:g} to {setting.maximum:g}"
    if setting.unit == "GiB":
        limits += " GiB, or with a unit: 500M, 1.5G (G, GB and GiB are all GiB)"
    parser.add_argument(  # as it is typed; the settings make a number of it, or a sentence
        f"--{setting.dashed}", default=setting.default, metavar="N", help=f"{help} {limits}. (default: {values:g})"
    )


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _sizes(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _megapixels(text: str) -> list[float]:
    numbers = [float(part) for part in text.split(",")]
    if not all(0.001 <= number <= 100 for number in numbers):
        raise ValueError
    return numbers


def _settings(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Settings:
    try:
        return Settings(**{setting.name: getattr(options, setting.name) for setting in TABLE})
    except ValueError as error:
        parser.error(str(error))


def _grid(parser: argparse.ArgumentParser, options: argparse.Namespace) -> sweep_grid.Grid:
    base = _settings(parser, options)
    try:
        return sweep_grid.Grid.of(base, sweep_grid.parse(options.vary))
    except ValueError as error:
        parser.error(str(error))


def _has_the_engines_packages() -> bool:
    """Whether this interpreter is the installed environment's, or imports the packages from there.

    One that has a torch of its own need not have the other packages, nor any of them in the versions that were tried.
    """
    folder = paths.engine_folder().resolve()
    torch = importlib.util.find_spec("torch")
    places = [sys.prefix, *(torch.submodule_search_locations or () if torch else ())]
    return any(Path(place).resolve().is_relative_to(folder) for place in places)


def _start(python: Path, arguments: list[str]) -> int:
    """Run the same command in the installed environment, and nowhere else from there."""
    command = [str(python), "-c", "import sys; from plugin import __main__; sys.exit(__main__.here())", *arguments]
    environment = engine_client.environment() | {"PYTHONPATH": str(paths.PLUG_IN_ROOT)}
    try:
        return subprocess.call(command, env=environment)
    except KeyboardInterrupt:
        return 130


def _say_what_is_missing(reason: str) -> int:
    folder = paths.engine_folder()
    sentence = str(engine_client.EngineMissing())
    if paths.python_of(folder).is_file():
        sentence = _(
            "The Neural Style engine in {folder} is damaged ({reason}); run “python3 install.py” in the folder of "
            "Neural Style to repair it."
        ).format(folder=folder, reason=reason)
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
