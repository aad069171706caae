"""The release is what somebody said, or what git says; where nothing tells there is none."""

import subprocess
from pathlib import Path

import pytest

from ukemi.sdk import find_release

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path: Path) -> Path:
    git = tmp_path / "shop" / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    return git


def found(folder: Path, name: str | None = None, **environment: str) -> str | None:
    return find_release(name, environment=environment, folder=folder)


def test_a_setting_is_taken_as_it_is(git):
    assert found(git.parent, "shop", SENTRY_RELEASE="any/thing@1", GITHUB_SHA=SHA) == "any/thing@1"


@pytest.mark.parametrize(
    ("variable", "value", "release"),
    [
        ("RAILWAY_GIT_COMMIT_SHA", SHA, "shop@0123456789ab"),
        ("RENDER_GIT_COMMIT", SHA, "shop@0123456789ab"),
        ("HEROKU_SLUG_COMMIT", SHA, "shop@0123456789ab"),
        ("FLY_IMAGE_REF", "registry.fly.io/shop:deployment-01", "shop@shop:deployment-01"),
        ("K_REVISION", "shop-00042-abc", "shop@shop-00042-abc"),
        ("CI_COMMIT_SHA", SHA, "shop@0123456789ab"),
    ],
)
def test_deploy_platforms_tell_the_commit(tmp_path, variable, value, release):
    assert found(tmp_path, "shop", **{variable: value}) == release


def test_a_branch_is_read_from_its_file_from_any_folder_below(git):
    (git / "refs/heads/main").write_text(SHA + "\n")
    below = git.parent / "src" / "shop"
    below.mkdir(parents=True)
    assert found(below) == "0123456789ab"


def test_a_branch_is_read_from_packed_refs(git):
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{'f' * 40} refs/heads/other\n{SHA} refs/heads/main\n^{'e' * 40}\n"
    )
    assert found(git.parent, "shop") == "shop@0123456789ab"


def test_a_detached_head_is_the_commit(git):
    (git / "HEAD").write_text(SHA)
    assert found(git.parent) == "0123456789ab"


def test_what_is_read_is_what_git_says(tmp_path, monkeypatch):
    """A repository of git's own making, with a worktree beside it, packed and not."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, folder: Path = tmp_path / "shop") -> str:
        settings = ["-c", "user.name=shop", "-c", "user.email=shop@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *settings, *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "shop").mkdir()
    run("init", "-q", "-b", "main")
    run("commit", "-q", "--allow-empty", "-m", "first")
    run("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    run("commit", "-q", "--allow-empty", "-m", "second", folder=tmp_path / "side")
    main, side = run("rev-parse", "main"), run("rev-parse", "side")

    assert (found(tmp_path / "shop"), found(tmp_path / "side")) == (main[:12], side[:12])
    run("pack-refs", "--all")
    assert (found(tmp_path / "shop"), found(tmp_path / "side")) == (main[:12], side[:12])


@pytest.mark.parametrize("head", ["", "ref: refs/heads/unborn\n", "\0\0"])
def test_a_repository_that_says_nothing_gives_no_release(git, head):
    (git / "HEAD").write_text(head)
    assert found(git.parent) in (None, "\0\0")


def test_unreadable_files_give_no_release(git):
    (git / "HEAD").write_bytes(b"\xff\xfe\xfa")
    assert found(git.parent) is None


def test_nothing_at_all_gives_no_release(tmp_path):
    assert found(tmp_path) is None


def test_a_working_directory_that_is_gone_gives_no_release(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_release(environment={}) is None
    monkeypatch.chdir(tmp_path)
