"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgdeploy.cli import COMMANDS, PROJECT_COMMANDS, reference

CLONE = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", sorted(reference.pages()))
def test_page_does_not_drift(page):
    assert (CLONE / page).read_text() == reference.pages()[page], f"run `{reference.COMMAND}`"


def test_every_command_and_option_is_on_the_page():
    page = reference.commands()
    for name in COMMANDS:
        assert f"## ecgdeploy {name}\n" in page
    assert "`--emulate`" in page and "`--board TEXT`" in page


def test_every_link_of_the_docs_leads_somewhere():
    import re

    faults = []
    for page in (CLONE / "docs").rglob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#\s]+)\)", page.read_text()):
            if not (page.parent / target).exists():
                faults.append(f"{page.relative_to(CLONE)}: {target}")
    assert faults == []


def test_the_index_names_every_page_of_the_reference():
    index = (CLONE / "docs" / "README.md").read_text()
    pages = [path.relative_to(CLONE / "docs").as_posix() for path in (CLONE / "docs" / "reference").glob("*.md")]
    assert [page for page in pages if f"]({page})" not in index] == []


def test_the_commands_that_read_the_project_file_are_those_the_workspace_serves():
    from ecgdeploy.workspace import OPTIONS

    assert set(PROJECT_COMMANDS) == {*OPTIONS, "train", "quantize"}
