"""Estimates of time: what work is, what is kept of it, and what is foretold from that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import layout, model, preview, spec, speeds, store, work
from bench.estimate import Estimator, told
from bench.speeds import Observation
from bench.work import Piece, Samples
from tests import grids


def piece(label="torch", samples=300, is_probe=False, **settings):
    given = {"data.image_size": 8, "model.name": "mlp", "federation.rounds": 20}
    given |= {key.replace("__", "."): value for key, value in settings.items()}
    (cell,) = spec.build({}, list(given.items())).cells
    return Piece(label, cell.spec, Samples(samples, samples // 4), is_probe)


def knowing(*pairs):
    """An estimator that knows these, (piece, seconds a round, start-up), and a machine of 1 GFLOP/s."""
    known = {}
    for one, seconds, startup in pairs:
        known.setdefault(speeds.key(one), []).append(Observation(one.slot, one.round, seconds, startup))
    estimator = Estimator(known)
    estimator.__dict__["_flops"] = 1e9
    return estimator


def test_the_work_of_a_sample_is_two_flops_a_multiply_add():
    settings = spec.Model(name="deck-cnn")
    layers = model.layers(settings, (3, 8, 8), 3)
    conv1 = 32 * 6 * 6 * 3 * 9
    conv2 = 64 * 4 * 4 * 32 * 9
    dense = 64 * 2 * 2 * 128 + 128 * 3
    assert work.forward(layers, (3, 8, 8)) == 2 * (conv1 + conv2 + dense)


def test_a_round_is_its_slots_and_a_slot_is_what_a_client_trains():
    one = piece(federation__clients=3, federation__fraction=0.66)
    assert one.slot == 3 * work.forward(model.layers(one.spec.model, (3, 8, 8), 3), (3, 8, 8)) * 100
    assert one.round == 2 * one.slot
    assert piece(federation__clients=3, federation__local_epochs=5).slot == 5 * one.slot


def test_a_probe_is_cut_and_is_never_evaluated():
    probe = piece(samples=30000, is_probe=True)
    assert (probe.rounds, probe.evaluations) == (3, 0.0)
    assert probe.slot == piece(samples=3 * 240).slot


def test_what_was_seen_is_foretold_again():
    one = piece(timing__evaluate_every=20)
    estimate = knowing((one, 2.0, 5.0)).of(one)
    assert estimate.rough is None
    assert estimate.rounds == pytest.approx(40)
    assert 45 < estimate.seconds < 48


def test_the_observation_of_the_most_like_clients_is_taken():
    small, large = piece(samples=300), piece(samples=3000)
    estimator = knowing((small, 1.0, 0.0), (large, 2.0, 0.0))
    assert estimator.of(piece(samples=330)).rounds == pytest.approx(20 * 1.1)
    assert estimator.of(piece(samples=2700)).rounds == pytest.approx(20 * 2.0 * 0.9)


def test_more_clients_of_the_same_size_take_as_much_longer():
    few = piece(samples=300, federation__clients=3, federation__fraction=1.0)
    many = piece(samples=3000, federation__clients=30, federation__fraction=1.0)
    assert knowing((few, 1.0, 0.0)).of(many).rounds == pytest.approx(20 * 10.0)


def test_what_has_not_run_is_rough_and_taken_from_another_backend():
    other = piece("tff")
    estimate = knowing((other, 1.0, 7.0)).of(piece("torch"))
    assert estimate.rough == ("torch", "not run here yet")
    assert estimate.rounds == pytest.approx(20)
    plain = piece("torch", privacy__noise_multiplier=1.0)
    assert knowing((piece("torch"), 1.0, 7.0)).of(plain).rough == ("torch", "not run here in this way yet")


def test_the_reference_says_nothing_of_a_framework_nor_the_other_way_round():
    slow, fast = piece("reference"), piece("torch")
    assert knowing((slow, 1000.0, 0.0)).of(fast).rounds < 20
    assert knowing((fast, 1000.0, 0.0)).of(slow).rounds < 20


def test_where_nothing_is_known_the_machine_is_measured():
    one = piece(samples=3000)
    estimate = knowing().of(one)
    assert estimate.rough == ("torch", "not run here yet")
    assert estimate.rounds == pytest.approx(20 * one.round / 0.5e9)
    assert Estimator({})._flops > 1e6


def test_far_more_work_than_was_seen_is_not_all_overhead():
    tiny, huge = piece(samples=30), piece(samples=30000)
    estimate = knowing((tiny, 0.5, 0.0)).of(huge)
    assert estimate.rough == ("torch", "only far smaller work was done here")
    assert estimate.rounds < 20 * (0.5 + 1.1 * huge.round / 0.5e9)


@given(
    rounds=st.integers(2, 500),
    samples=st.integers(6, 100_000),
    clients=st.integers(1, 50),
    seconds=st.floats(1e-4, 1e3),
    every=st.integers(1, 50),
)
def test_twice_the_rounds_never_take_less(rounds, samples, clients, seconds, every):
    estimator = knowing((piece(samples=600), seconds, 2.0))
    size = {"samples": samples, "federation__clients": clients, "timing__evaluate_every": every}
    once = estimator.of(piece(federation__rounds=rounds, **size))
    twice = estimator.of(piece(federation__rounds=2 * rounds, **size))
    assert 0 < once.seconds <= twice.seconds
    assert once.rounds <= once.seconds


def test_finished_jobs_are_remembered_and_reference_probes_too(home):
    (task,) = grids.tasks({})
    reference, probe = task.probes[:2]
    repeat = task.repeats[0]
    speeds.add(repeat, grids.seen(repeat, seconds=2.0))
    speeds.add(probe, grids.seen(probe, seconds=9.0))
    speeds.add(reference, grids.seen(reference, seconds=4.0))
    known = speeds.load()
    assert [one.seconds for one in known[speeds.key(Piece.of(repeat))]] == [2.0]
    assert [one.seconds for one in known[speeds.key(Piece.of(reference))]] == [4.0]
    speeds.add(repeat, grids.seen(repeat, seconds=3.0))
    assert [one.seconds for one in speeds.load()[speeds.key(Piece.of(repeat))]] == [3.0], "the newest of its size"


def test_the_first_round_belongs_to_the_start():
    (task,) = grids.tasks({})
    said = grids.seen(task.repeats[0], seconds=1.0, startup=3.0)
    said[1] = said[1]._replace(seconds=6.0)
    shown = speeds.observed(task.repeats[0], said)
    assert (shown.seconds, shown.startup) == (1.0, 8.0)
    assert speeds.observed(task.repeats[0], said[:2]) is None, "nothing but the first round"


def test_a_file_that_is_torn_strange_or_anothers_is_nothing_known(home):
    (task,) = grids.tasks({})
    job = task.repeats[0]
    speeds.add(job, grids.seen(job))
    path = home / "speeds.json"
    whole = path.read_text()
    path.write_text(whole[:-20])
    assert speeds.load() == {}
    for known in ([1], {"torch": [{"slot": -1, "round": 1, "seconds": 1, "startup": 1}]}, {"torch": "fast"}, None):
        assert speeds._parsed(known) == {}
    body = json.loads(whole)["body"]
    store.write_json(path, {"another machine": body[speeds._machine()]})
    assert speeds.load() == {}
    speeds.add(job, grids.seen(job))
    assert set(store.read_json(path)) == {"another machine", speeds._machine()}
    path.write_text("[]")
    speeds.add(job, grids.seen(job))
    assert speeds.load() != {}, "and it is written anew"


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("FEDBENCH_HOME", str(tmp_path / "home"))
    (task,) = grids.tasks({})
    speeds.add(task.repeats[0], grids.seen(task.repeats[0]))
    assert speeds.load() == {}


def test_estimates_are_told_no_finer_than_they_are_known():
    words = [layout.roughly(seconds) for seconds in (0.2, 7.4, 43, 89, 95, 3000, 11000, 130_000, 200_000)]
    assert words == ["1 s", "7 s", "45 s", "90 s", "2 min", "50 min", "3 h", "1.5 days", "2.5 days"]
    assert told(11000, [("tff", "not run"), ("torch", "not run")]) == "about 3 h (rough: tff, torch: not run)"


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_what_takes_longer_is_never_told_as_less(one, other):
    units = {"s": 1, "min": 60, "h": 3600, "days": 86400}

    def parsed(seconds):
        number, unit = layout.roughly(seconds).split()
        return float(number) * units[unit]

    shorter, longer = sorted((one, other))
    assert parsed(shorter) <= parsed(longer)


def test_jobs_of_a_whole_run_are_the_runs_own():
    found = grids.tasks({"federation.clients": [2, 3], "timing.repeats": 2})
    cells = [(cell.cell.spec, Samples(grids.TRAIN, grids.HELD_OUT)) for task in found for cell in task.cells]
    foretold = work.pieces(cells, ["quick", "slow"])
    assert sorted(map(str, foretold)) == sorted(str(Piece.of(job)) for job in grids.everything(found))


def test_cells_that_share_a_plan_share_a_line():
    assert preview._spans([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    (task,) = grids.tasks({"data.form": ["memory", "packed"]})
    table = preview.digests(task.cells)
    assert [row[0] for row in table.rows] == ["1-2"]


def test_the_experiments_are_listed_with_cells_and_time(bench, tmp_path):
    env = {"FEDBENCH_HOME": str(tmp_path / "home"), "COLUMNS": "160"}
    out = bench("list", "experiments", "--backends=reference", env=env).out
    (quick,) = [line for line in out.splitlines() if line.split()[:1] == ["quick"]]
    assert "about" in quick
    assert "1" in quick.split()
    assert "Rough: reference: not run here yet" in out
    gestures = [line for line in out.splitlines() if line.split()[:1] in (["gesture"], ["gesture-shuffled"])]
    assert len(gestures) == 2
    assert all("about" in line for line in gestures), "the simulator's movements are so many"
    assert not (tmp_path / "home" / "data").exists(), "nothing is prepared"


def test_a_kind_that_is_not_there_is_refused(bench):
    finished = bench("list", "experiment")
    assert finished.code == 2
    assert "there are: experiments, backends, datasets, reports" in finished.err
    assert bench("list", "datasets").out.count("mnist") == 1


def test_a_dry_run_shows_the_grid_its_plans_and_the_time(bench, tmp_path):
    env = {"FEDBENCH_HOME": str(tmp_path / "home")}
    grid = ("--set=federation.clients=[2,3]", "--set=data.form=[memory,packed]")
    finished = bench("run", "--dry-run", "--backends=reference", *grid, tiny=True, env=env)
    assert finished.code == 0
    words = " ".join(finished.out.split())
    assert "4 clients 3, form packed 3 2 of 3 24 + 6" in words
    assert "In all, 6 jobs, 2 of them parity probes: about" in words
    assert "1-2" in words
    assert "3-4" in words
    assert not (tmp_path / "runs").exists()
