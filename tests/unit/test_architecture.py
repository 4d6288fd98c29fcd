"""docs/architecture.md shows the house as it is, and leads a newcomer to the right file."""

from __future__ import annotations

import re

import pytest

from tests.architecture import PAGE, ROOT, levels, page

# What somebody who has never seen the code may want to change, a path of the answer, and what must be in that file.
QUESTIONS = {
    "the response of `POST /predict`": ("src/dandelion/domain/predictions.py", "class Prediction("),
    "what clients of Triton and KServe send and get": ("src/dandelion/api/v2/inputs.py", "def read_inputs("),
    "a method of gRPC": ("src/dandelion/api/grpc/service.py", "class InferenceService("),
    "the HTTP status of an error": ("src/dandelion/api/problems.py", "_STATUSES"),
    "which photo formats are read": ("src/dandelion/imaging/decode.py", "FORMATS = "),
    "when a retraining starts": ("src/dandelion/retraining/performance.py", "def judge_need("),
    "what a candidate must show": ("src/dandelion/release/gate.py", "def judge("),
    "how drift is measured": ("src/dandelion/monitoring/drift.py", "def compare("),
    "which photos people label first": ("src/dandelion/feedback/queue.py", "def rank("),
    "a text of the web page": ("src/dandelion/ui/catalogue.toml", "[classify]"),
    "an alert": ("alerts/rules.yaml", "- alert:"),
    "who may connect to whom in a cluster": ("templates/_edges.tpl", "define"),
    "what values add to every pod of a cluster": ("charts/common/templates/_workload.tpl", "define"),
}


def rows() -> dict[str, list[str]]:
    """The page's own answers: what to change, and which files to open."""
    section = PAGE.read_text(encoding="utf-8").split("## Where to change what")[1].split("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {question.strip(): re.findall(r"`([^`]+/[^`]+)`", answer) for question, answer in cells[1:]}


def test_levels_and_packages_are_those_of_the_code() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "run `python -m tests.architecture`"


def test_every_package_has_a_level() -> None:
    listed = {name for level in levels() for name in level}
    there = {path.stem for path in (ROOT / "src" / "dandelion").iterdir() if path.suffix in {"", ".py"}}
    assert there - listed == {"__init__", "__main__", "__pycache__", "starter"} & there


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_change_leads_to_its_file(question: str) -> None:
    path, content = QUESTIONS[question]
    assert path in rows()[question]
    assert content in (ROOT / path).read_text(encoding="utf-8")


def test_every_question_of_the_page_is_checked() -> None:
    assert rows().keys() == QUESTIONS.keys()


def test_every_path_of_the_page_exists() -> None:
    rooms = "src|tests|docs|charts|templates|alerts|dashboards|flows|benchmarks"
    named = re.findall(rf"`((?:{rooms})/[^`*]*)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_module_in_a_diagram_exists() -> None:
    named = re.findall(r"participant \w+ as (\S+/\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    for path in named:
        assert any((base / path).exists() for base in (ROOT, ROOT / "src" / "dandelion")), path
