"""The spec: every setting of one federated experiment, validated, with a digest.

TOML comes in (`load`), plain JSON goes out (`Spec.model_dump`). Unknown keys and impossible values are
errors that name the key, the value and what is allowed.
"""

import difflib
import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench import scaling, shipped
from bench.errors import UserError

BACKENDS = ("torch", "tff")  # what an experiment that names none is run on

Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A table of the spec: immutable, no unknown keys, no silent conversions, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Data(Section):
    """What is learned from, and in which form it is read."""

    dataset: str = Field("synthetic-xray", description="name of a dataset, or path to a dataset.py")
    source: str | None = Field(None, description="folder, CSV or ZIP that the dataset reads")
    film_size: Annotated[int, Field(ge=8, le=4096)] | None = Field(
        None, description="pixels a side of the films that synthetic-xray draws"
    )
    form: Literal["image", "npy", "packed", "memory", "image-native"] = Field(
        "memory", description="what training reads its samples from"
    )
    loader: Literal["gather", "framework"] = Field(
        "gather", description="who reads: fedbench, a batch at a time, or the framework's own loader"
    )
    workers: Annotated[int, Field(ge=0, le=256)] = Field(0, description="the framework's loader's own workers")
    image_size: Annotated[int, Field(ge=8, le=1024)] = Field(32, description="pixels a side")
    channels: Literal[1, 3] = Field(3, description="1 greyscale, 3 colour")
    samples: Annotated[int, Field(ge=2)] | None = Field(None, description="use this many samples only")
    groups: str | None = Field(None, description="column whose groups (patients) stay on one side of the split")
    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(0.2, description="share held out for evaluation")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="cross-validation instead of holdout: each sample, or group, is held out in one fold"
    )
    fold: Positive | None = Field(None, description="which of the folds is held out, from 1")
    axes: Literal["all", "accelerometer", "gyroscope"] = Field("all", description="of a gesture: what is learned from")
    skip_bad: bool = Field(False, description="leave out files that can't be decoded, and record them")

    @model_validator(mode="after")
    def loader_fits(self) -> Self:
        """Refuse what only a framework's own loader can do where it isn't asked for."""
        if self.loader == "gather" and self.workers:
            raise ValueError('workers are the framework\'s; with them, loader must be "framework"')
        if self.loader == "gather" and self.form == "image-native":
            raise ValueError('form image-native is the framework\'s own decoder; with it, loader must be "framework"')
        return self

    @model_validator(mode="after")
    def fold_is_one_of_them(self) -> Self:
        """Refuse a fold without folds, and one that there isn't."""
        if (self.folds is None) != (self.fold is None):
            raise ValueError("folds says how many there are and fold which one is held out: give both or neither")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise ValueError(f"fold must be at most folds ({self.folds})")
        return self


class Model(Section):
    """Which network, in which variant."""

    name: Literal["deck-cnn", "mlp"] = Field("deck-cnn", description="the study's network, or a small MLP")
    batch_norm: bool = Field(False, description="batch normalisation after each convolution")
    group_norm: bool = Field(False, description="group normalisation after each convolution: each example by itself")
    dropout: bool = Field(True, description="the study's dropout layers")
    softmax_in_model: bool = Field(False, description="the study's fault: softmax before the loss's own")
    dropout_always_on: bool = Field(False, description="the study's fault: dropout while evaluating too")

    @model_validator(mode="after")
    def one_normalisation(self) -> Self:
        """Refuse two normalisations at once."""
        if self.batch_norm and self.group_norm:
            raise ValueError("batch_norm and group_norm exclude each other")
        return self


class Federation(Section):
    """Who holds what, and who takes part."""

    clients: Positive = Field(3, description="number of clients N")
    fraction: Fraction = Field(0.66, description="client fraction C: round(C*N) clients a round, at least 1")
    clients_per_round: Positive | None = Field(None, description="a fixed cohort size instead of the fraction")
    rounds: Positive = Field(10, description="rounds of federated averaging")
    local_epochs: Positive = Field(1, description="passes of a client over its samples in a round")
    partition: Literal["iid", "classes", "unequal", "dirichlet", "groups"] = Field(
        "iid", description="who holds what; groups: a person, or whatever the data set tells apart, a client"
    )
    classes_per_client: Positive = Field(2, description="for partition classes")
    alpha: Annotated[float, Field(gt=0, le=1e6)] = Field(0.5, description="for partition dirichlet")
    drop_rate: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="chance that a selected client drops out of its round"
    )

    @model_validator(mode="after")
    def cohort_fits(self) -> Self:
        """Refuse a cohort larger than the federation."""
        if self.clients_per_round is not None and self.clients_per_round > self.clients:
            raise ValueError(f"clients_per_round must be at most clients ({self.clients})")
        return self

    @property
    def cohort_size(self) -> int:
        """How many clients are selected a round, drop-outs included."""
        return self.clients_per_round or max(1, round(self.fraction * self.clients))


class Training(Section):
    """A client's local training: SGD."""

    batch_size: Positive = 20
    lr: Annotated[float, Field(gt=0)] = Field(0.01, description="learning rate")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="restarts with every round")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="L2: added to the gradient")
    compile: bool = Field(False, description="torch.compile the training step")


class Privacy(Section):
    """Differential privacy, on where this section is: what is clipped, what noise is added, what may be claimed."""

    unit: Literal["example", "client"] = Field(
        "example", description="what is protected: each example (DP-SGD), or all that a client holds (DP-FedAvg)"
    )
    engine: Literal["stock", "fused"] = Field(
        "stock", description="the framework's own privacy library, or fedbench's faster equal"
    )
    noise_multiplier: Annotated[float, Field(ge=0)] | None = Field(
        None, description="standard deviation of the noise over max_grad_norm"
    )
    target_epsilon: Annotated[float, Field(gt=0)] | None = Field(
        None, description="find the noise multiplier that spends this much, instead of noise_multiplier"
    )
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(
        1.0, description="L2 norm that an example's gradient, or a client's update, is clipped to"
    )
    delta: Annotated[float, Field(gt=0, lt=1)] = Field(1e-5, description="of (epsilon, delta)")
    sampling: Literal["poisson", "shuffled"] = Field(
        "poisson", description="how batches (unit client: cohorts) are drawn; only poisson amplifies privacy"
    )
    noise_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="for tests only: the same noise every time protects nobody, and the report says so"
    )

    @model_validator(mode="after")
    def noise_is_told_once(self) -> Self:
        """Refuse privacy without noise, noise told twice, and an engine that isn't there."""
        if (self.noise_multiplier is None) == (self.target_epsilon is None):
            what = "neither is" if self.noise_multiplier is None else "both are"
            raise ValueError(f"give either noise_multiplier (0 or more) or target_epsilon (above 0); {what} given")
        if (self.unit, self.engine) == ("client", "fused"):
            raise ValueError("engine fused is for unit example; with unit client set privacy.engine=stock")
        return self


class Timing(Section):
    """How it is measured."""

    repeats: Positive = Field(1, description="fresh processes a backend, interleaved A B A B")
    warmup_rounds: Annotated[int, Field(ge=0)] = Field(1, description="first rounds kept out of the ratios")
    threads: Positive | None = Field(None, description="threads a backend; default: this machine's cores")
    device: Literal["cpu", "cuda"] = "cpu"
    strategy: Literal["eager", "fast"] = Field(
        "eager", description="the loop that everyone writes, or the fastest way found here, where a backend has one"
    )
    evaluate_every: Positive = Field(1, description="rounds between evaluations; the last always is")
    save_every: Annotated[int, Field(ge=0)] = Field(0, description="keep the model every N rounds; 0 never")
    cache: Literal["warm", "cold"] = Field("warm", description="page cache; cold: dropped before each pass and round")
    loading_passes: Annotated[int, Field(ge=0)] = Field(0, description="epochs of loading alone, timed before training")
    checkpoint_s: Annotated[float, Field(ge=0)] = Field(
        60.0, description="seconds between checkpoints that an interrupted job goes on from; 0 never"
    )
    silence_s: Annotated[float, Field(gt=0)] = Field(
        900.0, description="a backend that says nothing for so many seconds counts as hung"
    )


class Spec(Section):
    """One experiment, in full."""

    data: Data = Data()
    model: Model = Model()
    federation: Federation = Federation()
    training: Training = Training()
    privacy: Privacy | None = Field(None, description="differential privacy; none unless asked for")
    timing: Timing = Timing()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def warmup_leaves_rounds(self) -> Self:
        """Refuse a run in which every round is warm-up: it would measure nothing."""
        if self.timing.warmup_rounds >= self.federation.rounds:
            raise ValueError(
                f"timing.warmup_rounds ({self.timing.warmup_rounds}) must be below"
                f" federation.rounds ({self.federation.rounds}), or nothing is measured"
            )
        return self

    @model_validator(mode="after")
    def passes_are_planned(self) -> Self:
        """Refuse passes of loading that no round's order exists for, and training on a framework's own decoding."""
        if self.timing.loading_passes > self.federation.rounds:
            raise ValueError(
                f"timing.loading_passes ({self.timing.loading_passes}) must be at most"
                f" federation.rounds ({self.federation.rounds}): each pass takes a round's order"
            )
        if self.timing.loading_passes and (self.federation.clients, self.federation.local_epochs) != (1, 1):
            raise ValueError(
                "timing.loading_passes needs federation.clients = 1 and federation.local_epochs = 1,"
                " so that a round is an epoch"
            )
        if self.data.form == "image-native" and not self.timing.loading_passes:
            raise ValueError("data.form image-native is never trained on, only timed: see bench run loading")
        return self

    @model_validator(mode="after")
    def privacy_can_hold(self) -> Self:
        """Refuse what breaks the privacy that is claimed."""
        if self.privacy is None:
            return self
        if self.model.batch_norm:
            raise ValueError(
                "model.batch_norm can't be private: its statistics mix the examples of a batch, so that no example's"
                " part can be clipped by itself; model.group_norm = true normalises each example alone"
            )
        if self.timing.loading_passes:
            raise ValueError("timing.loading_passes times loading, not privacy: leave [privacy] or the passes out")
        return self

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        return _digest(self.model_dump(mode="json"))

    @property
    def task(self) -> str:
        """Digest of all but how samples reach training, how often it is kept and how much noise is added.

        Specs of one task train the same batches: without noise they end in the same weights.
        """
        apart = {
            "data": {"form", "loader", "workers"},
            "timing": {"cache", "checkpoint_s"},
            "privacy": {"noise_multiplier", "target_epsilon", "delta"},
        }
        return _digest(self.model_dump(mode="json", exclude=apart))


def _digest(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """One point of an experiment's grid; the only one, named after nothing, where there is no grid.

    `scaled` has the settings that --scale made smaller, each with what it was and what it is.
    """

    settings: Mapping[str, Any]
    spec: Spec
    scaled: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The settings that tell this cell from the others, in words."""
        return ", ".join(f"{key.split('.')[-1]} {value}" for key, value in self.settings.items())


@dataclass(frozen=True)
class Experiment:
    """A named spec, perhaps with a grid over some of its keys.

    `study`: its report is set beside the study's; `backends`: those that it is run on where none are named.
    """

    name: str
    description: str
    cells: tuple[Cell, ...] = field(repr=False)
    study: bool = False
    backends: tuple[str, ...] = BACKENDS


Settings = Iterable[str | tuple[str, Any]]


def load(path: Path, settings: Settings = (), scale: float | None = None) -> Experiment:
    """Read an experiment from a TOML file; `settings`, `key=value` texts or (key, value) pairs, override it.

    `scale` is a factor for rounds and samples, see `bench.scaling`.
    """
    return build(shipped.read(path), settings, name=path.stem, where=str(path), scale=scale)


@dataclass(frozen=True)
class _Grid:
    """Values for some keys over the settings that they share: one `matrix`."""

    tree: dict[str, Any]
    values: dict[str, list[Any]]
    where: str

    @property
    def is_private(self) -> bool:
        return any(key.startswith("privacy.") for key in self.values)


def build(
    table: Mapping[str, Any],
    settings: Settings = (),
    name: str = "",
    where: str = "",
    scale: float | None = None,
) -> Experiment:
    """Make an experiment of a parsed TOML table.

    `matrix` spans a grid, a list of values a key; several (`[[matrix]]`) are spanned one after another. `include` takes
    the grids of the experiments in the files beside instead, by name; a cell that several have is there once. A setting
    takes the place of the values of its key wherever a grid has it; a list given to another key spans every grid. Where
    some grids have privacy, its settings are for those alone. `backends` names those that it is run on by default.
    """
    tree = json.loads(json.dumps(table, default=str))
    name, description, study = tree.pop("name", name), tree.pop("description", ""), tree.pop("study", False)
    backends = tree.pop("backends", list(BACKENDS))
    if not isinstance(backends, list) or not backends or not all(isinstance(one, str) for one in backends):
        raise UserError(
            f"{where}: backends = {backends!r}: must be a list of backends' names, such as ['torch', 'tff']"
        )
    if not isinstance(study, bool):
        raise UserError(f"{where}: study = {study!r}: must be true or false")
    grids = _included(tree, where) if "include" in tree else _grids(tree, where)
    given = dict(_parse_setting(one) if isinstance(one, str) else one for one in settings)
    if "privacy.target_epsilon" in given and "privacy.noise_multiplier" not in given:
        for grid in grids:
            if grid.values.pop("privacy.noise_multiplier", None):
                grid.values["privacy.target_epsilon"] = []  # one noise takes the other's place
    for key, value in given.items():
        _known(key, "--set ")
        own = [grid for grid in grids if key in grid.values] or _private(key, grids)
        for grid in own or grids:
            if own or isinstance(value, list):
                grid.values[key] = value if isinstance(value, list) else [value]
            else:
                _put(grid.tree, key, value)
    if given.get("data.source") is not None:
        for grid in grids:
            grid.values.pop("data.film_size", None)  # films are drawn only where there is no source
    cells = [cell for grid in grids for cell in _cells(grid, set(given))]
    if scale is not None:
        cells = scaling.scaled(cells, scale, set(given))
    once: dict[str, Cell] = {}
    for cell in cells:
        once.setdefault(cell.spec.digest, cell)
    return Experiment(name, description, tuple(once.values()), study, tuple(backends))


def _cells(grid: _Grid, given: set[str]) -> list[Cell]:
    for key, values in grid.values.items():
        place = "--set " if key in given else f"{grid.where}: matrix."
        _known(key, place)
        if not isinstance(values, list) or not values:
            raise UserError(f"{place}{key} = {values!r}: must be a list of at least one value")
    points = [dict(zip(grid.values, values, strict=True)) for values in itertools.product(*grid.values.values())]
    return [_cell(grid.tree, point, grid.where, given) for point in points]


def _included(tree: Mapping[str, Any], where: str) -> list[_Grid]:
    names = tree["include"]
    if not isinstance(names, list) or not names or not all(re.fullmatch(r"[\w.-]+", str(one)) for one in names):
        raise UserError(f"{where}: include = {names!r}: must be a list of the names of experiments in files beside")
    others = sorted(set(tree) - {"include"})
    if others:
        raise UserError(f"{where}: {others[0]}: an experiment that includes others has no settings of its own")
    found = []
    for name in names:
        beside = Path(where).with_name(f"{name}.toml")
        own = json.loads(json.dumps(shipped.read(beside), default=str))
        if "include" in own:
            raise UserError(f"{beside}: include: an experiment that is included may not include others")
        for key in ("name", "description", "study", "backends"):
            own.pop(key, None)
        found += _grids(own, str(beside))
    return found


def _private(key: str, grids: list[_Grid]) -> list[_Grid]:
    """The grids that a setting of privacy is for, where some have privacy: the others are there to compare with."""
    return [grid for grid in grids if grid.is_private] if key.startswith("privacy.") else []


def _grids(tree: dict[str, Any], where: str) -> list[_Grid]:
    matrix = tree.pop("matrix", {})
    grids = (matrix or [{}]) if isinstance(matrix, list) else [matrix]
    for grid in grids:
        if not isinstance(grid, dict):
            raise UserError(f"{where}: matrix must be a table of key = [values], or several tables [[matrix]]")
    return [_Grid(json.loads(json.dumps(tree)), grid, where) for grid in grids]


def _cell(tree: Mapping[str, Any], point: Mapping[str, Any], where: str, given: set[str]) -> Cell:
    own = json.loads(json.dumps(tree))
    for key, value in point.items():
        _put(own, key, value)
    try:
        return Cell(point, Spec.model_validate_json(json.dumps(own)))
    except ValidationError as error:
        raise UserError(_explain(error, where, given)) from error


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {text}: must be key=value, such as federation.rounds=30")
    return key.strip(), _parse_value(value.strip())


def _parse_value(text: str) -> Any:
    """A TOML value, or else words as they are: a shell takes quotes away, so [npy,image] is a list of words too."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        return value if isinstance(value, bool | int | float | str | list) else text  # no setting is a date or a table
    except tomllib.TOMLDecodeError:
        if text.startswith("[") and text.endswith("]"):
            return [_parse_value(word.strip()) for word in text[1:-1].split(",")]
        return text


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise UserError(f"{section} must be a table of settings")
    tree[last] = value


def keys() -> list[str]:
    """Every key of the spec, dotted."""
    found = []
    for name, info in Spec.model_fields.items():
        section = next((one for one in (info.annotation, *get_args(info.annotation)) if _is_section(one)), None)
        found += [f"{name}.{key}" for key in section.model_fields] if section else [name]
    return found


def _is_section(kind: Any) -> TypeGuard[type[Section]]:
    return isinstance(kind, type) and issubclass(kind, Section)


def _known(key: str, where: str) -> None:
    if key not in keys():
        raise UserError(f"{where}{key}: no such setting{_suggest(key)}")


def _suggest(key: str) -> str:
    close = difflib.get_close_matches(key, keys(), n=3, cutoff=0.5)
    close = close or [known for known in keys() if known.split(".")[-1] == key.split(".")[-1]]
    return f"; did you mean {' or '.join(close)}?" if close else f"; there are: {', '.join(keys())}"


def _explain(error: ValidationError, where: str, given: set[str]) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("constrained", "function")))
    place = "--set " if key in given else f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        return f"{place}{key}: no such setting{_suggest(key)}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if first["type"] == "value_error":
        return f"{place}{key + ': ' if key else ''}{message}"
    return f"{place}{key} = {first['input']!r}: must be {message}"
