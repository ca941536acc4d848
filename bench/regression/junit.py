"""A check as JUnit XML, as CI systems show tests: a suite a backend, a case a phase and a gate.

In the vocabulary of the schema that Jenkins' xUnit plugin calls junit-10, which Surefire's and GitLab's readers take.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Any

from bench.regression import verdicts, words
from bench.regression.verdicts import TOO_SHORT, UNDECIDED, Document

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2

Part = Mapping[str, Any]


def render(document: Document) -> str:
    """Return the XML. Undecided, or too short to be judged, is a skipped case; undecided is a failure
    where the settings have it so.
    """
    root = ET.Element("testsuites", {"name": _clean(f"bench check {words.title(document)}")})
    suites = [_suite(document, backend) for backend in document["backends"]]
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, 0)) for suite in suites)))
    root.set("time", f"{document['seconds']:.3f}")
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(document: Document, backend: Part) -> ET.Element:
    name = f"{document['experiment']}.{backend['backend']}"
    cases = [
        *(_phase(document, name, phase) for phase in backend["phases"]),
        *(_gate(name, gate) for gate in backend["gates"]),
    ]
    suite = ET.Element(
        "testsuite",
        {
            "name": _clean(name),
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": "0",
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": f"{_measured_s(backend):.3f}",
            "timestamp": _clean(document["finished"]),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(document, backend):
        ET.SubElement(properties, "property", {"name": _clean(key), "value": _clean(str(value))})
    suite.extend(cases)
    return suite


def _phase(document: Document, suite: str, phase: Part) -> ET.Element:
    case = ET.Element("testcase", {"classname": _clean(suite), "name": _clean(phase["phase"])})
    if phase["unit"] == "s":
        case.set("time", f"{phase['head']:.3f}")
    told = f"{words.verdict(phase)}: {words.taken(phase)}, allowed is {words.limit(document)}"
    if verdicts.fails(document, phase["verdict"]):
        _complain(case, "failure", phase["verdict"], told)
    elif phase["verdict"] in (UNDECIDED, TOO_SHORT):
        _complain(case, "skipped", phase["verdict"], told)
    else:
        ET.SubElement(case, "system-out").text = _clean(told)
    return case


def _gate(suite: str, gate: Part) -> ET.Element:
    case = ET.Element("testcase", {"classname": _clean(suite), "name": _clean(gate["gate"])})
    if gate["passed"]:
        ET.SubElement(case, "system-out").text = _clean(gate["told"])
    else:
        _complain(case, "failure", "failed", gate["told"])
    return case


def _complain(case: ET.Element, how: str, kind: str, told: str) -> None:
    ET.SubElement(case, how, {"type": kind, "message": _clean(told)}).text = _clean(told)


def _measured_s(backend: Part) -> float:
    sides = [pair[side] for pair in backend["pairs"] for side in ("base", "head")] or backend["processes"]["head"]
    return float(sum(sum(side["round_s"]) + side["load_s"] for side in sides))


def _properties(document: Document, backend: Part) -> Iterator[tuple[str, Any]]:
    yield "against", document["against"]["told"]
    yield "subject", document["subject"]["told"]
    yield from ((f"setting.{key}", value) for key, value in document["settings"].items())
    yield from ((f"digest.{key}", value) for key, value in document["digests"].items())
    yield from ((f"machine.{key}", value) for key, value in document["machine"].items())
    for side in ("base", "head"):
        versions = backend["versions"][side]
        yield from ((f"{side}.{key}", value) for key, value in versions.items() if value is not None)
    for phase in backend["phases"]:
        told = ((key, phase[key]) for key in ("ratio", "low", "high", "base", "head", "pairs", "looks"))
        yield from ((f"{phase['phase']}.{key}", value) for key, value in told if value is not None)


def _clean(text: str) -> str:
    """What XML can't hold, such as a terminal's escape codes, becomes the replacement character."""
    return _NOT_XML.sub("\ufffd", text)
