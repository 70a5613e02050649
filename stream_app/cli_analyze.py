"""`stream-app analyze`: its options, and what it prints and writes."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import ACTIVITY
from stream_app.domain.metrics.query import COHORTS, FIGURES, KINDS, MEANS, WINDOWS, ParameterError
from stream_app.domain.periods import WEEKDAYS, Grain
from stream_app.settings import Settings, load_settings, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.offline import Reading

#: Parameters of a figure, in the order of the help: name of the option, its value, meaning.
_PARAMETERS = (
    ("figure", "|".join(FIGURES), "what to count (default: retention)"),
    ("definition", "NAME", "what starts a cohort and returns: engagement (any event, default), repurchase or your own"),
    ("start", "|".join(ACTIVITY), "with --return: the same without a name"),
    ("return", "|".join(ACTIVITY), "with --start"),
    ("grain", "|".join(grain.value for grain in Grain), "the length of periods (default: as usual for the figure)"),
    ("kind", "|".join(kind for kinds in KINDS.values() for kind in kinds),
     "of retention: a return in period k (default), k or later, a bracket; of survival: until churn (default)"),
    ("brackets", "1,3,7", "with kind bracket: their sizes in periods, the first begins at index 1"),
    ("windows", "|".join(WINDOWS), "periods of the calendar (default) or of 24 hours since a user's first event"),
    ("cohorts", "|".join(COHORTS), "a user belongs to the cohort of the first start event (default), or of every one"),
    ("mean", "|".join(MEANS), "over cohorts: by their size (default), or each alike"),
    ("from", "INSTANT", "leave out cohorts and periods that begin before: a date, or 1997-07-01T00:00:00Z"),
    ("until", "INSTANT", "leave out events from here on, and close every period before it (default: the last event)"),
    ("segment", "DIM", "a table for each value of this dimension"),
    ("top", "N", "show the N largest values, the rest as (other) (default: 20)"),
    ("window", "DAYS", "the inactivity window, or of monthly activity (default: 30, or of the definition)"),
    ("last", "N", "only the latest cohorts, periods or days (default: all)"),
)  # fmt: skip

#: Endings of files that say that they are pictures.
_PICTURES = frozenset({"png", "svg", "svgz", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "pdf", "ps", "eps"})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what `analyze` takes."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="events; - is standard input")
    figure = parser.add_argument_group("the figure")
    for name, value, meaning in _PARAMETERS:
        figure.add_argument(f"--{name}", metavar=value, help=meaning, dest=f"parameter_{name}")
    add_counting(parser)
    add_reading(parser)
    output = parser.add_argument_group("what to give")
    output.add_argument("--json", action="store_true", help="print JSON instead of tables")
    output.add_argument("--png", metavar="FILE", help="write a picture")
    output.add_argument("--svg", metavar="FILE", help="write a picture")


def add_counting(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `settings_of`."""
    counting = parser.add_argument_group("how to count")
    counting.add_argument(
        "--config", metavar="FILE", help="settings, YAML: definitions, time zone and the like; options come before it"
    )
    counting.add_argument("--timezone", metavar="ZONE", type=_typed(values.timezone), help="IANA name (default: UTC)")
    counting.add_argument(
        "--week-start", metavar="DAY", choices=WEEKDAYS, help="day a week begins, monday to sunday (default: monday)"
    )
    counting.add_argument(
        "--currency", metavar="CODE", type=_typed(values.currency),
        help="reporting currency, ISO 4217 (default: USD)",
    )  # fmt: skip


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `reading_of`."""
    reading = parser.add_argument_group("how to read")
    reading.add_argument(
        "--format", choices=("jsonl", "csv", "parquet"), help="of the file (default: found by its content)"
    )
    for option, value, meaning in (
        ("--map", "FIELD=COLUMN", "the column that holds a field; of JSON a path such as user.id"),
        ("--set", "FIELD=VALUE", "a value that every record has, such as type=purchase"),
    ):
        reading.add_argument(option, metavar=value, nargs="+", action="extend", default=[], help=meaning)


def _typed(parse: Callable[[object], Any]) -> Callable[[str], Any]:
    """A settings parser as an argparse type, its message kept."""

    def convert(given: str) -> Any:
        try:
            return parse(given)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{given!r} {error}") from error

    return convert


def arranged(parser: argparse.ArgumentParser, args: argparse.Namespace, name: str = "FILE") -> None:
    """Finds the file where it was written behind the values of --map or --set, and checks that it is there."""
    for given in (args.map, args.set):
        if args.file is None and given and "=" not in given[-1]:
            args.file = given.pop()
    if args.file is None:
        parser.error(f"the following arguments are required: {name}")


def question(args: argparse.Namespace) -> dict[str, str]:
    """The parameters of the figure that were given, by their names in the API."""
    found = {name: getattr(args, f"parameter_{name}") for name, _, _ in _PARAMETERS}
    return {name: value for name, value in found.items() if value is not None}


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings to count by: options before the file. The environment is the service's and has no say here."""
    overrides = {name: getattr(args, name) for name in ("timezone", "week_start", "currency")}
    return load_settings(args.config, {}, overrides)


def reading_of(args: argparse.Namespace) -> Reading:
    """How the file is to be read.

    Raises:
        ConfigurationError: of --map or --set.
    """
    from stream_app.offline import Reading, fields

    return Reading(args.format, fields("--map", args.map), fields("--set", args.set))


def pictures(args: argparse.Namespace) -> dict[str, Path]:
    """The files to write pictures into, by form.

    Raises:
        ConfigurationError: one is named as a picture of another form, or its directory is not there.
    """
    found = {form: Path(path) for form, path in (("png", args.png), ("svg", args.svg)) if path is not None}
    for form, path in found.items():
        ending = path.suffix.lower().removeprefix(".")
        if ending in _PICTURES and ending != form:
            other = f"write --{ending} for that, or " if ending in ("png", "svg") else ""
            raise ConfigurationError(
                f"--{form}: {str(path)!r} is named as a picture of another form; {other}name it {path.stem}.{form}"
            )
        if not path.absolute().parent.is_dir():
            raise _unwritten(form, path, "there is no such directory")
    return found


def analyze(run: Callable[..., Mapping[str, Any]], args: argparse.Namespace) -> None:
    """Counts a file, prints the answer and writes the pictures.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    wanted = pictures(args)  # before a long file is read
    show = None
    if sys.stderr.isatty():
        from stream_app.offline import Bar

        show = Bar
    try:
        answer = run(args.file, question(args), settings=settings_of(args), reading=reading_of(args), show=show)
    except ParameterError as error:
        raise ConfigurationError(f"--{error.parameter.replace('_', '-')}: {error.message}") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"FILE: {args.file!r} cannot be read: {error.strerror or error}; correct it"
        ) from error
    for form, path in wanted.items():
        _write_picture(answer, form, path)
    if args.json:
        print(orjson.dumps(answer).decode())
    else:
        from stream_app.reports.tables import table

        print(table(answer, width=_terminal_width()))


def _write_picture(answer: Mapping[str, Any], form: str, path: Path) -> None:
    from stream_app.reports import plots

    picture = plots.png(answer) if form == "png" else plots.svg(answer)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise _unwritten(form, path, str(error.strerror or error)) from error


def _unwritten(form: str, path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(f"--{form}: {str(path)!r} cannot be written: {why}; correct the path")


def _terminal_width() -> int | None:
    """Characters in a line of the terminal; None where the output goes to a file or another program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
