"""The page of supported operators is the table that codegen and preflight read."""

from pathlib import Path

from ecgdeploy.codegen.lower import handled_operators
from ecgdeploy.graph.operators import SUPPORTED, as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "operators.md"


def test_page_does_not_drift():
    assert PAGE.read_text() == as_markdown(), "write operators.as_markdown() to docs/reference/operators.md"


def test_table_and_code_generator_name_the_same_operators():
    assert set(SUPPORTED) == handled_operators()
