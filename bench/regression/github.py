"""A check for GitHub Actions: annotations as workflow commands, and Markdown for the job's summary."""

from bench import markdown
from bench.regression import terminal, verdicts, words
from bench.regression.verdicts import FAILED, Document


def annotations(document: Document) -> list[str]:
    """Return a workflow command for each problem, the worst first; one notice where there is none.

    They take effect where a step prints them on its standard output, a line each.
    """
    found = sorted((_level(document, kind), kind, told) for kind, told in words.problems(document))
    if not found:
        return [_command("notice", "bench check: not slower", words.headline(document))]
    return [_command(level, f"bench check: {kind}", told) for level, kind, told in found]


def _level(document: Document, kind: str) -> str:
    return "error" if kind == FAILED or verdicts.fails(document, kind) else "warning"


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    """A command's message, escaped as the runner undoes it (actions/toolkit, packages/core/src/command.ts)."""
    text = text.encode("utf-8", "replace").decode()
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(document: Document) -> str:
    """Return Markdown to be appended to the file that $GITHUB_STEP_SUMMARY names: the verdict first, then tables."""
    parts = [
        f"## bench check: {markdown.safe(verdicts.overall(document))}",
        markdown.safe(words.headline(document)),
        markdown.safe(words.advice(document)),
        *(markdown.section(table, level=3) for table in terminal.tables(document)),
    ]
    return "\n\n".join(parts).encode("utf-8", "replace").decode() + "\n"
