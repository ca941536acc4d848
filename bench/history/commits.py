"""Which commit was measured, as git tells it."""

import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import UserError
from bench.gittree import git
from bench.history.rows import moment

HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
BRANCHES = "refs/heads/"


@dataclass(frozen=True)
class Commit:
    """A commit by its full hash; `committed` is None where no repository at hand knows it."""

    hash: str
    committed: str | None = None
    branch: str | None = None
    dirty: bool = False


def root(folder: Path) -> Path | None:
    """Return the root of the working tree that `folder` is in; None where it is in none."""
    found = _git(folder, "rev-parse", "--show-toplevel")[0]
    return Path(found) if found else None


def measured(asked: str | None, told: Commit | None, folder: Path) -> Commit:
    """Return the commit: the one asked for, else what the result tells, else the one that `folder` is at.

    Raises UserError where there is none.
    """
    if asked is not None:
        return _named(asked, folder)
    if told is None:
        return head(folder)
    known = _git(folder, "show", "-s", "--format=%cI", told.hash)[0]
    is_head = told.branch is None and _git(folder, "rev-parse", "HEAD")[0] == told.hash
    return replace(
        told,
        committed=told.committed or (moment(known) if known else None),
        branch=head(folder).branch if is_head else told.branch,
    )


def head(folder: Path) -> Commit:
    """Return the commit that is checked out; dirty where a file that git follows differs from it."""
    found, problem = _git(folder, "rev-parse", "--verify", "HEAD")
    if found is None:
        raise UserError(
            f"{folder.resolve()}: no commit to record results for ({problem}); name it by --commit of bench history add"
        )
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")[0]
    branch = _git(folder, "branch", "--show-current")[0] or ""
    return replace(_named(found, folder), branch=_readable(branch) or None, dirty=bool(changes))


def _named(ref: str, folder: Path) -> Commit:
    found = None if ref.startswith("-") else _git(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")[0]
    if found is None:
        if HASH.fullmatch(ref):
            return Commit(ref)
        told = f"--commit {ref}: no such commit in the repository of {folder.resolve()}"
        raise UserError(f"{told}; allowed: what git knows there, or a full hash")
    when = _git(folder, "show", "-s", "--format=%cI", found)[0]
    full = _git(folder, "rev-parse", "--symbolic-full-name", ref)[0] or ""  # nothing of HEAD~1
    branch = _readable(full.removeprefix(BRANCHES)) if full.startswith(BRANCHES) else None
    return Commit(found, moment(when) if when else None, branch)


def _readable(name: str) -> str:
    """Return a name that git may have in any bytes, without those that are no text."""
    return os.fsencode(name).decode(errors="replace")


def _git(folder: Path, *arguments: str) -> tuple[str | None, str]:
    """Return what git says, and why where it says nothing."""
    try:
        return git(folder, *arguments), ""
    except OSError as error:
        return None, f"git: {error.strerror}"
    except subprocess.CalledProcessError as error:
        told = [line for line in error.stderr.decode(errors="replace").splitlines() if line] or ["git found none"]
        return None, told[0]
