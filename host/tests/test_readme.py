"""The README stays true where a test can see it."""

from pathlib import Path

import pytest

from ecgdeploy.cli import COMMANDS

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme_with_its_one_line(name):
    assert f"| `{name}` | {COMMANDS[name][2]} |" in README.read_text()


def test_every_link_of_the_readme_leads_somewhere():
    import re

    targets = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert targets
    assert [target for target in targets if not (README.parent / target).exists()] == []
