"""The project's files agree with each other."""

import json
import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

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
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (document.parent / target).exists(), f"{document} links to {target}"


def test_the_lock_holds_every_dependency_with_hashes_and_no_address():
    lock = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"https?:|file:", lock)
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", lock).strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    locked = [Requirement(entry.split("\\")[0]) for entry in entries]
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]:
        asked = Requirement(text)
        found = [each for each in locked if each.name.lower() == asked.name.lower()]
        assert found, (
            f"{asked.name} is not in constraints.txt; its second line says how to renew it"
        )
        for each in found:
            assert asked.specifier.contains(str(each.specifier).removeprefix("==")), each


def test_the_citation_names_this_version_and_licences():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert " AND ".join(citation["license"]) == PROJECT["license"]


def test_what_a_forge_reads_can_be_read():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    pythons = [
        job["strategy"]["matrix"]["python"]
        for job in workflow["jobs"].values()
        if "strategy" in job
    ]
    assert pythons == [["3.11", "3.12", "3.13"]] * 2
    assert any(step.get("run") == ".ci/run" for step in workflow["jobs"]["checks"]["steps"])
    for form in (ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"):
        assert {"name", "description", "body"} <= set(yaml.safe_load(form.read_text()))
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert "constraints.txt" in container["postCreateCommand"]
