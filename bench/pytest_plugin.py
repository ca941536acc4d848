"""A pytest fixture that times rounds of training through the harness, by pytest-benchmark.

pytest loads this at every start where fedbench is installed, so nothing heavy is imported before a test asks for it.
"""

from collections.abc import Callable, Sequence

import pytest

TrainingRound = Callable[..., list[float]]


@pytest.fixture
def training_round(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainingRound:
    """Return a function that times rounds: `training_round("quick", "torch", settings=["federation.rounds=5"])`.

    It takes an experiment's name or TOML file, a backend's name or adapter file, settings as `bench run --set` does,
    `rounds` to be timed (as many as the plan has) and `warmup_rounds` before them (1). One round of a live worker is
    one round of pytest-benchmark; what differs between processes is not in it. The worker's own seconds of each round,
    the warm-up's included, are returned, and kept in `extra_info` beside backend, experiment, digests and versions.
    """
    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.fail("training_round needs pytest-benchmark: pip install 'pytest-benchmark>=4'", pytrace=False)
    benchmark = request.getfixturevalue("benchmark")

    def timed(
        experiment: str,
        backend: str,
        settings: Sequence[str] = (),
        *,
        rounds: int | None = None,
        warmup_rounds: int = 1,
    ) -> list[float]:
        from rich.console import Console

        from bench import live_rounds
        from bench.display import Plain
        from bench.errors import UserError

        folder = tmp_path_factory.mktemp("training_round")
        problem = None
        try:
            job = live_rounds.job(experiment, backend, settings, folder, Plain(Console(stderr=True)))
            wanted = live_rounds.timed(job, rounds, warmup_rounds)
            with live_rounds.live(job) as live:
                benchmark.pedantic(live.train, rounds=wanted, warmup_rounds=warmup_rounds)
        except UserError as error:
            problem = f"training_round: {error}"
        if problem is not None:
            pytest.fail(problem, pytrace=False)  # not while the error is handled, which would be told as well
        benchmark.extra_info.update({"experiment": experiment, "warmup_rounds": warmup_rounds} | live.facts())
        return live.seconds

    return timed
