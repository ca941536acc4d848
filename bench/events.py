"""What a worker answers: one class an event, one JSON line each.

Also runs inside backend environments: standard library only, Python 3.7.
"""

import json
from collections import namedtuple

SCHEMA = 1

Started = namedtuple("Started", "schema python pid")
Phase = namedtuple("Phase", "name seconds cpu_seconds peak_rss_bytes")  # import, open, load
Chosen = namedtuple("Chosen", "way seconds")  # how the backend runs, and what each way took: see Backend.way
Waiting = namedtuple("Waiting", "what")  # for its turn, before it does `what`: see bench.turns
Progress = namedtuple("Progress", "what done total")  # of work outside of every clock
Dropped = namedtuple("Dropped", "resident problem")  # page cache: the share that stayed, or why it can't be told
Fed = namedtuple("Fed", "number seconds cpu_seconds samples bytes peak_rss_bytes")  # loading alone, in decoded bytes
Round = namedtuple("Round", "number form seconds cpu_seconds cohort bytes_down bytes_up peak_rss_bytes")
Noised = namedtuple("Noised", "own")  # privacy was applied as asked; the framework's own Figures, see bench.backend
Evaluation = namedtuple("Evaluation", "round accuracy loss seconds")
Predicted = namedtuple("Predicted", "round classes sample_s model_bytes")  # by the final model, of all held out; of one
Saved = namedtuple("Saved", "round file sha256")  # file is relative to the job folder
Checkpoint = namedtuple("Checkpoint", "round file sha256")  # what another process can go on from after this round
OnDevice = namedtuple("OnDevice", "peak_bytes")  # the most memory that tensors took on a GPU
Skipped = namedtuple("Skipped", "reason asked")  # see bench.backend.Unsupported
Failed = namedtuple("Failed", "stage message trace")
Done = namedtuple("Done", "rounds")

EVENTS = (
    Started, Phase, Chosen, Waiting, Progress, Dropped, Fed, Round, Noised, Evaluation, Predicted, Saved, Checkpoint,
    OnDevice, Skipped, Failed, Done,
)  # fmt: skip
_BY_NAME = {kind.__name__: kind for kind in EVENTS}


def to_line(event):
    """Return the event as one line of JSON, newline included."""
    return json.dumps([type(event).__name__, event._asdict()]) + "\n"


def from_line(line):
    """Return the event of a line. Raises ValueError where the line is not one."""
    try:
        name, fields = json.loads(line)
        return _BY_NAME[name](**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("not an event: {}".format(line[:200])) from error
