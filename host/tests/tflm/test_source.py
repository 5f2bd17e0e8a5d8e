"""TFLM's repository is obtained at one commit, verified, cached, and never half there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ecgdeploy.errors import BuildError, UsageError
from ecgdeploy.toolchains import tflm_source
from ecgdeploy.toolchains.tflm_source import ENTRY, HASHES, get


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def upstream(tmp_path: Path) -> Path:
    """A repository with the shape of TFLM's, and two commits."""
    folder = tmp_path / "upstream"
    (folder / ENTRY).parent.mkdir(parents=True)
    git(tmp_path, "init", "-q", str(folder))
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for text in ("one\n", "two\n"):
        (folder / ENTRY).write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", text)
    return folder


def first_commit(upstream: Path) -> str:
    return git(upstream, "rev-list", "--max-parents=0", "HEAD").strip()


def test_the_pinned_commit_is_obtained_and_not_the_newest(upstream: Path, tmp_path: Path) -> None:
    source = get(first_commit(upstream), tmp_path / "tree", upstream.as_uri())
    assert (source.folder / ENTRY).read_text() == "one\n"
    assert not source.cached and len(source.sha256) == 64


def test_a_second_call_verifies_the_cache_and_needs_no_network(upstream: Path, tmp_path: Path) -> None:
    commit = first_commit(upstream)
    one = get(commit, tmp_path / "tree", upstream.as_uri())
    two = get(commit, tmp_path / "tree", "file:///nowhere")
    assert two.cached and two.sha256 == one.sha256


def test_what_a_build_adds_does_not_spoil_the_cache_but_a_changed_file_does(upstream: Path, tmp_path: Path) -> None:
    commit = first_commit(upstream)
    folder = get(commit, tmp_path / "tree", upstream.as_uri()).folder
    (folder / "gen").mkdir()
    (folder / "gen" / "made.a").write_text("built")
    assert get(commit, folder, "file:///nowhere").cached
    (folder / ENTRY).write_text("changed\n")
    with pytest.raises(BuildError, match="are not those of commit"):
        get(commit, folder, "file:///nowhere")


def test_a_failed_attempt_leaves_nothing_behind(upstream: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="git fetch failed"):
        get("0" * 40, tmp_path / "tree", upstream.as_uri())
    assert not (tmp_path / "tree").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_two_programs_that_obtain_it_at_once_both_have_it(upstream: Path, tmp_path: Path, monkeypatch) -> None:
    """The other one is done while this one has just fetched."""
    commit, hashed, others = first_commit(upstream), tflm_source.tree_sha256, []

    def after_the_other(folder: Path) -> str:
        monkeypatch.setattr(tflm_source, "tree_sha256", hashed)
        others.append(get(commit, tmp_path / "tree", upstream.as_uri()))
        return hashed(folder)

    monkeypatch.setattr(tflm_source, "tree_sha256", after_the_other)
    source = get(commit, tmp_path / "tree", upstream.as_uri())
    assert others[0].sha256 == source.sha256 and (source.folder / ENTRY).read_text() == "one\n"
    assert not list(tmp_path.glob("*.partial"))


def test_a_repository_that_is_not_tflm_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    (other / "README").write_text("something else")
    git(other, "add", "-A")
    git(other, "commit", "-q", "-m", "one")
    with pytest.raises(BuildError, match="has no tensorflow"):
        get(git(other, "rev-parse", "HEAD").strip(), tmp_path / "tree", other.as_uri())


@pytest.mark.parametrize("commit", ["main", "90b983c2", "Z" * 40])
def test_a_name_that_can_change_is_refused(commit: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no full commit id"):
        get(commit, tmp_path / "tree")


def test_a_folder_with_other_files_is_left_alone(upstream: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="did not make"):
        get(first_commit(upstream), tmp_path / "mine", upstream.as_uri())
    assert not (tmp_path / "mine" / HASHES).exists()


def test_without_network_the_refusal_is_one_line_and_git_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflm_source, "reachable", lambda _: False)
    monkeypatch.setattr(tflm_source, "_git", lambda *_: pytest.fail("git was started"))
    with pytest.raises(BuildError, match="cannot be reached") as caught:
        get(folder=tmp_path / "tree")
    assert "--tflm-dir" in caught.value.hint and "\n" not in str(caught.value)
