"""Constants that are equal stand in the C once: the steps of an unrolled recurrent layer have the same weights."""

from __future__ import annotations

import re
from collections.abc import Iterable

_DEFINITION = re.compile(
    r"static const (?P<type>\w+) (?P<name>\w+)(?P<kind>(?:\[\d*\])*(?: __attribute__\(\([^=]*\)\))?)"
    r" = (?P<body>.*?);\n",
    re.DOTALL,
)
_NAME = re.compile(r"\b[a-z]\w*_\w+\b")


def shared(constants: Iterable[str], functions: Iterable[str]) -> tuple[list[str], list[str]]:
    """Definitions and functions in which a constant that equals an earlier one is that one."""
    names: dict[str, str] = {}  # of a constant that is gone -> the one in its place
    first: dict[tuple[str, str, str], str] = {}

    def renamed(text: str) -> str:
        return _NAME.sub(lambda found: names.get(found[0], found[0]), text) if names else text

    def definition(found: re.Match[str]) -> str:
        body = renamed(found["body"])
        same = first.setdefault((found["type"], found["kind"], body), found["name"])
        if same != found["name"]:
            names[found["name"]] = same
            return ""
        return f"static const {found['type']} {found['name']}{found['kind']} = {body};\n"

    kept = [_DEFINITION.sub(definition, text if text.endswith("\n") else text + "\n") for text in constants]
    return [text for text in kept if text.strip()], [renamed(text) for text in functions]
