"""What a check says as a whole, and the exit code that follows."""

import math
from collections.abc import Mapping
from typing import Any

from bench.errors import UserError

SCHEMA = "bench.check/1"
SLOWER, NOT_SLOWER, UNDECIDED, FAILED = "slower", "not slower", "undecided", "failed"
TOO_SHORT = "too short"  # a phase that is told and not judged: it ends before a clock can tell two of it apart
UNDECIDED_CODES = {"exit 3": 3, "pass": 0, "fail": 1}

Document = Mapping[str, Any]  # of the schema bench.check/1


def overall(document: Document) -> str:
    """Return the worst verdict of all backends.

    A failed gate is worse than any phase's verdict: the seconds of something that computes something else say nothing.
    Raises UserError where nothing was measured, and for a document or a verdict that isn't known.
    """
    if document.get("schema") != SCHEMA:
        raise UserError(f"schema {document.get('schema')!r}: this fedbench reads {SCHEMA}")
    if not document["backends"]:
        raise UserError("no backend was measured: there is no verdict")
    found = {verdict for backend in document["backends"] for verdict in _verdicts(backend)}
    return next(verdict for verdict in (FAILED, SLOWER, UNDECIDED, NOT_SLOWER) if verdict in found)


def exit_code(document: Document) -> int:
    """Return 0 for not slower, 1 for slower or a failed gate; undecided is 3, 0 or 1 as the settings have it.

    Raises UserError, which is exit code 2, as `overall` does.
    """
    verdict = overall(document)
    if verdict == UNDECIDED:
        chosen = document["settings"]["undecided"]
        if chosen not in UNDECIDED_CODES:
            raise UserError(f"settings.undecided = {chosen!r}: must be one of {', '.join(UNDECIDED_CODES)}")
        return UNDECIDED_CODES[chosen]
    return 0 if verdict == NOT_SLOWER else 1


def is_of_a_file(document: Document) -> bool:
    """Whether the base was measured before, so that there are no pairs."""
    return document["against"]["kind"] in ("run", "baseline")


def fails(document: Document, verdict: str) -> bool:
    """Whether a phase's verdict is a failure under the document's settings."""
    return verdict == SLOWER or (verdict == UNDECIDED and document["settings"]["undecided"] == "fail")


def _verdicts(backend: Mapping[str, Any]) -> list[str]:
    failed = [FAILED for gate in backend["gates"] if not gate["passed"]]
    found = [_verdict(backend["backend"], phase) for phase in backend["phases"] if phase["verdict"] != TOO_SHORT]
    if not found and not failed:
        raise UserError(f"{backend['backend']}: no phase was measured: there is no verdict")
    return failed + found


def _verdict(backend: str, phase: Mapping[str, Any]) -> str:
    where = f"{backend}, {phase['phase']}"
    if not (math.isfinite(phase["ratio"]) and phase["ratio"] > 0):
        raise UserError(f"{where}: the ratio is {phase['ratio']}: nothing was measured")
    verdict: str = phase["verdict"]
    if verdict not in (SLOWER, NOT_SLOWER, UNDECIDED):
        raise UserError(f"{where}: verdict {verdict!r}: must be {SLOWER}, {NOT_SLOWER} or {UNDECIDED}")
    return verdict
