"""A git repository as it is now, and as it was at another commit. The repository itself is never touched."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError


@dataclass(frozen=True)
class Tree:
    """The working tree at `root`: its commit, and how many of the files that git follows differ from it."""

    root: Path
    commit: str
    changed: int

    @property
    def told(self) -> str:
        """What it is, in a few words."""
        if not self.changed:
            return f"working tree ({self.commit[:7]})"
        return f"working tree ({self.commit[:7]}, {self.changed} file{'s' * (self.changed > 1)} changed)"


def git(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what git says of the repository that `folder` is in, which it locks for nothing.

    Raises subprocess.CalledProcessError, with git's words in English, and OSError where git can't be started.
    """
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        env={**os.environ, "LC_ALL": "C", **(environ or {})},
        capture_output=True,
        check=True,
    )
    return os.fsdecode(done.stdout).strip()


def around(folder: Path) -> Tree | None:
    """Return the working tree that `folder` is in; None where it is in none.

    Raises UserError, in git's own words, where git can't tell: it is missing, distrusts the folder's owner, or nothing
    was ever committed.
    """
    try:
        root = Path(git(folder, "rev-parse", "--show-toplevel"))
        commit = git(root, "rev-parse", "--verify", "HEAD^{commit}")
        changed = git(root, "status", "--porcelain", "--untracked-files=no")
    except FileNotFoundError:
        raise UserError("git is not installed, or not on PATH") from None
    except subprocess.CalledProcessError as error:
        told = os.fsdecode(error.stderr)
        if "not a git repository" in told:
            return None
        raise UserError(
            f"git can't read this repository: {(told.strip().splitlines() or ['it says nothing'])[0]}"
        ) from None
    return Tree(root, commit, len(changed.splitlines()))


def commit(root: Path, ref: str) -> str:
    """Return the full hash of a ref's commit. Raises UserError where there is no such thing."""
    try:
        return git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    except subprocess.CalledProcessError:
        is_shallow = git(root, "rev-parse", "--is-shallow-repository") == "true"
        hint = "; this clone is shallow: git fetch --unshallow (GitHub: actions/checkout with fetch-depth: 0)"
        told = f"--against {ref}: no such commit, run folder or file" + (hint if is_shallow else "")
        raise UserError(told) from None


@contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """Lay the files of a commit into a temporary folder, and remove it at the end.

    An index of its own keeps the user's as it is; nothing is left behind in the repository if this is killed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-base-") as temporary:
        folder = Path(temporary) / root.name  # an adapter's `needs` may name the folder above it
        folder.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        try:
            git(root, "read-tree", commit, environ=index)
            git(root, "checkout-index", "--all", f"--prefix={folder}/", environ=index)
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"--against: {commit[:7]} can't be checked out: {os.fsdecode(error.stderr).strip()}"
            ) from None
        yield folder
