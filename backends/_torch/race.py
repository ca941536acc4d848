"""Which way of training a cohort is the fastest here: each trains a few steps of the job's own rounds, in turn.

Each runs in a process of its own, forked for the race, so that no way finds the process in a state that another left.
"""

import multiprocessing
import statistics
import time

WARM_UPS = 2  # laps of one step: what is made on first use, and how long a lap takes
FEWEST_TURNS, TURNS = 3, 5  # of each way, until one is ahead in all of its laps; one turn, where a lap is long
LAP_S = 1.0  # about what a lap should take: what is done once a round may not weigh much more in it than in a round
AGAIN = 100  # at most: laps of one way end to end, where they can't be made long enough
CLIENTS_A_THREAD = 2  # that the first laps have, and a lap at least


def run(ways, clients, threads):
    """Return the median seconds of a lap by name of the ways, each a function that returns what trains clients.

    clients: a cohort, of whose clients and batches as many are trained as a lap takes. This process may not have had
    more than one thread, see `crew.Crew`.
    """
    fewest = CLIENTS_A_THREAD * threads
    fork = multiprocessing.get_context("fork")
    racers = {}
    for name, way in ways.items():
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_serve, args=(theirs, ours, way))
        process.start()
        theirs.close()
        racers[name] = process, ours
    lap = _cut(clients[:fewest], 1)
    for _ in range(WARM_UPS):
        slowest = max(_timed(racer, lap) for _, racer in racers.values())
    lap = _lap(clients, fewest, int(LAP_S / slowest * len(lap)))
    times = min(AGAIN, max(1, int(LAP_S / max(_timed(racer, lap) for _, racer in racers.values()))))
    laps = {name: [] for name in racers}
    turns = range(1, TURNS + 1) if slowest < LAP_S else [FEWEST_TURNS]
    for turn in turns:
        for name in racers if turn % 2 else reversed(racers):
            laps[name].append(_timed(racers[name][1], lap, times))
        if turn >= FEWEST_TURNS and _is_decided(laps.values()):
            break
    for process, racer in reversed(list(racers.values())):
        racer.close()
        process.join()
    return {name: statistics.median(seconds) for name, seconds in laps.items()}


def _is_decided(laps):
    """Whether the slowest lap of one way is faster than all laps of the others."""
    return any(max(own) < min(min(other) for other in laps if other is not own) for own in laps)


def _lap(clients, fewest, steps):
    """Return about `steps` steps of a cohort: of its `fewest` first clients, or a multiple where these have fewer."""
    own = max(1, min(steps // min(fewest, len(clients)), max(len(client.batches) for client in clients)))
    return _cut(clients[: fewest * max(1, steps // own // fewest)], own)


def _cut(clients, steps):
    return [client._replace(batches=[batch.copy() for batch in client.batches[:steps]]) for client in clients]


def _timed(racer, lap, times=1):
    """Return the seconds of a lap, of so many end to end.

    A step before them doesn't count: threads of the way before spin for a while, waiting for more, and nothing is warm.
    """
    racer.send((lap, times))
    try:
        answer = racer.recv()
    except EOFError:
        raise RuntimeError("a process of the race died") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _serve(connection, parents, way):
    parents.close()
    try:
        train = way()
        while True:
            lap, times = connection.recv()
            train(_cut(lap, 1))
            began = time.perf_counter()
            for _ in range(times):
                train(lap)
            connection.send((time.perf_counter() - began) / times)
    except EOFError:
        return
    except Exception as error:
        connection.send(error)
