"""Documents of the schema bench.check/1, made by hand."""

from typing import Any


def phase(name: str = "training", verdict: str = "not slower", ratio: float = 1.0, **more: Any) -> dict[str, Any]:
    """A phase whose interval is 2 % to each side of the ratio."""
    is_memory = name == "memory"
    base = 2**30 if is_memory else 0.4
    next_look = 29 if verdict == "undecided" else None
    return {
        "phase": name, "unit": "bytes" if is_memory else "s", "verdict": verdict, "ratio": ratio,
        "low": 0.98 * ratio, "high": 1.02 * ratio, "pairs": 24, "looks": 3, "next_look": next_look,
        "base": base, "head": base * ratio,
    } | more  # fmt: skip


def gate(name: str = "parity", passed: bool = True, told: str = "the certificate passes") -> dict[str, Any]:
    return {"gate": name, "passed": passed, "told": told}


def backend(name: str = "torch", *parts: dict[str, Any], gates: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A backend with two pairs of three rounds."""
    own = {"framework": "torch", "version": "2.13.0", "released": "2026-07-08", "python": "3.11.7"}
    side = {
        "round_s": [0.5, 0.4, 0.4], "round_cpu_s": [0.8, 0.7, 0.7], "rounds": 4, "load_s": 0.01,
        "peak_rss_bytes": 2**30, "accuracy": 0.6, "loss": 1.0, "weights_sha256": "a" * 64,
    }  # fmt: skip
    return {
        "backend": name, "base": name, "head": name, "versions": {"base": own, "head": dict(own)},
        "pairs": [{"order": order, "base": side, "head": side} for order in ("base", "head")],
        "processes": {"base": [side, side], "head": [side, side]},
        "phases": list(parts), "gates": list(gates),
    }  # fmt: skip


def document(*backends: dict[str, Any], undecided: str = "exit 3", **more: Any) -> dict[str, Any]:
    """A check of the working tree against main."""
    return {
        "schema": "bench.check/1",
        "experiment": "quick",
        "digests": dict.fromkeys(("data", "partition", "cohorts", "batches", "weights"), "d" * 64),
        "against": {"kind": "ref", "name": "main", "commit": "a" * 40, "told": "main (abc1234)"},
        "subject": {"commit": "b" * 40, "dirty": True, "told": "working tree (def1234, 2 files changed)"},
        "machine": {"cpu": "a cpu", "cores": 2, "memory_bytes": 2**34, "system": "Linux", "python": "3.11.7",
                    "fedbench": "0.1.0", "threads": 2},
        "finished": "2026-11-25T19:00:00+00:00",
        "seconds": 321.5,
        "settings": {"max_slowdown": 0.05, "max_accuracy_drop": 0.01, "confidence": 0.99, "budget_s": 600.0,
                     "undecided": undecided},
        "calibration": {"kernel": 1, "base_s": None, "head_s": [0.1]},
        "backends": list(backends),
        "notes": [],
        "verdict": "not slower",
    } | more  # fmt: skip


def document_of_a_file(*backends: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A check against a baseline, of which there are no pairs."""
    for own in backends:
        own |= {"pairs": [], "base": None}
    own = document(*backends, **more)
    own["against"] = {"kind": "baseline", "name": "base.json", "commit": None, "told": "base.json, of yesterday"}
    own["calibration"]["base_s"] = [0.2]
    return own
