"""Which release is running: a setting, else the deploy platform's word, else git; never a made-up one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PLATFORM_VARIABLES: Final = (
    "SENTRY_RELEASE",
    "RAILWAY_GIT_COMMIT_SHA",
    "RENDER_GIT_COMMIT",
    "HEROKU_SLUG_COMMIT",
    "HEROKU_BUILD_COMMIT",
    "VERCEL_GIT_COMMIT_SHA",
    "FLY_IMAGE_REF",
    "K_REVISION",
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "SOURCE_VERSION",
    "GIT_COMMIT",
)


def find_release(
    name: str | None = None, *, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> str | None:
    """
    The release, `NAME@COMMIT` when a name is given; None when nothing tells.

    Args:
        name: of the app, such as `wwmaa-backend`.
        folder: where to begin to look for `.git`, upwards; default: the working directory.
    """
    if environment.get("SENTRY_RELEASE"):
        return environment["SENTRY_RELEASE"]
    version = next((environment[key] for key in PLATFORM_VARIABLES if environment.get(key)), None)
    version = version or _git_commit(folder)
    if version is None:
        return None
    # A release may hold no slash; container references do.
    version = version.rsplit("/", 1)[-1]
    short = version[:12] if len(version) == 40 else version
    return f"{name}@{short}" if name else short


def _git_commit(folder: Path | None) -> str | None:
    """The commit that is checked out, read from git's own files: no subprocess in an app's start."""
    try:
        folder = folder or Path.cwd()
        for parent in (folder, *folder.parents):
            git = parent / ".git"
            if git.is_file():  # a worktree: the file says where the folder is
                git = (parent / git.read_text("utf-8").removeprefix("gitdir:").strip()).resolve()
            if (git / "HEAD").is_file():
                return _read_head(git)
    except (OSError, ValueError):  # unreadable, no text, or no working directory
        pass
    return None


def _read_head(git: Path) -> str | None:
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return head or None
    ref = head.removeprefix("ref:").strip()
    common = git
    if (git / "commondir").is_file():
        common = (git / (git / "commondir").read_text("utf-8").strip()).resolve()
    for place in (git, common):
        if (place / ref).is_file():
            return (place / ref).read_text("utf-8").strip() or None
    packed = common / "packed-refs"
    for line in packed.read_text("utf-8").splitlines() if packed.is_file() else ():
        if line.endswith(f" {ref}"):
            return line.split(" ", 1)[0]
    return None
