"""What a check's document becomes: exit code, table, JUnit XML, annotations, summary; names that try to break out."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UserError
from bench.regression import github, junit, terminal, verdicts, words
from tests.checks import backend, document, document_of_a_file, gate, phase

EVIL = 'evil|<b>&"\x1b[31m]]>\n::error::gotcha, 100%\r\udcff'
SLOW = phase(verdict="slower", ratio=1.12)
UNSURE = phase("loading", verdict="undecided", ratio=1.04)
FINE = phase("memory")
SHORT = phase("loading", verdict="too short", ratio=float("nan"), low=None, high=None, base=0.0, head=0.0)
DECIDED = document(backend("torch", phase(), FINE, gates=(gate(),)))
CASES = {
    "not slower": DECIDED,
    "slower": document(backend("torch", SLOW, UNSURE, FINE), backend("tff", phase())),
    "undecided": document(backend("torch", phase(), UNSURE)),
    "failed": document(backend("torch", SLOW, gates=(gate("accuracy", False, "50.0 % after 63.3 %"),))),
}
OF_A_FILE = document_of_a_file(backend("torch", phase()))


@pytest.mark.parametrize("verdict", CASES)
def test_the_worst_verdict_counts_and_a_failed_gate_is_worse_than_any(verdict):
    assert verdicts.overall(CASES[verdict]) == verdict


@pytest.mark.parametrize(("verdict", "code"), [("not slower", 0), ("slower", 1), ("failed", 1), ("undecided", 3)])
def test_the_exit_code_follows_from_the_verdict(verdict, code):
    assert verdicts.exit_code(CASES[verdict]) == code


@pytest.mark.parametrize(("undecided", "code"), [("exit 3", 3), ("pass", 0), ("fail", 1)])
def test_what_undecided_amounts_to_is_a_setting(undecided, code):
    assert verdicts.exit_code(document(backend("torch", UNSURE), undecided=undecided)) == code
    assert verdicts.exit_code(document(backend("torch", SLOW, UNSURE), undecided=undecided)) == 1


NOT_A_VERDICT = {
    "no backend was measured": document(),
    "torch: no phase was measured": document(backend("torch")),
    "tff: no phase was measured": document(backend("tff", SHORT)),
    "torch, training: the ratio is nan: nothing was measured": document(backend("torch", phase(ratio=float("nan")))),
    "torch, training: the ratio is 0.0: nothing was measured": document(backend("torch", phase(ratio=0.0))),
    "torch, training: verdict 'faster'": document(backend("torch", phase(verdict="faster"))),
    "this fedbench reads bench.check/1": document(backend("torch", phase()), schema="bench.check/2"),
    "settings.undecided = 'maybe'": document(backend("torch", UNSURE), undecided="maybe"),
}


@pytest.mark.parametrize("told", NOT_A_VERDICT)
def test_nothing_measured_and_what_is_unknown_is_an_error_not_a_pass(told):
    with pytest.raises(UserError, match=re.escape(told)):
        verdicts.exit_code(NOT_A_VERDICT[told])


def test_a_phase_that_is_too_short_has_no_say():
    assert verdicts.overall(document(backend("torch", phase(), SHORT))) == "not slower"
    assert verdicts.overall(document(backend("torch", SLOW, SHORT))) == "slower"
    own = document(backend("torch", phase(), SHORT))
    assert "torch loading 0.000 ms 0.000 ms - too short" in rendered(own)
    assert "too short: ends before" in rendered(own)
    (suite,) = checked(junit.render(own))
    assert suite.findall("testcase")[1].find("skipped").get("type") == "too short"
    assert [line.partition(" ")[0] for line in github.annotations(own)] == ["::notice"]


def test_a_phase_that_measured_nothing_is_an_error_even_beside_a_slower_one():
    with pytest.raises(UserError, match="tff: no phase"):
        verdicts.overall(document(backend("torch", SLOW), backend("tff")))


def rendered(own: dict) -> str:
    return " ".join(terminal.render(own, width=200).split())


def test_the_table_has_the_numbers_and_the_verdict_in_words():
    text = rendered(CASES["slower"])
    for told in (
        "quick: working tree (def1234, 2 files changed) against main (abc1234)",
        "torch training 0.400 s 0.448 s 1.120x [1.098, 1.142] slower",
        "torch loading 0.400 s 0.416 s 1.040x [1.019, 1.061] undecided",
        "torch memory 1.00 GiB 1.00 GiB 1.000x [0.980, 1.020] not more",
        "tff training 0.400 s 0.400 s 1.000x [0.980, 1.020] not slower",
        "Pairs a phase: 24, 5 min 22 s in all, of a budget of 10 min 0 s",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("verdict", "last"),
    [
        ("not slower", "Verdict: not slower (exit code 0). Nothing is to be done."),
        ("slower", "Verdict: slower (exit code 1). Look at what changed since main (abc1234)"),
        (
            "undecided",
            "Verdict: undecided (exit code 3). The measurements don't tell: give them more time (--budget 20m)",
        ),
        ("failed", "Verdict: failed (exit code 1). Mend what fails its gate first"),
    ],
)
def test_the_last_line_says_the_verdict_and_what_to_do_next(verdict, last):
    assert terminal.render(CASES[verdict]).splitlines()[-1].startswith(last)


@pytest.mark.parametrize(
    ("pairs", "next_look", "low", "told"),
    [
        (24, 29, 1.0, "The measurements don't tell: give them more time (--budget 20m)"),
        (24, 72, 1.0, "The measurements don't tell: give them more time (--budget 36m)"),
        (3, 12, None, "Of 12 pairs that an interval needs at least there are 3: give them more time (--budget 48m)"),
        (24, None, None, "The measurements don't tell: give them more time (--budget 20m)"),
    ],
)
def test_undecided_says_how_much_more_it_takes(pairs, next_look, low, told):
    own = phase(verdict="undecided", pairs=pairs, next_look=next_look, low=low)
    assert words.advice(document(backend("torch", own))).startswith(told)


def test_the_headline_says_why():
    assert words.headline(CASES["failed"]) == "failed: torch, accuracy: 50.0 % after 63.3 %."
    told = "torch, training: a round takes 1.120x [1.098, 1.142] as long (0.400 s to 0.448 s)"
    assert told in words.headline(CASES["slower"])
    assert "loading" not in words.headline(CASES["slower"])


def test_an_interval_that_isnt_there_yet_is_not_made_up():
    assert words.ratio(phase(ratio=1.04, low=None, high=None)) == "1.040x"
    assert words.ratio(phase(ratio=1.04, low=None, high=1.2)) == "1.040x [-, 1.200]"


def test_another_version_on_one_side_is_told():
    own = backend("tff", phase())
    own["versions"]["base"]["version"] = "0.86.0"
    text = rendered(document(own))
    assert "tff: torch 2.13.0 (2026-07-08), Python 3.11.7 against torch 0.86.0 (2026-07-08), Python 3.11.7." in text


def test_a_base_that_was_measured_before_is_told_as_that():
    text = rendered(OF_A_FILE)
    assert "against base.json, of yesterday" in text
    assert "of two samples of processes, each divided by the seconds of a calibration kernel." in text
    assert "Processes a phase: 24," in text
    (suite,) = checked(junit.render(OF_A_FILE))
    assert suite.get("time") == "2.620"
    assert [one.get("value") for one in suite.iter("property") if one.get("name") == "base.version"] == ["2.13.0"]
    assert github.annotations(OF_A_FILE)[0].startswith("::notice")


def test_gates_have_a_table_of_their_own():
    assert "torch accuracy fail 50.0 % after 63.3 %" in rendered(CASES["failed"])
    assert [table.title for table in terminal.tables(CASES["undecided"])] == [words.title(CASES["undecided"])]


# junit-10.xsd of Jenkins' xUnit plugin: which children, which attributes (required ones starred)
SCHEMA = {
    "testsuites": ({"testsuite"}, "name time tests failures errors"),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        "name* tests* failures* errors* group time skipped timestamp hostname id package file log url",
    ),
    "testcase": ({"skipped", "error", "failure", "system-out", "system-err"}, "name* time classname group"),
    "properties": ({"property"}, ""),
    "property": (set(), "name* value*"),
    "failure": (set(), "type message"),
    "skipped": (set(), "type message"),
    "system-out": (set(), ""),
}
SECONDS = r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?"


def checked(text: str) -> ET.Element:
    """Parse JUnit XML and hold it against the schema."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        children, attributes = SCHEMA[element.tag]
        allowed = {name.rstrip("*") for name in attributes.split()}
        assert {child.tag for child in element} <= children
        assert {name.rstrip("*") for name in attributes.split() if name.endswith("*")} <= set(element.attrib) <= allowed
        assert re.fullmatch(SECONDS, element.get("time", ""))
    for suite in root:
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        for how, key in (("failure", "failures"), ("skipped", "skipped")):
            assert suite.get(key) == str(sum(case.find(how) is not None for case in cases))
    return root


@pytest.mark.parametrize("verdict", CASES)
def test_junit_xml_keeps_to_the_schema(verdict):
    checked(junit.render(CASES[verdict]))


def test_a_suite_a_backend_and_a_case_a_phase_and_gate():
    root = checked(junit.render(CASES["slower"]))
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [("quick.torch", "3"), ("quick.tff", "1")]
    training, loading, memory = root[0].findall("testcase")
    assert training.attrib == {"classname": "quick.torch", "name": "training", "time": "0.448"}
    assert training.find("failure").get("type") == "slower"
    assert "1.120x [1.098, 1.142]" in training.find("failure").get("message")
    assert loading.find("skipped").get("message").startswith("undecided: loading takes 1.040x")
    assert memory.find("system-out").text.startswith("not more: it takes 1.000x")
    assert (root.get("failures"), root[0].get("time"), root.get("time")) == ("1", "5.240", "321.500")
    told = {one.get("name"): one.get("value") for one in root[0].iter("property")}
    assert (told["training.ratio"], told["base.version"], told["digest.data"]) == ("1.12", "2.13.0", "d" * 64)


def test_undecided_fails_where_the_settings_have_it_so():
    (suite,) = checked(junit.render(document(backend("torch", UNSURE), undecided="fail")))
    assert suite.find("testcase/failure").get("type") == "undecided"


def test_a_gate_that_failed_is_a_failure_with_its_words():
    (suite,) = checked(junit.render(CASES["failed"]))
    assert [case.get("name") for case in suite.findall("testcase")] == ["training", "accuracy"]
    assert suite.findall("testcase")[1].find("failure").text == "50.0 % after 63.3 %"


def evil(name: str) -> dict:
    own = document(backend(name, SLOW, gates=(gate(name, False, name),)), notes=[name])
    own["against"]["told"] = own["subject"]["told"] = own["experiment"] = name
    return own


def test_names_cannot_break_out_of_the_xml():
    text = junit.render(evil(EVIL))
    (suite,) = checked(text)
    clean = EVIL.replace("\x1b", "\ufffd").replace("\udcff", "\ufffd")
    assert suite.get("name") == f"{clean}.{clean}"
    assert "\x1b" not in text


@given(st.text())
def test_any_text_is_well_formed_xml(name):
    checked(junit.render(evil(name)))


def undone(line: str) -> tuple[str, str, str]:
    """Level, title and message, as the runner reads a command."""
    level, title, message = re.fullmatch(r"::(\w+) title=([^:,]*)::(.*)", line).groups()
    for escaped, plain in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        title = title.replace(escaped, plain)
        if plain not in ":,":
            message = message.replace(escaped, plain)
    return level, title, message


def test_problems_are_annotations_the_worst_first():
    told = [undone(line) for line in github.annotations(CASES["slower"])]
    assert [(level, title) for level, title, _ in told] == [
        ("error", "bench check: slower"), ("warning", "bench check: undecided"),
    ]  # fmt: skip
    (only,) = github.annotations(document(backend("torch", UNSURE), undecided="fail"))
    assert only.startswith("::error title=bench check%3A undecided::torch, loading: ")


def test_where_all_is_well_there_is_one_notice():
    (only,) = github.annotations(DECIDED)
    assert undone(only) == ("notice", "bench check: not slower", words.headline(DECIDED))


def test_names_cannot_start_another_command():
    for line in github.annotations(evil(EVIL)):
        assert len(line.splitlines()) == 1
        assert EVIL.replace("\udcff", "?") in undone(line)[2]


@given(st.text())
def test_any_message_comes_back_from_a_command(text):
    (_, _, told), *_ = (undone(line) for line in github.annotations(evil(text)))
    assert text.encode("utf-8", "replace").decode() in told


def test_the_summary_says_the_verdict_before_any_table():
    text = github.summary(CASES["slower"])
    assert text.startswith("## bench check: slower\n\nslower: against main (abc1234), allowed is 1.050x: torch, ")
    assert text.index("| backend | phase |") > text.index("Look at what changed")
    assert "| torch | training | 0.400 s | 0.448 s | 1.120x [1.098, 1.142] | slower |" in text


def test_names_cannot_break_the_summary():
    text = github.summary(evil(EVIL))
    assert "<b>" not in text
    assert not [line for line in text.splitlines() if line.startswith("::error")]
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("| evil")}) == 2  # of two tables
