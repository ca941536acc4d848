"""The workflow files of docs/ci.md: YAML that says what the page says."""

import re
import shlex

import pytest
import yaml

from tests.conftest import ROOT

EXAMPLES = ROOT / "docs" / "examples"


def github() -> dict:
    return yaml.safe_load((EXAMPLES / "github-workflow.yml").read_text())["jobs"]["check"]


def gitlab() -> dict:
    return yaml.safe_load((EXAMPLES / "gitlab-ci.yml").read_text())["training time"]


def step(text: str) -> dict:
    return next(one for one in github()["steps"] if text in one.get("uses", "") + one.get("name", ""))


def options(command: str) -> dict[str, str]:
    words = shlex.split(command)
    assert words[:2] == ["bench", "check"]
    return dict(zip(words[2::2], words[3::2], strict=True))


def test_the_github_workflow_fetches_the_base_and_keeps_what_it_wrote():
    assert step("actions/checkout")["with"]["fetch-depth"] == 0
    own = step("bench check")
    assert own["env"]["BASE"] == "origin/${{ github.base_ref }}"
    asked = options(own["run"])
    assert asked["--against"] == "$BASE"
    assert "${{" not in own["run"]  # a branch's name is no part of a script
    assert step("actions/upload-artifact")["with"]["path"] == asked["--junit"]
    assert step("actions/upload-artifact")["if"] == "always()"
    assert step("actions/cache")["with"]["path"] == "~/.cache/fedbench/environments"


def test_the_gitlab_job_shows_junit_and_lets_undecided_pass():
    own = gitlab()
    asked = options(own["script"][-1])
    assert own["artifacts"]["reports"]["junit"] == asked["--junit"]
    assert own["variables"]["GIT_DEPTH"] == "0"
    home = own["variables"]["FEDBENCH_HOME"].removeprefix("$CI_PROJECT_DIR/")
    assert own["cache"]["paths"] == [f"{home}/environments/"]
    assert (own["allow_failure"]["exit_codes"], "--undecided" in asked) == (3, False)


@pytest.mark.parametrize("command", [step("bench check")["run"], gitlab()["script"][-1]], ids=["github", "gitlab"])
def test_a_job_has_more_time_than_its_budget(command):
    minutes = {"github": github()["timeout-minutes"], "gitlab": int(gitlab()["timeout"].split()[0])}
    budget = int(options(command)["--budget"].removesuffix("m"))
    assert 2 * budget < min(minutes.values())


def test_the_page_names_every_file_that_it_links_to():
    page = (ROOT / "docs" / "ci.md").read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / link).is_file(), link
