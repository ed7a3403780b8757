"""docs/smart-conformance.md names a place and a test for every requirement of SMART on a client."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MANUAL = (ROOT / "docs" / "smart-conformance.md").read_text("utf-8")
LIST = ROOT.parent / "shared" / "smart" / "client-requirements.md"

# The requirements of SMART App Launch 2.2.0 on clients, numbered as in the public test kit.
REQUIREMENTS = {
    "SHALL": """1-4 13 20-23 29 32-37 39-42 44 45 47 50-52 60-62 64 67-71 93 105 106 108 120-122
        124 125 132 135 137 141 143 146 150-153 155 156 161 166 191 196 201 202 215 216 218-220
        225-227 229 230 232-238 264 270 290 291 293-295 298 301 302 307-309 313-315 317-323 325
        327-334 345 379 415 416""",
    "SHALL NOT": "5-7 63 72 211",
    "SHOULD": """8 9 11 12 46 65 90 98 117 131 133 147 148 157 193 239 263 268 292 299 303 413
        414 425 426""",
    "SHOULD NOT": "10 97 267",
    "MAY": "43 66 107 158 162 195 242 300 304 312 324 343 375 420 435",
}
# What the public kit names as having no test there.
LEFT_OUT = """2 6 39 40 60 61 97 98 108 117 191 193 201 211 218 303 308 309 322 325 331"""

ROW = re.compile(
    r'^\| <a id="r(\d+)"></a>(\d+) \| (SHALL|SHALL NOT|SHOULD|SHOULD NOT|MAY) '
    r"\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$",
    re.MULTILINE,
)
LEFT_OUT_ROW = re.compile(r"^\| (\[\d+\][^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PLACE = re.compile(r"`([\w/]+\.(?:py|js)):([\w.]+)`")
FEWEST_WORDS = 6


@dataclass(frozen=True)
class Row:
    """One row of the manual's tables."""

    number: int
    level: str
    requirement: str
    answer: str
    shown_by: str

    @property
    def places(self) -> list[tuple[str, str]]:
        return PLACE.findall(self.answer)

    @property
    def tests(self) -> list[tuple[str, str]]:
        return TEST.findall(self.shown_by)


ROWS = [
    Row(int(number), level, *cells)
    for anchor, number, level, *cells in ROW.findall(MANUAL)
    if anchor == number
]


def numbers(text: str) -> list[int]:
    """Read `1-3 7` as 1, 2, 3, 7."""
    spans = [part.partition("-") for part in text.split()]
    return [n for first, _, last in spans for n in range(int(first), int(last or first) + 1)]


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text("utf-8"))


def names_in(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Functions, classes and assigned names of a module or a class."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def place_exists(file: str, name: str) -> bool:
    path = ROOT / file
    if not path.is_file():
        return False
    if path.suffix == ".js":
        return (
            re.search(rf"^(export )?(async )?function {name}\(", path.read_text(), re.M) is not None
        )
    body: list[ast.stmt] = tree(file).body
    for part in name.split("."):
        node = names_in(body).get(part)
        if node is None:
            return False
        body = node.body if isinstance(node, ast.ClassDef) else []
    return True


def is_run(file: str, name: str) -> bool:
    """Tell whether a test exists and is not skipped, or expected to fail, whatever happens."""
    if not (ROOT / file).is_file():
        return False
    module = names_in(tree(file).body)
    test = module.get(name)
    if not isinstance(test, ast.FunctionDef) or (
        "pytestmark" in module and never(module["pytestmark"])
    ):
        return False
    return not any(map(never, test.decorator_list)) and not any(map(gives_up, test.body))


def never(mark: ast.AST) -> bool:
    """Tell whether a mark keeps a test from ever running."""
    text = ast.unparse(mark)
    return bool(re.search(r"\bmark\.(skip|xfail)\b|skipif\((True|1)\b", text))


def gives_up(statement: ast.stmt) -> bool:
    """Tell whether a statement of the test's own level skips it: one under an `if` may not."""
    return isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("pytest.skip(")


def test_every_requirement_has_one_row_with_its_level() -> None:
    expected = {n: level for level, text in REQUIREMENTS.items() for n in numbers(text)}
    assert len(expected) == 164
    assert len(ROWS) == 164
    assert {row.number: row.level for row in ROWS} == expected


def test_every_requirement_is_met_and_shown_or_does_not_apply_for_a_reason() -> None:
    unanswered = []
    for row in ROWS:
        excused = row.answer.startswith("Does not apply: ")
        excused |= row.answer.startswith("Not followed: ") and "SHALL" not in row.level
        enough = len(row.answer.split()) >= FEWEST_WORDS if excused else row.places and row.tests
        if not enough:
            unanswered.append(row.number)
    assert unanswered == []


def test_every_place_that_the_manual_names_exists() -> None:
    named = PLACE.findall(MANUAL)
    assert len(named) > 100
    assert [place for place in named if not place_exists(*place)] == []


def test_every_test_that_the_manual_names_exists_and_is_run() -> None:
    named = TEST.findall(MANUAL)
    assert len(named) > 100
    assert [test for test in named if not is_run(*test)] == []
    # Nothing that looks like a test or a place escapes these two checks by its spelling.
    assert len(re.findall(r"`[^`\n]*::[^`\n]*`", MANUAL)) == len(named)
    assert len(re.findall(r"`[^`\n]*\.(?:py|js):[^:`\n]*`", MANUAL)) == len(PLACE.findall(MANUAL))


def test_what_the_public_kit_leaves_out_is_shown_by_the_tests_of_its_rows() -> None:
    by_number = {row.number: row for row in ROWS}
    rows = LEFT_OUT_ROW.findall(MANUAL)
    covered: set[int] = set()
    for links, _, shown_by in rows:
        linked = [int(n) for n, target in re.findall(r"\[(\d+)\]\(#r(\d+)\)", links) if n == target]
        assert linked, links
        own = {test for number in linked for test in by_number[number].tests}
        assert TEST.findall(shown_by), links
        assert set(TEST.findall(shown_by)) <= own, links
        covered |= set(linked)
    assert covered == set(numbers(LEFT_OUT))


def test_a_place_or_test_that_is_gone_is_noticed() -> None:
    own = "tests/test_smart_conformance.py"
    assert place_exists(own, "Row.places")
    assert place_exists(own, "REQUIREMENTS")
    assert not place_exists(own, "Row.gone")
    assert not place_exists("plugin/gone.py", "create_app")
    assert place_exists("plugin/static/launch.js", "keepBinder")
    assert not place_exists("plugin/static/launch.js", "gone")
    assert is_run(own, "test_a_place_or_test_that_is_gone_is_noticed")
    assert not is_run(own, "test_gone")
    assert not is_run(own, "numbers_of_another")
    for mark in (
        "pytest.mark.skip",
        "pytest.mark.skip('x')",
        "pytest.mark.skipif(True, reason='')",
    ):
        assert never(ast.parse(mark))
    assert not never(ast.parse("pytest.mark.skipif(os.geteuid() != 0, reason='')"))
    assert gives_up(ast.parse("pytest.skip('x')").body[0])
    assert not gives_up(ast.parse("if x:\n    pytest.skip('x')").body[0])


def test_the_numbers_are_those_of_the_list_beside_the_checkout() -> None:
    if not LIST.is_file():
        pytest.skip("the list of requirements is not beside this checkout")
    listed = re.findall(
        r"^- @(\d+) (SHALL NOT|SHALL|SHOULD NOT|SHOULD|MAY) ", LIST.read_text("utf-8"), re.MULTILINE
    )
    assert {int(number): level for number, level in listed} == {
        row.number: row.level for row in ROWS
    }
