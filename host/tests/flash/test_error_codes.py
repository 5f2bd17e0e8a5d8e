"""Every code that a deployment can end with is in the documentation, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

import ecgdeploy

SOURCES = Path(ecgdeploy.__file__).parent
PAGE = SOURCES.parent.parent / "docs/howto/linux-boards.md"
GIVEN = r'RemoteError\(\s*"([a-z_]+)"|must\([^\n]*"([a-z_]+)"\)|"(disk|transfer|golden|digest|isa|start|link_timeout)"'


def test_the_documented_codes_are_the_ones_there_are():
    texts = [path.read_text() for path in [*sorted((SOURCES / "flash").glob("*.py")), SOURCES / "devices/ssh.py"]]
    raised = {code for text in texts for match in re.findall(GIVEN, text) for code in match if code}
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| `[a-z_]+`[,` a-z_]* \|", line)]
    documented = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}
    assert raised == documented
