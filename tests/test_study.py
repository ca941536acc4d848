"""The study repeated: its experiments, their scaling, its tables beside a run, and whose its gap is."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import record, spec
from bench.errors import UserError
from bench.study import accuracy, gap, report, trends
from bench.table import shortened, tables
from tests.conftest import ROOT, refused
from tests.test_reports import run_of

EXPERIMENTS = ROOT / "bench" / "experiments"
PARTS = sorted(path.stem for path in EXPERIMENTS.glob("deck-*.toml"))


def load(name: str, *settings: str, scale: float | None = None) -> spec.Experiment:
    return spec.load(EXPERIMENTS / f"{name}.toml", settings, scale)


def test_deck_is_all_its_parts_and_runs_what_they_share_once():
    parts = {cell.spec.digest for name in PARTS for cell in load(name).cells}
    whole = [cell.spec.digest for cell in load("deck").cells]
    assert len(whole) == len(set(whole))
    assert set(whole) == parts
    assert len(whole) < sum(len(load(name).cells) for name in PARTS)


def test_deck_has_a_cell_for_every_published_setting_long_enough_for_its_rounds():
    cells = [{"spec": cell.spec.model_dump(mode="json"), "scaled": {}} for cell in load("deck").cells]
    for table in accuracy.tables().values():
        for column in table.columns:
            cell = accuracy.cell_of(column, {"cells": cells})
            assert cell is not None, (table.name, column.name)
            assert [accuracy.round_here(number, cell) for number in table.rounds] == list(table.rounds)


def test_a_setting_reaches_every_part_and_privacy_only_the_private():
    cells = load("deck", "training.momentum=0.8", "privacy.engine=fused").cells
    assert {cell.spec.training.momentum for cell in cells} == {0.8}
    assert {cell.spec.privacy.engine for cell in cells if cell.spec.privacy} == {"fused"}
    assert sum(cell.spec.privacy is not None for cell in cells) == 3


@given(st.floats(0.001, 1.0), st.sampled_from([*PARTS, "deck", "quick", "loading", "privacy"]))
def test_a_scaled_experiment_is_shorter_and_still_an_experiment(factor, name):
    before, after = load(name).cells, load(name, scale=factor).cells
    assert len(after) <= len(before), "cells that scaling makes the same run once"
    if len(after) < len(before):
        return
    for old, new in zip(before, after, strict=True):
        assert spec.Spec.model_validate_json(new.spec.model_dump_json()) == new.spec, "what is allowed still holds"
        rounds, samples = new.spec.federation.rounds, new.spec.data.samples
        assert rounds <= old.spec.federation.rounds
        assert rounds > new.spec.timing.warmup_rounds
        assert samples is None or samples <= old.spec.data.samples
        assert samples is None or samples * (1 - new.spec.data.holdout) >= new.spec.federation.clients
        assert set(new.scaled) <= {"federation.rounds", "data.samples", "timing.evaluate_every"}
        for key, (was, now) in new.scaled.items():
            section, _, own = key.partition(".")
            assert (getattr(getattr(old.spec, section), own), getattr(getattr(new.spec, section), own)) == (was, now)


def test_what_is_set_is_not_scaled():
    cell = load("deck-time", "federation.rounds=30", scale=0.1).cells[0]
    assert (cell.spec.federation.rounds, cell.spec.data.samples) == (30, 376)
    assert cell.scaled["data.samples"] == (3765, 376)


@pytest.mark.parametrize("factor", [0.0, -1.0, 1.5, float("nan")])
def test_a_scale_that_is_none_is_refused(factor):
    with pytest.raises(UserError, match="must be above 0 and at most 1"):
        load("quick", scale=factor)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('include = "deck"', "must be a list of the names of experiments"),
        ('include = ["gone"]', "gone.toml: can't be read"),
        ('include = ["other"]\nseed = 3', "seed: an experiment that includes others has no settings of its own"),
        ('include = ["mine"]', "an experiment that is included may not include others"),
    ],
)
def test_a_wrong_include_is_refused(tmp_path: Path, text, told):
    (tmp_path / "other.toml").write_text("seed = 1\n")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UserError, match=told):
        spec.load(tmp_path / "mine.toml")


def comparison(experiment: spec.Experiment, curve) -> dict:
    """A run of torch and tff; `curve` gives the accuracy of a spec and backend at a round."""
    cells = []
    for number, cell in enumerate(experiment.cells, start=1):
        runs = []
        for backend in ("torch", "tff"):
            every, last = cell.spec.timing.evaluate_every, cell.spec.federation.rounds
            at = sorted({*range(every, last + 1, every), last})
            evaluations = [{"round": own, "accuracy": curve(cell.spec, backend, own), "loss": 1.0} for own in at]
            runs.append(run_of(backend, 1, evaluations=evaluations))
        parity = {"reference": "reference", "tolerance": {"absolute": 1e-4, "relative": 0.01}, "backends": {}}
        cells.append(
            {"name": cell.name, "set": dict(cell.settings), "spec": cell.spec.model_dump(mode="json"),
             "scaled": {key: list(pair) for key, pair in cell.scaled.items()}, "digests": {"data": "d" * 64},
             "train_samples": 3012, "test_samples": 753, "runs": runs, "parity": parity, "ratios": [], "task": number}
        )  # fmt: skip
    told = {"name": experiment.name, "description": experiment.description, "study": experiment.study}
    machine = {"cpu": "a cpu", "cores": 2, "threads": 2}
    return {"experiment": told, "machine": machine, "spec": cells[0]["spec"], "cells": cells}


def gapped(own: spec.Spec, backend: str, number: int) -> float:
    """Corrected 90 % in torch and 91 % in tff; softmax costs 10 points, dropout 5, both 12."""
    costs = {(False, False): 0, (True, False): 0.10, (False, True): 0.05, (True, True): 0.12}
    top = {"torch": 0.90, "tff": 0.91}[backend]
    return top - costs[own.model.softmax_in_model, own.model.dropout_always_on]


def test_the_gap_is_taken_apart_from_the_users_own_numbers():
    document = comparison(load("deck-gap", "federation.rounds=100"), gapped)
    found = gap.find(document)
    assert found.last == 100
    told = " ".join(report.words(document))
    assert "cost 12.0 points of accuracy in torch after round 100 (softmax in the model alone 10.0, dropout" in told
    assert "is 13.0 points behind the corrected one in TensorFlow after round 100. That is a sum: +12.0 is what" in told
    assert "+1.0 is TensorFlow's lead once both train the corrected model, give or take 3.0" in told
    assert "no difference that can be told" in told
    assert "4.8 to 5.4 points in this setting, -6.5 to 22.8 points over all its settings" in told
    (table,) = [own for own in report.tables(document) if "two faults" in own.title]
    assert [row[1] for row in table.rows] == ["90.0", "80.0", "85.0", "78.0"]


def test_a_cost_that_cannot_be_told_or_is_a_gain_is_told_as_that():
    settings = ("deck-gap", "federation.rounds=100")
    told = " ".join(report.words(comparison(load(*settings), lambda own, *_: 0.5 + 0.01 * own.model.softmax_in_model)))
    assert "What the study's two faults cost in torch can't be told after round 100: -1.0 points" in told
    told = " ".join(report.words(comparison(load(*settings), lambda own, *_: 0.5 + 0.3 * own.model.softmax_in_model)))
    assert "With the study's two faults torch is better after round 100" in told
    assert "30.0 points ahead of the corrected one in TensorFlow" in told


def test_a_failed_run_has_no_training_time_beside_the_study():
    document = comparison(load("deck-time", "federation.rounds=20"), gapped)
    assert "Training time on one computer" in [table.title for table in report.tables(document)]
    for run in document["cells"][0]["runs"]:
        if run["backend"] == "tff":
            run |= {"status": "failed", "reason": "out of cheese"}
    assert "Training time on one computer" not in [table.title for table in report.tables(document)]


def test_what_is_not_as_in_the_study_is_told():
    document = comparison(load("deck-time", "training.lr=0.5", "federation.rounds=20"), gapped)
    (table,) = [own for own in report.tables(document) if own.title.startswith("Accuracy (%) by clients")]
    assert "Not as in the study: training.lr 0.5." in table.notes
    other = comparison(load("deck-time", "model.name=mlp", "federation.rounds=20"), gapped)
    assert not [own for own in report.tables(other) if own.title.startswith("Accuracy")]


def test_a_round_that_is_far_off_stands_for_none():
    cell = {"spec": load("deck-time", "timing.evaluate_every=100").cells[0].spec.model_dump(mode="json")}
    assert [accuracy.round_here(number, cell) for number in (10, 100, 400, 1000)] == [None, 100, 400, 1000]


def test_a_setting_of_rounds_reaches_every_part():
    assert {cell.spec.federation.rounds for cell in load("deck", "federation.rounds=20").cells} == {20}


def test_runs_of_other_models_are_not_set_side_by_side():
    first = comparison(load("deck-time", "federation.rounds=20"), gapped)
    other = comparison(load("deck-time", "federation.rounds=20", "training.lr=0.5"), gapped)
    with pytest.raises(UserError, match=r"training\.lr is 0\.01 in A and 0\.5 in B"):
        record.join(first, other)


def test_without_the_faulty_cells_nothing_is_said_of_the_gap():
    document = comparison(load("deck-time", "federation.rounds=20"), gapped)
    assert gap.find(document) is None
    assert not any("faults" in text for text in report.words(document))


def learned(own: spec.Spec, backend: str, number: int) -> float:
    """torch learns as the study saw it; tff the other way round."""
    slow = own.federation.clients / 100 + (own.federation.partition == "classes") / own.federation.classes_per_client
    ahead = max(0.0, 0.9 - 0.2 * slow + 0.2 * own.model.batch_norm)
    return ahead if backend == "torch" else 0.9 - ahead


def test_trends_come_out_or_the_report_says_that_they_do_not():
    document = comparison(load("deck", scale=0.02), learned)
    verdicts = {(one.trend.claim, one.backend): one.verdict for one in trends.findings(document)}
    assert len(verdicts) == 2 * len(trends.TRENDS)
    assert {own for (_, backend), own in verdicts.items() if backend == "torch"} == {trends.COMES_OUT}
    assert {own for (_, backend), own in verdicts.items() if backend == "tff"} == {trends.DOES_NOT}
    same = comparison(load("deck", scale=0.02), lambda *_: 0.5)
    assert {one.verdict for one in trends.findings(same)} == {trends.UNTOLD}


def test_the_studys_figures_stand_beside_the_runs_at_the_scaled_rounds():
    document = comparison(load("deck", scale=0.02), lambda own, backend, number: number / 100)
    found = {table.title: table for table in report.tables(document)}
    clients = found["Accuracy (%) by clients and by who holds what"]
    assert clients.columns == ("who holds what", "round", "here", "study: PyTorch", "torch", "tff")
    rows = {(row[0], row[1]): row[2:] for row in clients.rows}
    assert rows["IID, 3 clients", "100"] == ("2", "88.7", "2.0", "2.0")
    assert rows["IID, 3 clients", "1000"] == ("20", "92.4", "20.0", "20.0")
    assert rows["unequal sizes, 10 clients", "400 (i)"] == ("8", "-", "8.0", "8.0")
    rows = {
        (row[0], row[1]): row[2:]
        for row in found["Accuracy (%), PyTorch against TensorFlow: IID, two clients a round"].rows
    }
    assert rows["100 clients", "800"] == ("16", "84.3", "94.1", "16.0", "16.0")
    assert report.words(document)[0] == (
        "Scaled down: rounds 20 instead of 1,000, 5 instead of 60, 6 instead of 10; samples 375 instead of 3,765,"
        " 60 instead of 300."
    )


def test_a_run_as_long_as_the_study_has_its_rounds():
    document = comparison(load("deck-time"), learned)
    (table,) = [own for own in report.tables(document) if own.title.startswith("Accuracy (%) by clients")]
    assert table.columns == ("who holds what", "round", "study: PyTorch", "torch", "tff")
    assert [row[1] for row in table.rows] == ["10 (i)", "100", "400 (i)", "1000"]


def test_only_an_experiment_of_the_study_is_set_beside_it():
    document = comparison(load("deck-time", "federation.rounds=20"), gapped)
    document["experiment"]["study"] = False
    assert report.tables(document) == []
    assert report.words(document) == []


def test_a_large_grid_is_told_at_a_glance_on_a_terminal_and_in_full_elsewhere():
    document = comparison(load("deck-clients", scale=0.02), learned)
    titles = [table.title for table in shortened(document)]
    assert "All cells" in titles
    assert not any(title.startswith("What it costs") for title in titles)
    assert sum(table.title.startswith("What it costs") for table in tables(document)) == 12


TINY_DECK = ("--set=model.name=mlp", "--set=data.image_size=8", "--set=training.batch_size=5", "--scale=0.01")


def test_deck_runs_end_to_end_and_resumes_at_any_cell(bench, tmp_path):
    """On the reference; the real frameworks take the same way, as the other end-to-end tests show."""
    sets = ("--set=data.film_size=[32]", "--set=federation.clients=[3,6]", "--set=federation.rounds=6")
    command = ("run", "deck-clients", "--backends=reference", "--json", *TINY_DECK, *sets)
    finished = bench(*command)
    assert finished.code == 0, finished.err
    (folder,) = (tmp_path / "runs").iterdir()
    for path in (folder / "record.json", *folder.glob("task-[3-9]/*/result.json")):
        path.unlink()
    again = bench(*command)
    assert again.code == 0, again.err
    assert len(list((tmp_path / "runs").iterdir())) == 1
    before, after = finished.document["cells"], again.document["cells"]
    assert [cell["digests"] for cell in before] == [cell["digests"] for cell in after]
    weights = [[run["weights_sha256"] for cell in own for run in cell["runs"]] for own in (before, after)]
    assert weights[0] == weights[1]
    assert json.loads((folder / "comparison.json").read_text())["experiment"]["study"] is True


def test_a_wrong_scale_is_one_clear_line(bench):
    refused(bench("run", "deck", "--scale=2", "--dry-run"), "--scale 2: must be above 0 and at most 1")
