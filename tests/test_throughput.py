"""FLOPs a second: counted by hand, and left out where they would mean nothing."""

import pytest

from bench import spec, table, throughput
from bench.charts import arithmetic

PLAIN = spec.Spec.model_validate({"data": {"image_size": 8}, "model": {"name": "mlp"}})


def cell(own: spec.Spec = PLAIN, **run) -> dict:
    rounds = [
        {"round": number, "seconds": seconds, "cohort": [0, 2], "warmup": number == 1}
        for number, seconds in enumerate((100.0, 2.0, 4.0, 8.0), start=1)
    ]
    return {"spec": own.model_dump(mode="json"), "runs": [{"backend": "a", "rounds": rounds} | run]}


PARTITION = {"classes": ["x", "y"], "counts": [[3, 4], [50, 50], [0, 5]]}


def test_a_step_of_an_mlp_is_counted_by_hand():
    """3 x 8 x 8 inputs to 32 to 2: the first layer's input needs no gradient."""
    first, second = 2 * 3 * 8 * 8 * 32, 2 * 32 * 2
    assert throughput.training_flops(PLAIN, 2) == 2 * first + 3 * second


def test_a_convolution_is_counted_by_hand():
    own = spec.Spec.model_validate({"data": {"image_size": 8, "channels": 1}})
    conv1, conv2 = 2 * 6 * 6 * 32 * 9, 2 * 4 * 4 * 64 * 32 * 9
    dense1, dense2 = 2 * 2 * 2 * 64 * 128, 2 * 128 * 2
    assert throughput.training_flops(own, 2) == 2 * conv1 + 3 * (conv2 + dense1 + dense2)


def test_a_round_is_its_cohort_s_samples_and_warm_up_does_not_count():
    found = cell()
    each = throughput.training_flops(PLAIN, 2)
    assert throughput.of_runs(found, PARTITION, found["runs"]) == pytest.approx(each * 12 / 4.0)


@pytest.mark.parametrize(
    "changed", [{"privacy": {"noise_multiplier": 1.0}}, {"timing": {"device": "cuda"}}, {"centralised": True}]
)
def test_where_it_would_mean_nothing_it_is_not_told(changed):
    run = {"centralised": True} if "centralised" in changed else {}
    own = PLAIN if run else spec.Spec.model_validate(PLAIN.model_dump(exclude_none=True) | changed)
    found = cell(own, **run)
    assert throughput.of_runs(found, PARTITION, found["runs"]) is None


def test_the_row_tells_the_share_of_the_best():
    found = cell() | {"digests": {"partition": "p"}}
    peak = 10 * throughput.training_flops(PLAIN, 2) * 12 / 4.0
    comparison = {"sgemm_flops": peak, "partitions": {"p": PARTITION}}
    ((_, told),) = table._throughput_rows(comparison, found, {"a": found["runs"]})
    assert told.endswith("(10%)")
    assert table._throughput_rows({"partitions": {}}, found, {"a": found["runs"]}) == []


def test_the_picture_has_the_best_and_a_mark_a_backend():
    found = cell(status="done") | {"name": "few", "digests": {"partition": "p"}}
    found["runs"].append(found["runs"][0] | {"backend": "b"})
    peak = 4 * throughput.of_runs(found, PARTITION, found["runs"])
    comparison = {"sgemm_flops": peak, "partitions": {"p": PARTITION}}
    drawn = arithmetic.chart(comparison, [found])
    assert "few: a 25%, b 25%" in drawn.summary
    (axes,) = drawn.figure.axes
    assert [list(marks.get_offsets()[:, 0]) for marks in axes.collections] == [[pytest.approx(peak / 4e9)]] * 2
    assert axes.lines[0].get_xdata()[0] == pytest.approx(peak / 1e9)
    assert arithmetic.chart(comparison | {"sgemm_flops": None}, [found]) is None
