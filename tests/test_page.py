"""The report as a page: complete in itself, nothing breaks out of it, and a browser has nothing to complain of."""

import csv
import io
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import pytest

from bench import plugins, stability
from bench.charts import charts
from bench.palette import colours, dashes
from bench.words import words
from tests.conftest import refused
from tests.test_reports import comparison as one_cell
from tests.test_reports import run_of
from tests.test_study import comparison, gapped, learned, load

EVIL = "</style></script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]> $\\frac{1}{2}$ &amp;"
VOID = {"meta", "br", "img", "link", "input", "hr"}


def render(document: dict) -> str:
    return plugins.load_module(plugins.find("reports", "html")).render(document)


def recorded(document: dict) -> dict:
    """With what a run records beside its cells."""
    counts = [[40, 0, 1], [0, 50, 2], [3, 3, 60]]
    document["partitions"] = {"p" * 64: {"classes": ["COVID", "NORMAL", EVIL], "counts": counts}}
    for cell in document["cells"]:
        cell["digests"]["partition"] = "p" * 64
    return document | {"command": ["bench", "run", EVIL], "finished": "2026-11-25T12:00:00+00:00"}


def hostile() -> dict:
    document = recorded(one_cell(run_of(EVIL, 1), run_of("tff", 1, status="failed"), run_of("torch", 1)))
    document["experiment"] = {"name": EVIL, "description": EVIL}
    document["cells"][0]["name"] = EVIL
    document["cells"][0]["spec"]["data"]["source"] = EVIL
    return document


def test_backends_of_one_colour_are_told_apart_by_their_lines():
    colour = colours(["torch", "tff", "torch@2.12.0", "torch+compiled", "mine"])
    assert colour["torch"] == colour["torch@2.12.0"] == colour["torch+compiled"]
    assert dashes(colour) == {"torch": "-", "tff": "-", "torch@2.12.0": "--", "torch+compiled": ":", "mine": "-"}


def test_without_a_warm_up_the_first_round_is_not_counted_twice():
    def bars(**first: bool) -> dict[str, str]:
        run = run_of("torch", 1)
        run["rounds"][0].update(first)
        run["phases"] |= {"first_round_s": 1.0, "train_s": 6.0}
        (chart,) = [chart for chart in charts(one_cell(run)) if chart.name == "phases"]
        return {row[0]: row[1] for row in chart.table.rows}

    apart, together = bars(), bars(warmup=False)
    assert float(apart["rounds after the first or the warm-up"].split()[0]) == 6.0
    assert float(together["rounds after the first or the warm-up"].split()[0]) == 5.0


@pytest.fixture(scope="module")
def deck() -> str:
    return render(recorded(comparison(load("deck-gap", "federation.rounds=40"), gapped)))


class Page(HTMLParser):
    """Tags that are open and closed as they should be, ids, links, and what lies in each element."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        self.ids += [value for key, value in attrs if key == "id"]
        self.links += [value for key, value in attrs if key in ("href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def test_the_page_needs_nothing_but_itself_and_is_whole(deck):
    page = Page(deck)
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not [one for one in page.attributes if one[1] in ("src", "srcset", "action", "data") or one[1][:2] == "on"]
    assert not {"script", "link", "iframe", "img", "image"} & set(page.tags)
    assert set(re.findall(r"url\(([^)]*)\)", deck)) <= {f"#{own}" for own in page.ids}
    assert "@import" not in deck
    assert set(re.findall(r"https?://[^\s\"'<]+", deck)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }


def test_every_chart_has_its_words_and_its_data(deck):
    page = Page(deck)
    assert page.tags.count("figure") == page.tags.count("svg") == 4
    for figure in deck.split("<figure")[1:]:
        inner = figure.split("</figure>")[0]
        assert "<figcaption" in inner
        assert "<table>" in inner
        assert re.search(r'<svg viewBox="[^"]*" aria-hidden="true"', inner)


def test_a_reader_can_find_the_way_without_eyes_or_mouse(deck):
    page = Page(deck)
    assert ("html", "lang", "en") in page.attributes
    assert {"header", "nav", "main", "footer"} <= set(page.tags)
    headings = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    assert page.tags.count("caption") == page.tags.count("table")
    regions = [value for _, key, value in page.attributes if key == "role"]
    assert regions.count("group") == [one[1] for one in page.attributes].count("tabindex"), "what scrolls takes focus"


def test_names_cannot_break_out_of_the_page():
    text = render(hostile())
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert "<script" not in text
    assert "onerror=alert(1)&gt;" in text
    assert text.count("</style>") == 1


def test_names_that_are_no_text_make_a_page_too():
    document = recorded(one_cell(run_of("torch\udcff\x07", 1)))
    document["partitions"]["p" * 64]["classes"] = ["a\udcff", "b\x00", "c"]
    render(document).encode()


def test_an_older_record_still_makes_a_page():
    text = render(one_cell(run_of("torch", 1)))
    assert "The command was not recorded" in text
    assert "Who holds what" not in text


def test_the_summary_says_what_the_numbers_say():
    told = " ".join(words(one_cell(run_of("a", 1), run_of("b", 1, slower=2.0), run_of("c", 1, status="failed"))))
    assert "A round of b took 2.00 times as long as one of a (95 % interval 2.00 to 2.00)." in told
    assert "Final accuracy on 20 held-out samples: 75.0 % with a, 75.0 % with b." in told
    assert "The certificate passes: in the plan's first rounds" in told
    assert "c failed: out of | cheese (1 run)." in told
    same = " ".join(
        words(one_cell(run_of("a", 1), run_of("a", 2), run_of("b", 1, slower=1.1), run_of("b", 2, slower=0.9)))
    )
    assert "no difference that can be told" in same
    grid = " ".join(words(comparison(load("deck-clients", scale=0.02), learned)))
    assert "Final accuracy with tff: from" in grid


def test_a_failed_certificate_is_in_the_summary():
    document = one_cell(run_of("torch", 1), run_of("tff", 1))
    verdict = {"verdict": "fail", "reason": "conv1.weight is off"}
    document["cells"][0]["parity"]["backends"]["tff"] = verdict
    told = words(document)
    assert "1 of 2 certificates pass." in told
    assert "A certificate failed, and what is beside it can't be compared: tff: conv1.weight is off." in told


@pytest.mark.parametrize(
    ("accuracies", "found"),
    [
        ([10, 20, 30, 40, 50, 60], [0, 0]),
        ([50, 40, 60, 30, 0, 0], [10, 0]),
        ([50, 40, 60], [10, 0]),
        ([50, 40], []),
    ],
)
def test_early_falls_of_accuracy(accuracies, found):
    assert stability.falls(accuracies) == pytest.approx(found)


def test_stability_is_told_by_cell_and_backend():
    curve = {10: 0.5, 20: 0.4, 30: 0.6, 40: 0.7}
    document = comparison(load("deck-time", "federation.rounds=40"), lambda own, backend, number: curve[number])
    table = stability.table(document["cells"])
    assert table.columns == ("cell", "torch", "tff")
    assert table.rows[0][1:] == ("5.0 (10.0)", "5.0 (10.0)")
    assert stability.table(one_cell(run_of("torch", 1))["cells"]) is None


def test_a_chart_has_the_data_that_it_draws():
    found = {
        chart.name: chart for chart in charts(recorded(comparison(load("deck-gap", "federation.rounds=40"), gapped)))
    }
    assert list(found) == ["accuracy", "loss", "phases", "partitions"]
    assert found["accuracy"].table.rows[0][1:] == ("10", "90.0", "91.0")
    assert found["partitions"].table.rows == (("3 clients, IID", "41 to 66", "2 to 3", "159"),)
    assert found["phases"].table.rows[-1][0] == "all"


def test_of_many_clients_some_are_drawn_and_all_are_told():
    document = recorded(one_cell(run_of("torch", 1)))
    document["partitions"]["p" * 64]["counts"] = [[1, 0, client % 7 + 1] for client in range(10_000)]
    (chart,) = [own for own in charts(document) if own.name == "partitions"]
    assert chart.table.rows == (("3 clients, IID", "2 to 8", "2", str(sum(2 + n % 7 for n in range(10_000)))),)
    assert "1 in 50 drawn" in chart.summary
    (axes,) = chart.figure.axes
    assert axes.collections[0].get_array().shape == (3, 200)
    assert [int(label.get_text()) for label in axes.get_xticklabels()] == list(range(0, 10_000, 1000))
    assert len(render(document)) < 1_000_000


def test_accuracy_as_the_study_kept_it():
    module = plugins.load_module(plugins.find("reports", "accuracy-csv"))
    rows = list(csv.reader(io.StringIO(module.render(comparison(load("deck-time", "federation.rounds=25"), gapped)))))
    assert rows == [
        ["round", "torch", "tff"],
        ["10", "90.00", "91.00"],
        ["20", "90.00", "91.00"],
        ["25", "90.00", "91.00"],
    ]


@pytest.fixture
def ran(bench, tmp_path: Path) -> Path:
    assert bench("run", "--backends=reference", tiny=True).code == 0
    return next((tmp_path / "runs").iterdir())


def test_report_writes_the_page_the_pictures_and_two_runs_side_by_side(bench, ran, tmp_path: Path):
    assert "bench run --set=data.samples=30" in (ran / "report.html").read_text(), (
        "written by the run, with its command"
    )
    (ran / "report.html").unlink()
    assert bench("report", str(ran)).out == f"{ran}/report.html\n"
    Page((ran / "report.html").read_text())
    assert bench("report", str(ran), "--format=figures").out == f"{ran}/figures\n"
    assert cv2.imread(str(ran / "figures" / "accuracy.png")).shape[1] > 1000
    assert (ran / "figures" / "accuracy.svg").read_text().startswith("<?xml")
    assert bench("report", str(ran), str(ran)).out == f"{ran}/beside-{ran.name}.html\n"
    assert "reference (B)" in (ran / f"beside-{ran.name}.html").read_text()
    assert bench("run", "--backends=reference", "--set=seed=1", tiny=True).code == 0
    other = max((tmp_path / "runs").iterdir())
    refused(bench("report", str(ran), str(other)), "not comparable: they differ in")


def test_a_folder_that_is_no_finished_run_is_refused(bench, ran):
    text = (ran / "record.json").read_text()
    for spoiled, told in (
        (text[:-200], "missing, torn or altered"),
        (None, "missing, torn or altered"),
    ):
        (ran / "record.json").unlink()
        if spoiled is not None:
            (ran / "record.json").write_text(spoiled)
        else:
            (ran / "record.json").write_text("")
        refused(bench("report", str(ran)), told)
    (ran / "comparison.json").unlink()
    refused(bench("report", str(ran)), "not a finished run", "resumes it")


def test_a_newer_schema_is_refused(bench, ran):
    from bench import store

    body = store.read_json(ran / "record.json")
    store.write_json(ran / "record.json", body | {"schema": "bench.comparison/2"})
    refused(bench("report", str(ran)), "schema 'bench.comparison/2'; this version of fedbench reads bench.comparison/1")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip


def browse(page: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [CHROMIUM, *QUIET, f"--user-data-dir={page.parent / 'profile'}", *more, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_browser_has_nothing_to_complain_of(tmp_path: Path, deck):
    """At phone and desktop width; what it does complain of is seen, and nothing hangs over the edge of a phone."""
    page = tmp_path / "page.html"
    page.write_text(deck)
    for width, height in ((390, 844), (1280, 900)):
        picture = tmp_path / f"{width}.png"
        told = browse(page, f"--window-size={width},{height}", f"--screenshot={picture}")
        assert "CONSOLE" not in told.stderr
        assert cv2.imread(str(picture)).std() > 5, "something is drawn"
    told = browse(page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    probe = tmp_path / "probe.html"
    script = (
        "<iframe src='page.html' width='390' height='844'></iframe><script>onload = () => {"
        "const page = document.querySelector('iframe').contentDocument.documentElement;"
        "console.log('overhang ' + (page.scrollWidth - page.clientWidth)); }</script>"
    )
    probe.write_text(script)
    told = browse(probe, "--allow-file-access-from-files", "--dump-dom")
    assert "overhang 0" in told.stderr, told.stderr[-500:]


def test_names_are_no_formulas():
    """matplotlib would draw $...$ as mathematics, or fail."""
    document = hostile()
    document["cells"][0]["runs"][0]["backend"] = "a $\\broken{ name"
    assert "a $\\broken{ name" in render(document)
