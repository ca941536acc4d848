"""The accountant: golden values, dp-accounting called directly, exact integrals, and what must hold for any input."""

import math

import dp_accounting
import mpmath
import pytest
from dp_accounting import rdp
from dp_accounting.pld import privacy_loss_distribution
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench import renyi
from bench.accountant import LEAST_NOISE, MOST_NOISE, Releases, largest, noise_for, spent, steps_for
from bench.errors import UserError

pytestmark = pytest.mark.filterwarnings("error")
few = settings(max_examples=15, deadline=None, derandomize=True)

noises = st.floats(0.5, 20)
rates = st.floats(1e-3, 0.9) | st.just(1.0)
counts = st.integers(1, 1000)
deltas = st.sampled_from([1e-3, 1e-5, 1e-7])


@pytest.mark.parametrize(("noise", "by_rdp", "by_pld"), [(0.5, 35.05, 31.20), (1, 5.423, 4.873), (2, 1.835, 1.650)])
def test_the_studys_runs_had_their_batches_been_poisson_sampled(noise, by_rdp, by_pld):
    found = spent(noise, Releases(20 / 1004, 40 * 51), 1e-4)
    assert found.pld == pytest.approx(by_pld, rel=2e-4)
    # Opacus has fewer orders near 1, and adds up absolute values of a series whose signs alternate.
    assert by_rdp * 0.995 < found.rdp < by_rdp * 1.0002


def test_opacus_values():
    """Opacus 1.6: RDPAccountant 7.329; PRVAccountant 6.777, an upper bound that is off by 0.01 at most."""
    found = spent(1.5, Releases(0.04, 2250), 1e-5)
    assert found.rdp == pytest.approx(7.329, abs=1e-3)
    assert 6.767 <= found.pld <= 6.777


@pytest.mark.parametrize(
    ("samples", "batch_size", "noise", "epochs", "delta", "theirs"),
    [
        (60_000, 150, 1.3, 15, 1e-5, 0.7242234026109595),
        (100_000, 100, 1.0, 30, 1e-7, 1.4154988495444845),
    ],
)
def test_tensorflow_privacys_own_values(samples, batch_size, noise, epochs, delta, theirs):
    """Golden values of its compute_dp_sgd_privacy_test, by RDP."""
    releases = Releases(batch_size / samples, epochs * samples // batch_size)
    assert theirs * 0.995 < spent(noise, releases, delta).rdp <= theirs


def test_tensorflow_privacys_example_at_little_noise():
    """It says 5907982.3, because its series ends at no order below 1.25; about 10 inclusions cost about 50 each."""
    found = spent(0.1, Releases(1024 / 1e8, 976_563), 1e-7)
    assert 500 < found.pld < found.rdp < 1500


@pytest.mark.parametrize("noise", [0.3, 0.5, 1, 3])
@pytest.mark.parametrize("rate", [1e-3, 0.02, 0.66])
def test_divergences_are_the_integrals_they_stand_for(noise, rate):
    orders = (1.0101, 1.3, 2.0, 7.7)
    sigma, q = mpmath.mpf(noise), mpmath.mpf(rate)
    for order, found in zip(orders, renyi.divergences(noise, rate, orders), strict=True):

        def integrand(z, order=order):
            ratio = 1 - q + q * mpmath.exp((2 * z - 1) / (2 * sigma**2))
            return ratio**order * mpmath.npdf(z, 0, sigma)

        ends = [-12 * noise, 0, 0.5, order, order + 12 * noise]
        exact = mpmath.log(mpmath.quad(integrand, ends)) / (order - 1)
        assert found == pytest.approx(float(exact), rel=1e-7, abs=2e-12)


@few
@given(noises, rates, counts, deltas)
def test_rdp_is_never_above_dp_accountings(noise, rate, count, delta):
    def theirs(orders=None):
        accountant = rdp.RdpAccountant(orders)
        accountant.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), count)
        return accountant.get_epsilon(delta)

    ours = spent(noise, Releases(rate, count), delta).rdp
    assert ours <= theirs() * (1 + 1e-9) + 1e-9
    at_our_orders = theirs(renyi.ORDERS)
    assert ours >= at_our_orders * 0.95 or at_our_orders > 5  # beyond, the best order is near 1, where it has none


@few
@given(noises, st.floats(1e-3, 0.9), st.integers(1, 300), deltas)
def test_pld_lies_between_dp_accountings_bounds(noise, rate, count, delta):
    found = spent(noise, Releases(rate, count), delta)
    assume(found.rdp < 300)  # beyond, its own search for epsilon runs into infinity
    bounds = {
        is_upper: privacy_loss_distribution.from_gaussian_mechanism(
            noise,
            pessimistic_estimate=is_upper,
            value_discretization_interval=2e-3,
            sampling_prob=rate,
            use_connect_dots=is_upper,
        )
        .self_compose(count)
        .get_epsilon_for_delta(delta)
        for is_upper in (False, True)
    }
    assert bounds[False] <= found.pld
    assert found.pld <= bounds[True] * 1.0001 + 1e-6 or found.pld == found.rdp


@few
@given(noises, st.integers(1, 100_000), deltas)
def test_without_sampling_the_figure_is_the_exact_gaussians(noise, count, delta):
    found = spent(noise, Releases(1.0, count), delta).pld
    exact = dp_accounting.get_epsilon_gaussian(noise / math.sqrt(count), delta)
    assert found == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("count", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("delta", [1e-5, 1e-9, 1e-12])
def test_rounding_never_takes_pld_below_the_truth(count, delta):
    """At a rate of nearly 1 the truth is the Gaussian's, but the figure comes from a grid and Fourier transforms."""
    noise = math.sqrt(count / 2)
    truth = dp_accounting.get_epsilon_gaussian(noise / math.sqrt(count), delta)
    found = spent(noise, Releases(1 - 1e-9, count), delta)
    assert truth * (1 - 1e-6) <= found.pld <= found.rdp


@few
@given(noises, rates, counts, deltas, st.floats(1.05, 3))
def test_epsilon_falls_with_noise_and_grows_with_steps_and_rate(noise, rate, count, delta, factor):
    first = spent(noise, Releases(rate, count), delta)
    for less in (
        spent(noise * factor, Releases(rate, count), delta),
        spent(noise, Releases(rate / factor, count), delta),
        spent(noise, Releases(rate, int(count / factor)), delta),
    ):
        assert less.rdp <= first.rdp * (1 + 1e-9)
        assert less.pld <= first.pld * (1 + 1e-4) + 1e-6
        assert less.pld <= less.rdp


@few
@given(st.lists(st.builds(Releases, rates, st.integers(0, 1000)), max_size=5), noises, deltas)
def test_largest_is_the_maximum_of_all_one_by_one(everyone, noise, delta):
    each = [spent(noise, own, delta) for own in everyone]
    found = largest(noise, everyone, delta)
    assert found.rdp == max((one.rdp for one in each), default=0)
    # A rate a little higher may be rounded a little less.
    assert found.pld == pytest.approx(max((one.pld for one in each), default=0), rel=1e-4, abs=1e-6)


@settings(few, max_examples=8)
@given(st.floats(0.05, 50), st.lists(st.builds(Releases, rates, counts), min_size=1, max_size=3), deltas)
def test_noise_never_exceeds_its_target_and_is_the_smallest_that_does_not(target, everyone, delta):
    noise = noise_for(target, everyone, delta)
    assert largest(noise, everyone, delta).pld <= target
    assert float(f"{noise:.4g}") == noise
    assert largest(noise * 0.998, everyone, delta).pld > target


@settings(few, max_examples=8)
@given(st.floats(0.05, 50), noises, rates, deltas)
def test_steps_are_the_most_within_the_target(target, noise, rate, delta):
    most = steps_for(target, noise, rate, delta)
    assert spent(noise, Releases(rate, most), delta).pld <= target
    assert spent(noise, Releases(rate, most + 1 + most // 1000), delta).pld > target


def test_nothing_released_spends_nothing():
    assert spent(0, Releases(0.5, 0), 1e-5).pld == 0
    assert largest(1, [], 1e-5).rdp == 0
    assert noise_for(1, [], 1e-5) == 0
    assert noise_for(1, [Releases(1.0, 0)], 1e-5) == 0


def test_without_noise_epsilon_is_infinite():
    found = spent(0, Releases(0.02, 1), 1e-5)
    assert (found.rdp, found.pld) == (math.inf, math.inf)
    assert steps_for(100, 0, 0.02, 1e-5) == 0


@pytest.mark.parametrize("noise", [5e-324, 1e-200, 1e-6, 1e-3, 0.1, 1e6, 1e300])
@pytest.mark.parametrize("rate", [1e-300, 0.02, 1 - 2**-53, 1.0])
@pytest.mark.parametrize(("count", "delta"), [(1, 1e-300), (100, 1e-14), (100, 1e-5), (10**6, 1e-5), (10**12, 0.999)])
def test_extremes_have_a_figure_and_no_warning(noise, rate, count, delta):
    found = spent(noise, Releases(rate, count), delta)
    assert 0 <= found.pld <= found.rdp


def test_little_noise_spends_what_counting_inclusions_says():
    """Inclusions cost 1 / (2 noise^2) each; of 100 steps at rate 0.02, 10 or more with probability above 1e-5."""
    found = spent(1e-3, Releases(0.02, 100), 1e-5)
    assert 9.9 < found.pld * 2e-6 < 10.1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: spent(-1, Releases(0.1, 1), 1e-5), "noise multiplier = -1: must be finite and at least 0"),
        (lambda: spent(math.nan, Releases(0.1, 1), 1e-5), "noise multiplier = nan"),
        (lambda: spent(math.inf, Releases(0.1, 1), 1e-5), "noise multiplier = inf"),
        (lambda: spent(1, Releases(0.1, 1), 0), "delta = 0: must be above 0 and below 1"),
        (lambda: spent(1, Releases(0.1, 1), 1), "delta = 1"),
        (lambda: spent(1, Releases(0.1, 1), math.nan), "delta = nan"),
        (lambda: Releases(0, 1), "rate = 0: must be above 0 and at most 1"),
        (lambda: Releases(1.01, 1), "rate = 1.01"),
        (lambda: Releases(math.nan, 1), "rate = nan"),
        (lambda: Releases(0.1, -1), "steps = -1: must be a whole number from 0 to 1e+12"),
        (lambda: Releases(0.1, 2.5), "steps = 2.5"),
        (lambda: Releases(0.1, True), "steps = True"),
        (lambda: noise_for(0, [Releases(0.1, 1)], 1e-5), "target epsilon = 0: must be finite and above 0"),
        (lambda: noise_for(math.inf, [Releases(0.1, 1)], 1e-5), "target epsilon = inf"),
        (lambda: steps_for(math.nan, 1, 0.1, 1e-5), "target epsilon = nan"),
        (lambda: steps_for(1, 1, 2, 1e-5), "rate = 2"),
        (lambda: noise_for(1e-9, [Releases(1.0, 10**9)], 1e-5), "allow a larger epsilon or delta, or fewer steps"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(call, told):
    with pytest.raises(UserError) as refused:
        call()
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_noise_stays_where_it_looks():
    assert noise_for(1e300, [Releases(0.5, 10)], 1e-5) == LEAST_NOISE
    assert noise_for(1e-4, [Releases(1.0, 1)], 1e-5) < MOST_NOISE
