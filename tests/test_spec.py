from pathlib import Path

import pytest

from bench import spec
from bench.errors import UserError

EXPERIMENTS = sorted((Path(spec.__file__).parent / "experiments").glob("*.toml"))


def build(*settings: str) -> spec.Spec:
    return spec.build({}, settings).cells[0].spec


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_that_ships_is_valid_and_described(path):
    experiment = spec.load(path)
    assert experiment.name == path.stem
    assert experiment.description


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("federation.clients=0", "federation.clients = 0: must be greater than or equal to 1"),
        ("federation.fraction=0", "federation.fraction = 0: must be greater than 0"),
        ("federation.fraction=2", "federation.fraction = 2: must be less than or equal to 1"),
        ("training.lr=fast", "training.lr = 'fast': must be a valid number"),
        ("training.lr=nan", "training.lr = nan: must be a finite number"),
        ("training.lr=true", "training.lr = True: must be a valid number"),
        ("federation.rounds=2.5", "federation.rounds = 2.5: must be a valid integer"),
        ("data.channels=2", "data.channels = 2: must be 1 or 3"),
        ("federation.partition=random", "'iid', 'classes', 'unequal', 'dirichlet' or 'groups'"),
        ("federation.clients_per_round=9", "clients_per_round must be at most clients (3)"),
        ("timing.warmup_rounds=10", "or nothing is measured"),
        ("federation.client=3", "no such setting; did you mean federation.clients"),
        ("rounds=3", "no such setting; did you mean federation.rounds"),
        ("nonsense", "must be key=value"),
        ("data.workers=2", 'workers are the framework\'s; with them, loader must be "framework"'),
        ("data.form=image-native", 'with it, loader must be "framework"'),
        ("timing.loading_passes=11", "must be at most federation.rounds (10)"),
        ("timing.loading_passes=1", "needs federation.clients = 1"),
        ("data.film_size=5", "must be greater than or equal to 8"),
        ("seed=[]", "--set seed = []: must be a list of at least one value"),
    ],
)
def test_impossible_settings_are_refused_with_key_value_and_what_is_allowed(setting, told):
    with pytest.raises(UserError) as refused:
        build(setting)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_is_named_in_its_errors(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[federation]\nround = 3\n")
    with pytest.raises(UserError, match=r"my\.toml: federation\.round: no such setting"):
        spec.load(path)
    path.write_text("[federation\n")
    with pytest.raises(UserError, match=r"my\.toml: not valid TOML"):
        spec.load(path)
    with pytest.raises(UserError, match="can't be read"):
        spec.load(tmp_path / "absent.toml")


def test_a_grid_has_a_cell_for_every_combination():
    experiment = spec.build({"matrix": {"federation.clients": [3, 10]}}, ["seed=[0,1]"])
    assert [cell.name for cell in experiment.cells] == [
        "clients 3, seed 0",
        "clients 3, seed 1",
        "clients 10, seed 0",
        "clients 10, seed 1",
    ]
    assert [cell.spec.federation.clients for cell in experiment.cells] == [3, 3, 10, 10]


GRIDS = {
    "matrix": [
        {"data.form": ["npy", "image"], "data.loader": ["framework"], "data.film_size": [256, 299]},
        {"data.form": ["packed"], "data.film_size": [299]},
    ]
}


def test_several_grids_are_spanned_one_after_another():
    cells = spec.build(GRIDS).cells
    found = [(cell.spec.data.form, cell.spec.data.film_size) for cell in cells]
    assert found == [("npy", 256), ("npy", 299), ("image", 256), ("image", 299), ("packed", 299)]


def test_a_setting_takes_the_place_of_a_grids_values_where_they_stand():
    cells = spec.build(GRIDS, ["data.loader=gather", "timing.cache=[cold,warm]", "data.form=packed"]).cells
    assert {(cell.spec.data.form, cell.spec.data.loader) for cell in cells} == {("packed", "gather")}
    assert [cell.spec.timing.cache for cell in cells] == ["cold", "warm"] * 2, "equal cells are run once"


def test_with_a_source_no_films_are_drawn():
    cells = spec.build(GRIDS, ["data.dataset=xray", "data.source=films"]).cells
    assert [(cell.spec.data.form, cell.spec.data.film_size) for cell in cells] == [
        ("npy", None),
        ("image", None),
        ("packed", None),
    ]


def test_only_what_reaches_training_differently_is_one_task():
    first = build()
    assert build("data.form=npy", "timing.cache=cold").task == first.task
    assert build("data.loader=framework", "data.workers=2").task == first.task
    assert build("training.lr=0.02").task != first.task
    assert build("timing.threads=1").task != first.task


def test_a_grid_over_an_unknown_key_or_nothing_is_refused():
    with pytest.raises(UserError, match="no such setting"):
        spec.build({"matrix": {"federation.clientz": [3]}})
    with pytest.raises(UserError, match="at least one value"):
        spec.build({"matrix": {"federation.clients": []}})


def test_the_digest_tells_specs_apart():
    assert build().digest == build("federation.clients=3").digest
    assert build().digest != build("federation.clients=4").digest


def test_the_study_selects_two_of_three_clients():
    assert build("federation.clients=3", "federation.fraction=0.66").federation.cohort_size == 2
    assert build("federation.clients=100", "federation.fraction=0.66").federation.cohort_size == 66
    assert build("federation.clients=2", "federation.fraction=0.1").federation.cohort_size == 1
    assert build("federation.clients=10", "federation.clients_per_round=2").federation.cohort_size == 2


def test_an_experiment_may_name_the_backends_that_it_is_run_on():
    assert spec.build({}).backends == ("torch", "tff")
    assert spec.build({"backends": ["torch", "./mine.py"]}).backends == ("torch", "./mine.py")
    for wrong in ("torch", [], [1]):
        with pytest.raises(UserError, match="backends"):
            spec.build({"backends": wrong})
