"""What the probes of trust share: attempts at what is not to be had, and one JSON line for each question."""

import json
import os
import re


def claim_stdout():
    """Return a file for the probe's lines: the present standard output, which leads to standard error from now on."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return lines


def tell(lines, variant, question, answer, detail):
    """Write one answer: "open", "closed" or "not applicable", and in one line what happened."""
    told = {"variant": variant, "question": question, "answer": answer, "detail": " ".join(detail.split())}
    lines.write(json.dumps(told) + "\n")
    lines.flush()


def attempt(ways, is_secret):
    """Try every way, {its name: function without arguments}; return the answer and what each of them came to.

    "open" as soon as one way's value `is_secret`.
    """
    answer = "closed"
    names = {}  # of ways, by what they came to
    for name, way in ways.items():
        try:
            value = way()
            if is_secret(value):
                answer = "open"
                outcome = "given away"
            else:
                outcome = repr(value)
        except Exception as error:
            outcome = "{}: {}".format(type(error).__name__, error).rstrip(": ")
        names.setdefault(shortened(outcome), []).append(name)
    return answer, "; ".join("{}: {}".format(", ".join(by), outcome) for outcome, by in names.items())


def shortened(text, limit=200):
    """Return it without addresses and ids, which differ from run to run, and no longer than `limit`."""
    text = re.sub(r"<class '[^']*'> ", "", text)
    text = re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{32}\b|(?<=port=)[0-9]+|(?<![.0-9])[0-9]{8,}", "...", text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
