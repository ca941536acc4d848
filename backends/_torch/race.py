"""Which way of training a cohort is the fastest here: each trains a few steps of the job's own rounds, in turn.

Each runs in a process of its own, forked for the race, so that no way finds the process in a state that another left.
"""

import multiprocessing
import statistics
import time

WARM_UPS = 2  # laps of one step: what is made on first use, and how long a lap takes
TURNS = 3  # of each way; one, where a lap is long
LAP_S = 0.4  # about what a lap should take, at least
STEPS = 8  # a client, at most
CLIENTS_A_THREAD = 2  # at most: more of them tell no more


def run(ways, clients, threads):
    """Return the median seconds of a lap by name of the ways, each a function that returns what trains clients.

    clients: a cohort, of whose clients and batches as many are trained as a lap takes. This process may not have had
    more than one thread, see `crew.Crew`.
    """
    cohort = clients[: CLIENTS_A_THREAD * threads]
    fork = multiprocessing.get_context("fork")
    racers = {}
    for name, way in ways.items():
        ours, theirs = fork.Pipe()
        process = fork.Process(target=_serve, args=(theirs, ours, way))
        process.start()
        theirs.close()
        racers[name] = process, ours
    lap = _cut(cohort, 1)
    for _ in range(WARM_UPS):
        slowest = max(_timed(racer, lap) for _, racer in racers.values())
    lap = _cut(cohort, max(1, min(STEPS, int(LAP_S / slowest))))
    laps = {name: [] for name in racers}
    for _ in range(TURNS if slowest < LAP_S else 1):
        for name, (_, racer) in racers.items():
            laps[name].append(_timed(racer, lap))
    for process, racer in reversed(list(racers.values())):
        racer.close()
        process.join()
    return {name: statistics.median(seconds) for name, seconds in laps.items()}


def _cut(clients, steps):
    return [client._replace(batches=[batch.copy() for batch in client.batches[:steps]]) for client in clients]


def _timed(racer, lap):
    racer.send(lap)
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
            lap = connection.recv()
            began = time.perf_counter()
            train(lap)
            connection.send(time.perf_counter() - began)
    except EOFError:
        return
    except Exception as error:
        connection.send(error)
