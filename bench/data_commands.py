"""`bench data`: prepare, verify and describe data sets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.data import Prepared
    from bench.dataset import Progress
    from bench.spec import Data

app = typer.Typer(
    no_args_is_help=True,
    help="""Prepare, verify and describe data sets.

    \b
    bench data prepare xray --source FOLDER    decode once, keep every form
    bench data verify xray --source FOLDER     has it changed? duplicates? leaks?
    bench data describe xray --source FOLDER   classes, sizes, bytes, a picture
    bench data describe gesture                the same of a sensor's movements

    bench run prepares what it needs by itself; the same options make the same
    data set.
    """,
)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="xray, mnist, gesture, synthetic-xray, or the path of a dataset.py.")
]
Source = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Folder of class folders, a CSV of path,label lines, or a ZIP of either; the COVID-19 Radiography archive"
        " is read as it comes. For mnist the folder of idx files; for gesture recordings, or CSV files of six axes.",
    ),
]
Size = Annotated[int | None, typer.Option(help="Pixels a side; default 32.")]
Channels = Annotated[int | None, typer.Option(help="1 greyscale, 3 colour; default 3.")]
Samples = Annotated[int | None, typer.Option(help="Use this many samples only, evenly from every class.")]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column of manifest.csv whose groups (patient) stay on one side of the split; of gesture person or"
        " session.",
    ),
]
Holdout = Annotated[float | None, typer.Option(help="Share held out to test on; default 0.2.")]
Folds = Annotated[
    int | None, typer.Option(help="Instead of a share: of so many folds, one is held out; --fold says which.")
]
Fold = Annotated[int | None, typer.Option(help="The fold that is held out, from 1.")]
Axes = Annotated[str | None, typer.Option(help="Of gestures: all, accelerometer or gyroscope; default all.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out files that can't be used, and record them.")]
Seed = Annotated[int | None, typer.Option(help="Of the split, and of made-up films; default 0.")]
FilmSize = Annotated[int | None, typer.Option(help="Pixels a side of the films that synthetic-xray draws.")]


@app.command()
def prepare(
    name: Name,
    source: Source = None,
    size: Size = None,
    channels: Channels = None,
    samples: Samples = None,
    groups: Groups = None,
    holdout: Holdout = None,
    folds: Folds = None,
    fold: Fold = None,
    axes: Axes = None,
    skip_bad: SkipBad = False,
    seed: Seed = None,
    film_size: FilmSize = None,
) -> None:
    """Decode every image once, split it, and keep the same samples in every form.

    \b
    bench data prepare xray --source "COVID-19_Radiography_Dataset.zip" --size 32
    bench data prepare xray --source FOLDER --groups patient --holdout 0.25
    bench data prepare mnist --source FOLDER --size 28 --channels 1
    bench data prepare synthetic-xray --samples 600
    bench data prepare gesture --groups person --folds 5 --fold 1

    Files that are broken, empty, oversized or in another format are named;
    --skip-bad goes on without them. An interrupted preparation goes on where
    it stopped. Prints the folder of the forms: npy/, packed.npy, labels.npy,
    train.npy, test.npy, images.json and manifest.json.
    """
    chosen = _chosen(
        name, source, size, channels, samples, groups, holdout, folds, fold, axes, skip_bad, seed, film_size
    )
    with _at_work() as report:
        done = chosen.prepare(report)
    print(f"{chosen.name}: {_summary(done)}")
    print(f"  split {done.split_by}")
    print(f"  digest {done.digest}")
    _warn(done)
    print(done.folder)


@app.command()
def verify(
    name: Name,
    source: Source = None,
    size: Size = None,
    channels: Channels = None,
    samples: Samples = None,
    groups: Groups = None,
    holdout: Holdout = None,
    folds: Folds = None,
    fold: Fold = None,
    axes: Axes = None,
    skip_bad: SkipBad = False,
    seed: Seed = None,
    film_size: FilmSize = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, every file named.")] = False,
) -> None:
    """Decode the source again and compare it with what was prepared of it.

    \b
    bench data verify xray --source FOLDER
    bench data verify xray --source FOLDER --groups patient --json

    Give the options that it was prepared with. Tells files that changed, are
    missing, new or can't be used; samples that are there twice, in two classes
    or on both sides of the split; and prepared forms that are damaged. Works
    before anything is prepared, too. Exit 0 when all is well (twins within a
    class and a side are only told), 1 when something was found, 2 for bad
    input.
    """
    import json

    from bench.data import verifying

    chosen = _chosen(
        name, source, size, channels, samples, groups, holdout, folds, fold, axes, skip_bad, seed, film_size
    )
    with _at_work() as report:
        found = verifying.verify(chosen.module, chosen.name, chosen.settings, chosen.seed, report)
    print(json.dumps(verifying.document(found), indent=1) if as_json else verifying.render(found))
    if not found.is_well:
        raise typer.Exit(1)


@app.command()
def describe(
    name: Name,
    source: Source = None,
    size: Size = None,
    channels: Channels = None,
    samples: Samples = None,
    groups: Groups = None,
    holdout: Holdout = None,
    folds: Folds = None,
    fold: Fold = None,
    axes: Axes = None,
    skip_bad: SkipBad = False,
    seed: Seed = None,
    film_size: FilmSize = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="The contact sheet; default NAME-contact-sheet.png.")
    ] = None,
) -> None:
    """Tell what is in a data set, and save a contact sheet of its classes; prepares it if need be.

    \b
    bench data describe xray --source FOLDER --out films.png
    bench data describe gesture --axes gyroscope
    bench data describe gesture --source recordings --groups person

    Counts by class and side, the balance of the classes, the images' sizes and
    kinds, the bytes of each form, what was left out and what decoding loses.
    """
    from rich.console import Console

    from bench.data import contact_sheet, describing

    chosen = _chosen(
        name, source, size, channels, samples, groups, holdout, folds, fold, axes, skip_bad, seed, film_size
    )
    picture = out or Path(f"{chosen.name}-contact-sheet.png")
    contact_sheet.refuse_unwritable(picture)
    with _at_work() as report:
        done = chosen.prepare(report)
        described = describing.describe(done)
        contact_sheet.save(done, chosen.name, picture, chosen.axes)
    describing.render(chosen.name, described, Console())
    _warn(done)
    print(picture)


@dataclass(frozen=True)
class _Chosen:
    """A data set and how it is wanted."""

    module: ModuleType
    name: str
    settings: "Data"
    seed: int

    @property
    def axes(self) -> tuple[str, ...]:
        """The sensor's axes that its samples have; none of images."""
        from bench.gesture.motion import AXES, CHOICES

        return tuple(AXES[CHOICES[self.settings.axes]]) if getattr(self.module, "HAS_AXES", False) else ()

    def prepare(self, report: "Progress") -> "Prepared":
        from bench import data

        return data.prepare(self.module, self.name, self.settings, self.seed, report)


def _chosen(
    name: str,
    source: str | None,
    size: int | None,
    channels: int | None,
    samples: int | None,
    groups: str | None,
    holdout: float | None,
    folds: int | None,
    fold: int | None,
    axes: str | None,
    skip_bad: bool,
    seed: int | None,
    film_size: int | None,
) -> _Chosen:
    from bench import plugins, spec

    plugin = plugins.find("datasets", name)
    given: dict[str, Any] = {
        "data.image_size": size,
        "data.channels": channels,
        "data.samples": samples,
        "data.holdout": holdout,
        "data.folds": folds,
        "data.fold": fold,
        "data.axes": axes,
        "data.film_size": film_size,
        "seed": seed,
        "data.skip_bad": "true" if skip_bad else None,
    }
    with _in_terms_of_options():
        own = spec.build({}, [f"{key}={value}" for key, value in given.items() if value is not None]).cells[0].spec
    # Texts go around the spec's parser: a path may look like a number or hold bytes that aren't UTF-8.
    settings = own.data.model_copy(update={"dataset": name, "source": source, "groups": groups})
    return _Chosen(plugins.load_module(plugin), plugin.name, settings, own.seed)


_OPTIONS = {"image_size": "size", "skip_bad": "skip-bad", "film_size": "film-size"}
_SETTING = re.compile(
    r"(?<![\w/.])(?:--set )?"
    r"(?:data\.(source|image_size|channels|samples|groups|holdout|folds|fold|axes|skip_bad|film_size)\b|(seed)(?= = ))"
)


@contextmanager
def _in_terms_of_options() -> Iterator[None]:
    """Say --size where a message says data.image_size: here there is no --set."""
    try:
        yield
    except UserError as error:
        text = _SETTING.sub(lambda own: "--" + _OPTIONS.get(own[1], own[1] or own[2]), str(error))
        raise UserError(text.replace("--skip-bad=true", "--skip-bad").replace("--source=", "--source ")) from error


@contextmanager
def _at_work() -> Iterator["Progress"]:
    from rich.console import Console

    from bench import display

    with _in_terms_of_options(), display.make(Console(stderr=True)) as shown:
        yield shown.progress


def _summary(done: "Prepared") -> str:
    from bench.data.wording import counted, quoted

    counts = {label: int((done.labels == index).sum()) for index, label in enumerate(done.classes)}
    told = ", ".join(f"{quoted(label)} {count}" for label, count in counts.items())
    return (
        f"{counted(len(done.labels), 'sample')} in {len(done.classes)} classes ({told});"
        f" {len(done.train)} to train on, {len(done.test)} held out"
    )


def _warn(done: "Prepared") -> None:
    for warning in done.warnings:
        _to_stderr(warning)


def _to_stderr(text: str) -> None:
    typer.echo(text, err=True)
