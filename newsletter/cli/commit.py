"""Which commit an issue is made of: the one that is checked out, or the one that `send --at-commit` names.

A named commit is checked out into a worktree of git's own, beside the folder and for this run alone; what is composed
is read there, and the list, the ledger and the secret stay where they are. Nothing in the folder is touched.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.cli.send_options import Options
    from newsletter.config.settings import Config


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in `folder`; None where there is no git, or no commit."""
    done = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    return done.stdout.strip() or None if done is not None else None


@contextlib.contextmanager
def at_commit(config: "Config", revision: str) -> "Iterator[tuple[Config, str]]":
    """The newsletter as it stands in a commit, to compose from, and the commit's full name. Raises NewsletterError."""
    top = _top(config.root, "--at-commit")
    done = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if done is None or done.returncode != 0:
        raise NewsletterError(f"--at-commit {revision!r}: there is no such commit here; `git log --oneline` names them")
    commit = done.stdout.strip()
    with tempfile.TemporaryDirectory(prefix="newsletter-") as folder:
        tree = Path(folder) / "tree"
        made = _git(top, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        if made is None or made.returncode != 0:
            why = made.stderr.strip().splitlines()[-1:] if made is not None else []
            raise NewsletterError(
                f"--at-commit {revision!r}: git can't check it out: {''.join(why) or 'no reason given'}"
            )
        try:
            yield _moved(config, tree / config.root.resolve().relative_to(top), commit), commit
        finally:
            _git(top, "worktree", "remove", "--force", str(tree))


def in_commit(config: "Config", options: "Options", revision: str, until: contextlib.ExitStack) -> "Options":
    """What was asked for, of the commit `revision`; its tree is there until `until` ends."""
    there, commit = until.enter_context(at_commit(config, revision))
    return replace(options, source=there, commit=commit, post=in_tree(config, there, options.post))


def in_tree(config: "Config", there: "Config", typed: str) -> str:
    """What was typed for a post, as it is called in the tree of `there`."""
    with contextlib.suppress(ValueError):
        if os.path.exists(typed):
            return str(there.root / Path(typed).resolve().relative_to(config.root.resolve()))
    return typed


def refuse_dirty(config: "Config", post: Path) -> None:
    """Raise NewsletterError where the post, its templates or newsletter.toml are not as they were committed."""
    top = _top(config.root, "--require-clean")
    bundle = post.parent if post.stem == "index" else post
    asked = [path for path in (bundle, config.path.absolute(), config.root / "email_templates") if path.exists()]
    done = _git(
        top, "status", "--porcelain", "--untracked-files=all", "--ignored=matching", "-z", "--", *map(str, asked)
    )
    if done is None or done.returncode != 0:
        raise NewsletterError(
            "--require-clean: git can't say what has changed; is this file in the repository?", path=post
        )
    changed = [entry[3:] for entry in done.stdout.split("\0") if len(entry) > 3]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        what = f"not as it was committed: {', '.join(changed[:3])}{more}; commit it, or leave --require-clean out"
        raise NewsletterError(what, path=post)


def _moved(config: "Config", root: Path, commit: str) -> "Config":
    """The configuration in the tree, with what must not move with it: the list, the ledger, the secret."""
    from newsletter.config.settings import load_config
    from newsletter.state import database_of
    from newsletter.state.sqlite import SqliteDatabase

    path = root / config.path.name
    if not path.is_file():
        raise NewsletterError(f"--at-commit: commit {commit[:12]} has no {config.path.name} here; name a later one")
    there = load_config(path)
    here = database_of(config)
    url = f"sqlite:///{here.path.absolute()}" if isinstance(here, SqliteDatabase) else config.state.url
    state = there.state.model_copy(update={"url": url, "dir": str(config.state_dir.absolute())})
    source = config.subscribers.source
    source = source if source == "database" else str((config.root / source).absolute())
    subscribers = config.subscribers.model_copy(update={"source": source})
    return there.model_copy(update={"state": state, "subscribers": subscribers}).at(path, path.read_text("utf-8-sig"))


def repository_of(folder: Path) -> Path | None:
    """The root of the repository that `folder` is in; None where there is no git, or no repository."""
    done = _git(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.strip()).resolve() if done is not None and done.returncode == 0 else None


def _top(folder: Path, option: str) -> Path:
    top = repository_of(folder)
    if top is None:
        raise NewsletterError(f"{option} needs a git repository, and {folder} is in none")
    return top


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str] | None":
    """What git answers; None where there is no git."""
    if (git := shutil.which("git")) is None:
        return None
    asked: Sequence[str] = [git, "-C", str(folder), *words]
    return subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
