"""Trains a bare script's rounds, one for each line on standard input; tells that it is ready, seconds, and the end.

argv: the script, and the JSON file of settings that it reads. Runs in a framework's own environment; nothing of
fedbench is in it.
"""

import importlib.util
import sys
import time


def main(path):
    """Run the script at `path`."""
    spec = importlib.util.spec_from_file_location("script", path)
    script = importlib.util.module_from_spec(spec)
    sys.modules["script"] = script
    spec.loader.exec_module(script)
    trained = script.rounds()
    print("ready", flush=True)
    for _ in range(script.settings["rounds"]):
        if not sys.stdin.readline():
            sys.exit("nobody gives turns any more")
        started = time.perf_counter()
        next(trained)
        print("round", time.perf_counter() - started, flush=True)
    next(trained, None)  # it writes its weights
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv.pop(1))
