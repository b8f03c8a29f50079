"""The project's files agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_environment_yml_has_the_versions_of_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert f"python {PROJECT['requires-python']}" in conda
    assert sorted(pip["pip"]) == sorted([*PROJECT["dependencies"], "."])


def test_cuda_is_an_extra_of_the_same_tensorflow():
    (cuda,) = PROJECT["optional-dependencies"]["cuda"]
    plain = next(name for name in PROJECT["dependencies"] if name.startswith("tensorflow"))
    assert cuda == plain.replace("tensorflow", "tensorflow[and-cuda]")
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


def test_the_readme_has_the_two_commands_in_its_first_lines():
    first = "\n".join((ROOT / "README.md").read_text().splitlines()[:30])
    assert "\npip install . && imbalance-tf run\n" in first
    assert '\npip install ".[test]" && pytest\n' in first


def test_links_of_the_documents_lead_somewhere():
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (ROOT / target).exists(), f"{document.name} links to {target}"
