import numpy as np
import pytest

from bench import parity


def moved(by: float, number: int = 1) -> dict[str, np.ndarray]:
    return {"a.weight": np.full((3, 2), 0.1 + number * by), "b.bias": np.full(3, 0.2 - number * by)}


START = moved(0.0)


def certify(*found):
    return parity.certify(START, [moved(0.01, number) for number in range(1, len(found) + 1)], list(found))


def test_rounding_passes():
    verdict = certify({name: array.astype(np.float32) for name, array in moved(0.01).items()})
    assert verdict["verdict"] == "pass"
    assert verdict["first_difference"] is None
    assert 0 < verdict["max_abs_by_round"][0] < 1e-7


def test_the_first_wrong_tensor_and_round_are_named():
    wrong = moved(0.01, 2)
    wrong["b.bias"] = wrong["b.bias"] + 0.001
    verdict = certify(moved(0.01), wrong)
    assert verdict["verdict"] == "fail"
    assert (verdict["first_difference"]["round"], verdict["first_difference"]["tensor"]) == (2, "b.bias")
    assert "b.bias is off by 1.0e-03 after round 2" in verdict["reason"]


def test_one_that_never_trains_fails_however_small_the_learning_rate():
    verdict = parity.certify(START, [moved(1e-6)], [START])
    assert verdict["max_abs_by_round"][0] < parity.ABSOLUTE
    assert verdict["verdict"] == "fail"


def test_nan_never_passes():
    assert certify({name: array * np.nan for name, array in START.items()})["verdict"] == "fail"


def test_a_missing_round_is_an_error():
    with pytest.raises(ValueError, match="1 rounds to compare with 2"):
        parity.certify(START, [START, START], [START])


def test_statistics_are_measured_on_their_own_scale():
    start = {"a.weight": np.zeros(2), "n.variance": np.ones(2)}
    golden = {"a.weight": np.full(2, 0.01), "n.variance": np.full(2, 0.4)}
    off = {"a.weight": golden["a.weight"], "n.variance": golden["n.variance"] + 0.005}
    assert parity.certify(start, [golden], [off])["verdict"] == "pass"
    untrained = {"a.weight": start["a.weight"] + 0.00995, "n.variance": golden["n.variance"]}
    assert parity.certify(start, [golden], [untrained])["verdict"] == "pass"
    untrained["a.weight"] = start["a.weight"]
    assert parity.certify(start, [golden], [untrained])["first_difference"]["tensor"] == "a.weight"


def test_where_nobody_trained_nothing_is_certified():
    verdict = parity.certify(START, [START], [START])
    assert verdict["verdict"] == "not-comparable"
    assert "nobody took part" in verdict["reason"]
