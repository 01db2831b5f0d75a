"""What the README shows is what happens: its code prints the stated results, its commands and links are what it says they are."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = ['pip install ".[tables]" && python -m mixtures', 'pip install ".[test]" && pytest']


def test_every_block_of_code_has_its_result():
    assert len(EXAMPLES) == README.count("```python") > 0


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_code_prints_what_the_readme_says(code, printed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where it may leave files
    script = tmp_path / "from_readme.py"
    script.write_text(code, encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_stands_once_on_a_line_of_its_own(command):
    assert README.splitlines().count(command) == 1


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", README, flags=re.MULTILINE)}
    for link in links:
        assert link[1:] in headings if link.startswith("#") else (ROOT / link).exists(), link
