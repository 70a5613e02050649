"""The examples of docs/figures: the events of each page give the answers it shows, by the commands it shows."""

from __future__ import annotations

import json
import re
import shlex
from decimal import Decimal
from pathlib import Path

import pytest

from stream_app.cli import main
from stream_app.domain.metrics.query import FIGURES, KINDS

PAGES = Path(__file__).parents[2] / "docs" / "figures"
EXAMPLES = sorted(path.name for path in PAGES.glob("*.md") if path.name != "README.md")


def blocks(text):
    """The fenced blocks of a page in order: their languages and contents."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page):
    return [shlex.split(body) for language, body in blocks((PAGES / page).read_text("utf-8")) if language == "sh"]


def differences(shown, found, path="$"):
    """Where an answer is not as it is shown. Fields that are not shown may be anything; decimals may have been cut."""
    if isinstance(shown, dict) and isinstance(found, dict):
        missing = [f"{path}.{key} is missing" for key in shown if key not in found]
        return missing + [
            one for key in shown if key in found for one in differences(shown[key], found[key], f"{path}.{key}")
        ]
    if isinstance(shown, list) and isinstance(found, list) and len(shown) == len(found):
        pairs = enumerate(zip(shown, found, strict=True))
        return [one for place, (a, b) in pairs for one in differences(a, b, f"{path}[{place}]")]
    if isinstance(shown, Decimal) and isinstance(found, float):
        found = round(Decimal(found), -shown.as_tuple().exponent)
    return [] if type(shown) is type(found) and shown == found else [f"{path} is {found}, shown as {shown}"]


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_commands_of_a_page_give_the_answers_it_shows(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (PAGES / page).read_text("utf-8")
    checked, answer = 0, None
    for language, body in blocks(text):
        if language == "csv":
            name = re.search(r"`(\w+\.csv)`[^`]*\n```csv\n" + re.escape(body), text)[1]
            (tmp_path / name).write_text(body, "utf-8")
        elif language == "sh":
            program, *arguments = shlex.split(body)
            assert (program, main(arguments)) == ("stream-app", 0)
            answer = json.loads(capsys.readouterr().out)
        else:
            assert differences(json.loads(body, parse_float=Decimal), answer) == []
            checked += 1
    assert checked


def test_a_cut_decimal_is_right_and_a_wrong_one_is_found():
    assert differences({"a": Decimal("0.3333")}, {"a": 1 / 3, "b": 2}) == []
    assert differences({"a": Decimal("0.3334")}, {"a": 1 / 3})
    assert differences({"a": [1, None]}, {"a": [1]})
    assert differences({"a": 1}, {"b": 1})
    assert differences({"a": 1}, {"a": 1.0})
    assert differences({"a": None}, {"a": 0})


def test_every_figure_and_every_kind_has_an_example():
    shown = [dict(zip(words, [*words[1:], ""], strict=True)) for page in EXAMPLES for words in commands(page)]
    figures = {words.get("--figure", "retention") for words in shown}

    assert figures == set(FIGURES)
    for figure, kinds in KINDS.items():
        asked = {words.get("--kind", kinds[0]) for words in shown if words.get("--figure", "retention") == figure}
        assert asked == set(kinds)


def test_every_page_is_listed():
    listed = re.findall(r"\]\((\w+\.md)\)", (PAGES / "README.md").read_text("utf-8"))

    assert sorted(listed) == EXAMPLES
