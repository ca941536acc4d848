"""Intervals of pairs and samples, the looks of a check, what it decides, and the trials of a self-test."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from bench.drawing import draw
from bench.errors import UserError
from bench.regression import intervals, sequential, trials
from bench.regression.sequential import decide, decide_unpaired, looks
from bench.regression.trials import Series, Setup

# Hollander and Wolfe, Nonparametric Statistical Methods, 2nd ed.: table 3.1, the Hamilton depression scale of nine
# patients before and after a tranquilizer; table 4.1, the permeability of the chorioamnion at term and before.
BEFORE = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
EARLIER = [1.15, 0.88, 0.90, 0.74, 1.21]

sides = st.floats(1e-4, 0.45)
numbers = st.integers(-1000, 1000).map(lambda value: value / 64)  # binary fractions: sums of them are exact
samples = st.lists(numbers, min_size=1, max_size=25)


def normal(rng, size):
    return rng.normal(size=size)


def laplace(rng, size):
    return rng.laplace(size=size)


def outliers(rng, size):
    """Symmetric and heavy-tailed: lognormal sizes, every twentieth pair tenfold, of either sign."""
    sizes = rng.lognormal(sigma=1.0, size=size) * np.where(rng.random(size) < 0.05, 10, 1)
    return sizes * rng.choice([-1, 1], size)


def drifting(rng, size):
    """A machine that remembers what it was like a pair ago; a coin says which side of the pair has the worse of it."""
    noise = rng.normal(size=size)
    for place in range(1, size[-1]):
        noise[..., place] += 0.9 * noise[..., place - 1]
    return noise * rng.choice([-1, 1], size)


NOISES = (normal, laplace, outliers, drifting)


# Intervals of pairs


def test_the_published_interval_of_pairs():
    found = intervals.paired(np.subtract(AFTER, BEFORE), 10 / 2**9)  # P(T <= 5), from 10 of 512 signs
    assert found.estimate == pytest.approx(-0.46)
    assert (found.low, found.high) == pytest.approx((-0.786, -0.010))


def test_the_published_interval_of_two_samples():
    found = intervals.unpaired(AT_TERM, EARLIER, 0.02)
    assert found.estimate == pytest.approx(-0.305)
    assert (found.low, found.high) == pytest.approx((-0.76, 0.15))


@pytest.mark.parametrize(("pairs", "alpha"), [(5, 0.04), (9, 0.02), (20, 0.005), (20, 0.2), (47, 0.0004)])
def test_an_interval_of_pairs_ends_where_scipys_test_begins_to_reject(pairs, alpha):
    values = np.random.default_rng(pairs).normal(size=pairs)
    walsh = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2))
    found = intervals.paired(values, alpha)

    def p(shift, alternative):
        return stats.wilcoxon(values - shift, alternative=alternative, method="exact").pvalue

    outside, inside = _around(walsh, found.low)
    assert p(outside, "greater") <= alpha < p(inside, "greater")
    inside, outside = _around(walsh, found.high)
    assert p(outside, "less") <= alpha < p(inside, "less")


@pytest.mark.parametrize(("m", "n", "alpha"), [(4, 6, 0.02), (6, 4, 0.02), (1, 60, 0.03), (9, 9, 0.3), (20, 31, 0.001)])
def test_an_interval_of_samples_ends_where_scipys_test_begins_to_reject(m, n, alpha):
    rng = np.random.default_rng(m)
    base, head = rng.normal(size=m), rng.normal(size=n)
    differences = sorted(np.subtract.outer(head, base).ravel())
    found = intervals.unpaired(base, head, alpha)

    def p(shift, alternative):
        return stats.mannwhitneyu(head - shift, base, alternative=alternative, method="exact").pvalue

    outside, inside = _around(differences, found.low)
    assert p(outside, "greater") <= alpha < p(inside, "greater")
    inside, outside = _around(differences, found.high)
    assert p(outside, "less") <= alpha < p(inside, "less")


def _around(ordered, end):
    """Numbers right below and right above `end`, between its neighbours and itself."""
    place = ordered.index(end)
    padded = [ordered[0] - 1, *ordered, ordered[-1] + 1]
    return (padded[place] + end) / 2, (end + padded[place + 2]) / 2


@pytest.mark.parametrize(("alpha", "pairs"), [(0.5, 1), (0.25, 2), (0.05, 5), (0.025, 6), (0.005, 8), (0.0004, 12)])
def test_the_least_number_of_pairs(alpha, pairs):
    assert intervals.least_pairs(alpha) == pairs


@given(st.floats(1e-12, 0.45))
def test_fewer_pairs_than_the_least_have_no_interval_and_the_least_have_their_range(alpha):
    least = intervals.least_pairs(alpha)
    found = intervals.paired(range(least), alpha)
    assert (found.low, found.high) == (0, least - 1)
    if least > 1:
        assert intervals.paired(range(least - 1), alpha).low is None


@pytest.mark.parametrize(("bases", "alpha", "heads"), [(5, 0.0041, 5), (5, 0.0039, 6), (1, 0.0101, 99), (40, 0.02, 2)])
def test_the_least_number_beside_a_sample(bases, alpha, heads):
    assert intervals.least_heads(bases, alpha) == heads
    assert intervals.unpaired(range(bases), range(heads), alpha).low is not None
    assert intervals.unpaired(range(bases), range(heads - 1), alpha).low is None


@given(samples, sides)
def test_an_interval_holds_its_estimate(values, alpha):
    for found in (intervals.paired(values, alpha), intervals.unpaired(values[:4], values, alpha)):
        assert found.low is None or found.low <= found.estimate <= found.high


@given(samples, sides)
def test_with_signs_flipped_an_interval_is_mirrored(values, alpha):
    found, mirrored = (intervals.paired(sign * np.array(values), alpha) for sign in (1, -1))
    assert mirrored.estimate == -found.estimate
    assert found.low is None or (mirrored.low, mirrored.high) == (-found.high, -found.low)


@given(samples, samples, sides)
def test_with_sides_changed_an_interval_is_mirrored(base, head, alpha):
    found, mirrored = intervals.unpaired(base, head, alpha), intervals.unpaired(head, base, alpha)
    assert mirrored.estimate == -found.estimate
    assert found.low is None or (mirrored.low, mirrored.high) == (-found.high, -found.low)


@given(samples, numbers, sides)
def test_an_interval_moves_with_its_values(values, shift, alpha):
    moved = np.array(values) + shift
    for found, other in (
        (intervals.paired(values, alpha), intervals.paired(moved, alpha)),
        (intervals.unpaired(values, values, alpha), intervals.unpaired(values, moved, alpha)),
    ):
        assert other.estimate == found.estimate + shift
        assert found.low is None or (other.low, other.high) == (found.low + shift, found.high + shift)


@given(samples, sides, sides)
def test_a_smaller_alpha_never_narrows(values, one, other):
    wide, narrow = (intervals.paired(values, alpha) for alpha in sorted((one, other)))
    assert wide.low is None or wide.low <= narrow.low <= narrow.high <= wide.high


@given(samples.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))), sides)
def test_the_order_does_not_count(both, alpha):
    values, shuffled = both
    assert intervals.paired(values, alpha) == intervals.paired(shuffled, alpha)
    assert intervals.unpaired(values, shuffled, alpha) == intervals.unpaired(shuffled, values, alpha)


def test_equal_values_are_a_point():
    assert intervals.paired([0.25] * 8, 0.01) == intervals.Interval(0.25, 0.25, 0.25)
    assert intervals.unpaired([1.0] * 8, [1.5] * 8, 0.01) == intervals.Interval(0.5, 0.5, 0.5)


@pytest.mark.parametrize("values", [(-1, 0, 1), (-1, 1), (-1, 0, 0, 0, 1), (-2, -1, -1, 1, 1, 2)])
def test_with_ties_and_zeros_an_interval_of_pairs_misses_no_more_often(values):
    """By all samples that there are, so that nothing is left to chance."""
    pairs, alpha = 6, 0.05
    everything = [intervals.paired(sample, alpha) for sample in itertools.product(values, repeat=pairs)]
    assert sum(found.low > 0 for found in everything) <= alpha * len(everything)
    assert sum(found.high < 0 for found in everything) <= alpha * len(everything)


def test_with_ties_an_interval_of_samples_misses_no_more_often():
    everything = [intervals.unpaired(sample[:3], sample[3:], 0.05) for sample in itertools.product((0, 1, 2), repeat=8)]
    assert 0 < sum(found.low > 0 for found in everything) <= 0.05 * len(everything)
    assert 0 < sum(found.high < 0 for found in everything) <= 0.05 * len(everything)


@pytest.mark.parametrize("noise", NOISES)
def test_an_interval_of_pairs_misses_as_often_as_it_says(noise):
    pairs, alpha, tries = 15, 0.05, 2000
    ways = [1]
    for rank in range(1, pairs + 1):
        ways = np.convolve(ways, [1, *[0] * (rank - 1), 1])
    tails = np.cumsum(ways) / 2**pairs
    exact = 2 * tails[tails <= alpha][-1]
    drawn = noise(np.random.default_rng(15), (tries, pairs))
    misses = sum(found.low > 0 or found.high < 0 for found in (intervals.paired(own, alpha) for own in drawn))
    assert stats.binom.ppf(1e-5, tries, exact) <= misses <= stats.binom.ppf(1 - 1e-5, tries, exact)


# The looks


def test_the_looks_of_six_verdicts_at_99_percent():
    taken = list(itertools.islice(looks(sequential.share(0.99, 6)), 8))
    assert [look.pairs for look in taken] == [12, 15, 18, 22, 27, 33, 40, 48]
    assert [0.01 / 6 / look.alpha for look in taken] == pytest.approx([4, 12, 24, 40, 60, 84, 112, 144])


@given(st.floats(1e-12, 0.99))
def test_looks_go_on_and_never_spend_more_than_there_is(alpha):
    taken = list(itertools.islice(looks(alpha), 40))
    assert taken[0].pairs == intervals.least_pairs(alpha / 4)
    assert all(a.pairs < b.pairs for a, b in itertools.pairwise(taken))
    assert all(look.pairs >= intervals.least_pairs(look.alpha) for look in taken)
    assert sum(2 * look.alpha for look in taken) < alpha


# Decisions


def test_before_the_first_look_nothing_is_decided():
    found = decide([0.5] * 11, 0.05, 0.99, 6)
    assert (found.verdict, found.low, found.high, found.pairs, found.looks) == ("undecided", None, None, 11, 0)
    assert found.next_look == 12
    assert found.ratio == pytest.approx(math.exp(0.5))


def test_between_looks_the_last_one_counts():
    values = np.random.default_rng(3).normal(np.log(1.05), 0.02, size=30)
    at_look, later = decide(values[:27], 0.05, 0.99, 6), decide(values[:30], 0.05, 0.99, 6)
    assert at_look == later
    assert (later.verdict, later.pairs, later.looks, later.next_look) == ("undecided", 27, 5, 33)


@pytest.mark.parametrize(
    ("ratio", "allowed", "verdict"),
    [
        (1.0, 0.05, "not slower"),
        (1.0, 0.0, "not slower"),  # such as memory that is the same to the byte
        (1.0, -0.1, "slower"),
        (1.2, 0.05, "slower"),
        (0.5, 0.0, "not slower"),
    ],
)
def test_pairs_without_any_noise_are_decided_at_the_first_look(ratio, allowed, verdict):
    found = decide([math.log(ratio)] * 40, allowed, 0.99, 6)
    assert (found.verdict, found.pairs, found.looks, found.next_look) == (verdict, 12, 1, None)
    assert (found.ratio, found.low, found.high) == pytest.approx((ratio, ratio, ratio))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(-0.05, 0.15), st.floats(0.001, 0.1), st.floats(0.5, 0.999))
def test_more_pairs_never_change_a_verdict(seed, centre, spread, confidence):
    values = np.random.default_rng(seed).normal(centre, spread, 45)
    stood = None
    for pairs in range(1, 46):
        found = decide(values[:pairs], 0.05, confidence, 3)
        assert stood is None or found == stood
        if found.verdict == "undecided":
            assert found.next_look > pairs >= found.pairs
        else:
            assert found.next_look is None
            assert found.low > 1.05 or found.high <= 1.05
            stood = found


@pytest.mark.parametrize(
    ("values", "told"),
    [([], "nothing was measured"), ([0.0, math.nan], "measurement 2 of 2"), ([-math.inf], "measurement 1 of 1")],
)
def test_what_measured_nothing_is_refused(values, told):
    with pytest.raises(UserError, match=told):
        decide(values, 0.05, 0.99, 1)
    with pytest.raises(UserError, match=told):
        decide_unpaired([0.0], values, 0.05, 0.99, 1)
    with pytest.raises(UserError, match=told):
        decide_unpaired(values, [0.0], 0.05, 0.99, 1)


@pytest.mark.parametrize("confidence", [0, 1, 99, -0.5, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(UserError, match="confidence"):
        decide([0.0], 0.05, confidence, 1)


@pytest.mark.parametrize("allowed", [-1, -2, math.inf, math.nan])
def test_a_slowdown_that_is_none_is_refused(allowed):
    with pytest.raises(UserError, match="slowdown"):
        decide([0.0], allowed, 0.99, 1)


def test_samples_are_looked_at_once():
    base, head = np.arange(8) / 1000, np.arange(8) / 1000 + 0.2
    assert decide_unpaired(base, head, 0.05, 0.99, 3).verdict == "slower"
    assert decide_unpaired(head, base, 0.05, 0.99, 3).verdict == "not slower"
    found = decide_unpaired(base, head, 0.22, 0.99, 3)
    assert (found.verdict, found.pairs, found.looks, found.next_look) == ("undecided", 8, 1, None)


def test_samples_that_are_too_small_tell_how_many_are_needed():
    few = decide_unpaired([0.0] * 3, [0.5] * 4, 0.05, 0.99, 3)
    assert (few.verdict, few.low, few.high, few.looks) == ("undecided", None, None, 0)
    assert decide_unpaired([0.0] * 3, [0.5] * (few.next_look - 1), 0.05, 0.99, 3).low is None
    assert decide_unpaired([0.0] * 3, [0.5] * few.next_look, 0.05, 0.99, 3).verdict == "slower"


# How often a check is wrong, and how often it is right

CHECKS, MOST = 2000, 60


def just_allowed(noise, checks, most):
    """Pairs of heads that are slower by exactly what is allowed, a check a row: any verdict of theirs is wrong."""
    return math.log(1.05) + 0.01 * noise(np.random.default_rng(8), (checks, most))


def surely_below(count, tries):
    """The upper end of Clopper and Pearson's interval at 99.9 %."""
    return stats.binomtest(count, tries).proportion_ci(0.999, "exact").high


@pytest.mark.parametrize("noise", NOISES)
def test_looking_again_and_again_fools_no_more_often_than_is_said(noise):
    said = [decide(own, 0.05, 0.9, 1).verdict for own in just_allowed(noise, CHECKS, MOST)]
    assert 0 < surely_below(said.count("slower"), CHECKS) < 0.05
    assert surely_below(CHECKS - said.count("undecided"), CHECKS) < 0.1


def test_the_same_looks_without_their_correction_would_fool_more_often():
    """That is, the simulation above would see it."""
    at = [look.pairs for look in itertools.islice(looks(0.1), 9)]
    fooled = sum(
        any(intervals.paired(own[:pairs], 0.05).low > math.log(1.05) for pairs in at)
        for own in just_allowed(normal, CHECKS, MOST)
    )
    assert stats.binomtest(fooled, CHECKS).proportion_ci(0.999, "exact").low > 0.05


def test_a_check_of_three_phases_raises_few_alarms():
    drawn = just_allowed(laplace, 3 * CHECKS, 30).reshape(CHECKS, 3, 30)
    alarms = sum(any(decide(own, 0.05, 0.99, 3).verdict == "slower" for own in check) for check in drawn)
    assert alarms <= stats.binom.ppf(0.999, CHECKS, 0.005)


@pytest.mark.parametrize(("slowdown", "allowed"), [(0.10, 0.05), (0.05, 0.0)])
def test_what_is_five_spreads_beyond_the_limit_is_caught_at_the_first_look(slowdown, allowed):
    drawn = math.log1p(slowdown) + 0.01 * normal(np.random.default_rng(9), (CHECKS, 12))
    caught = [decide(own, allowed, 0.99, 6).verdict for own in drawn].count("slower")
    assert stats.binomtest(caught, CHECKS).proportion_ci(0.999, "exact").low > 0.95


def test_identical_code_is_soon_found_not_slower():
    drawn = 0.01 * normal(np.random.default_rng(10), (CHECKS, 12))
    assert [decide(own, 0.05, 0.99, 6).verdict for own in drawn].count("not slower") > 0.95 * CHECKS


@pytest.mark.parametrize("noise", (normal, laplace, outliers))
def test_an_interval_of_samples_misses_no_more_often_than_it_says(noise):
    rng = np.random.default_rng(11)
    drawn = zip(noise(rng, (CHECKS, 8)), noise(rng, (CHECKS, 10)) + math.log(1.05), strict=True)
    wrong = sum(decide_unpaired(base, head, 0.05, 0.9, 1).verdict != "undecided" for base, head in drawn)
    assert 0 < wrong <= stats.binom.ppf(0.999, CHECKS, 0.1)


# The trials of a self-test


def recorded(seed, **centres):
    """A hundred pairs of each phase, 1 % apart."""
    rng = np.random.default_rng(seed)
    return {phase: list(rng.normal(math.log1p(centre), 0.01, 100)) for phase, centre in centres.items()}


def tried(series, **setup):
    breaths = []
    wanted = Setup(**({"max_slowdown": 0.05, "confidence": 0.99, "verdicts": 2, "most": 30, "trials": 200} | setup))
    found = trials.outcomes(series, wanted, lambda: breaths.append(1))
    assert len(breaths) == wanted.trials
    assert all(outcome.resampled.trials == wanted.trials for outcome in found)
    for tally in (tally for outcome in found for tally in (outcome.resampled, outcome.real)):
        assert tally.slower + tally.not_slower + tally.undecided == tally.trials
    return found


def test_trials_of_identical_code_and_of_a_slowed_one():
    same = tried(Series("itself", recorded(1, training=0.0, loading=0.0)))
    assert [outcome.phase for outcome in same] == ["training", "loading", trials.WHOLE]
    assert not any(outcome.is_slower or outcome.resampled.slower for outcome in same)
    assert all(outcome.resampled.median_pairs == 10 for outcome in same)
    slowed = tried(Series("slowed", recorded(2, training=0.1, loading=0.0), {"training": 0.1}))
    assert [outcome.is_slower for outcome in slowed] == [True, False, True]
    assert [outcome.resampled.slower for outcome in slowed] == [200, 0, 200]


def test_a_slowdown_within_what_is_allowed_is_no_catch():
    (found,) = tried(Series("slowed", recorded(2, training=0.05), {"training": 0.05}), max_slowdown=0.05)
    assert not found.is_slower
    (found,) = tried(Series("slowed", recorded(2, training=0.05), {"training": 0.05}), max_slowdown=0.0)
    assert found.is_slower
    assert found.resampled.slower == 200


def test_real_trials_use_no_pair_twice():
    """All is decided at the first look, at 9 pairs; the last trial begins at the 64th, with 37 left."""
    (found,) = tried(Series("itself", {"training": [0.0] * 100}), verdicts=1)
    assert (found.pairs, found.real.trials, found.real.not_slower, found.real.median_pairs) == (100, 8, 8, 9)
    (found,) = tried(Series("itself", {"training": [0.0] * 29}), verdicts=1)
    assert found.real == trials.Tally(0, 0, 0, 0, None)


def test_a_check_goes_on_until_all_of_it_is_decided():
    clear, open_ = [0.0] * 100, list(np.random.default_rng(4).normal(math.log(1.05), 0.3, 100))
    found = {own.phase: own for own in tried(Series("itself", {"memory": clear, "training": open_}), most=40)}
    assert found["memory"].real == trials.Tally(7, 0, 7, 0, 10)
    assert found["memory"].resampled.median_pairs == 10
    assert found[trials.WHOLE].real == found["training"].real == trials.Tally(2, 0, 0, 2, None)


def test_a_check_that_is_red_goes_on_for_what_is_open():
    open_ = list(np.random.default_rng(4).normal(math.log(1.05), 0.3, 100))
    one, _, whole = tried(Series("slowed", {"training": [0.2] * 100, "loading": open_}, {"training": 0.2}), most=45)
    assert (one.real.slower, one.real.median_pairs) == (6, 10)
    assert whole.real == trials.Tally(2, 2, 0, 0, 45)


def test_phases_of_a_pair_stay_together():
    """Two phases that are the same are wrong in the same trials."""
    values = list(np.random.default_rng(5).normal(0, 0.02, 40))
    one, other, whole = tried(Series("itself", {"a": values, "b": values}), max_slowdown=0.0, confidence=0.5, most=40)
    assert 0 < one.resampled.slower + one.resampled.not_slower < 200
    assert one.resampled == other.resampled == whole.resampled


def test_a_budget_that_ends_before_the_first_look_decides_nothing():
    (found,) = tried(Series("itself", recorded(1, training=0.0)), most=9)
    assert found.resampled == trials.Tally(200, 0, 0, 200, None)


def test_the_same_pairs_give_the_same_trials():
    series = Series("itself", recorded(6, training=0.045))
    assert tried(series) == tried(series)
    assert tried(series) != tried(series, seed=1)


@pytest.mark.parametrize("ratios", [{}, {"training": []}, {"training": [0.0, math.nan]}])
def test_trials_of_nothing_are_refused(ratios):
    with pytest.raises(UserError, match=r"measured nothing|nothing was measured"):
        trials.outcomes(Series("itself", ratios), Setup(0.05, 0.99, 1, 30), lambda: None)


def test_how_values_go_with_those_before_them():
    assert trials.autocorrelation([1.0, -1.0] * 50) == pytest.approx(-0.99)
    assert trials.autocorrelation([1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.25)
    assert trials.autocorrelation([2.0] * 50) is None
    assert trials.autocorrelation([1.0, 2.0]) is None


def test_recorded_pairs_that_are_biased_are_told_and_raise_no_false_alarms():
    """The sides of identical code change places in a trial; those of slowed code can't."""
    ratios = recorded(7, training=0.02, memory=0.0)
    found = {own.phase: own for own in tried(Series("itself", ratios), max_slowdown=0.0)}
    assert found["training"].resampled.slower <= stats.binom.ppf(0.999, 200, 0.0025)
    assert found["training"].real.slower == found["training"].real.trials > 0
    assert 1 < found["training"].low <= found["training"].ratio <= found["training"].high
    assert found["memory"].low < 1 < found["memory"].high
    slowed = tried(Series("slowed", ratios, {"training": 0.02}), max_slowdown=0.0)
    assert slowed[0].resampled.slower == 200


def test_tables_of_trials_can_be_read():
    same = Series("the same", recorded(1, training=0.0, memory=0.0))
    slowed = Series("slowed by 10 %", recorded(2, training=0.1), {"training": 0.1})
    found = [*tried(same), *tried(slowed), *tried(same, max_slowdown=0.01)]
    tables = trials.tables(found, Setup(0.05, 0.99, 2, 30, trials=200))
    at_5, at_1, real, pairs = ([dict(zip(one.columns, row, strict=True)) for row in one.rows] for one in tables)
    assert [row["phase"] for row in at_5] == ["training", "memory", trials.WHOLE, "training"]
    assert [row["alarms, %"] for row in at_5] == ["0 [0, 1.9]"] * 3 + ["-"]
    assert [row["caught, %"] for row in at_5] == ["-"] * 3 + ["100 [98.1, 100]"]
    assert {(row["undecided"], row["pairs"]) for row in at_5} == {("0 %", "10")}
    assert [row["phase"] for row in at_1] == ["training", "memory", trials.WHOLE]
    assert [(row["trials"], row["slower"], row["undecided"]) for row in real[:4]] == [("8", "0", "0")] * 3 + [
        ("8", "8", "0")
    ]
    assert [row["allowed"] for row in real] == ["5 %"] * 4 + ["1 %"] * 3
    assert [(row["head"], row["pairs"]) for row in pairs] == [("the same", "100")] * 2 + [("slowed by 10 %", "100")]
    assert [float(row["ratio"].partition("x")[0]) for row in pairs] == pytest.approx([1, 1, 1.1], abs=0.006)
    assert {row["lag 1"].partition(" ")[2] for row in pairs} == {"(±0.20)"}
    console = Console(width=80, record=True)
    for one in tables:
        draw(one, console)
    assert "100 [98.1, 100]" in console.export_text()
