"""The picture of the house is the house."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from kernel.facts import Fact
from web.reactions import table

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SERVICES = ["accounts", "notes", "shop", "live", "search", "feed", "moderation", "metrics"]
NAMELESS = {"utils.py", "helpers.py", "common.py", "manager.py", "base.py", "misc.py"}


def sources() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.split()]


def test_imports_only_go_downwards_and_through_faces() -> None:
    lint = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stdout


def test_every_package_is_listed_and_every_listed_package_is_there() -> None:
    packages = {".".join(p.parent.relative_to(ROOT).parts) for p in sources() if p.name == "__init__.py"}
    assert packages - {"tests", "bench"} - {p for p in packages if p.startswith("tests.")} == set(
        PROJECT["tool"]["setuptools"]["packages"]
    )


def test_every_fact_has_its_line_in_the_table_of_consequences(house) -> None:  # type: ignore[no-untyped-def]
    facts = {fact for fact in Fact.__subclasses__() if fact.__module__.split(".")[0] in SERVICES}
    assert facts == set(table(house.services))


def test_services_reach_each_other_through_their_faces_only() -> None:
    wrong = []
    for path in sources():
        home = path.relative_to(ROOT).parts[0]
        if home not in SERVICES:
            continue
        for other, part in re.findall(r"^\s*(?:from|import) (\w+)\.(\w+)", path.read_text(), re.MULTILINE):
            if other in SERVICES and other != home:
                wrong.append(f"{path.relative_to(ROOT)} opens {other}.{part}")
    assert wrong == []


def test_rules_know_neither_flask_nor_an_engines_client() -> None:
    forbidden = re.compile(
        r"^\s*(?:from|import) (flask|redis|elasticsearch|tantivy|usearch|gevent|socketio)\b", re.MULTILINE
    )
    allowed = {"routes.py", "sockets.py"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.relative_to(ROOT).parts[0] in SERVICES
        and path.name not in allowed
        and forbidden.search(path.read_text())
    ]
    assert wrong == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in sources() if path.name in NAMELESS] == []


def test_every_service_says_what_it_is_for() -> None:
    for service in SERVICES:
        face = (ROOT / service / "__init__.py").read_text()
        assert face.startswith('"""'), service
        assert "__all__" in face, service


def test_the_readme_draws_the_house_that_stands() -> None:
    readme = (ROOT / "README.md").read_text()
    for package in [*SERVICES, "kernel", "engines", "web", "tests", "bench", "docs", "demo"]:
        assert re.search(rf"^{package}/\s", readme, re.MULTILINE), package
    for module in {path.name for path in sources() if path.parent == ROOT}:
        assert re.search(rf"^{module}\s", readme, re.MULTILINE), module
        assert module.removesuffix(".py") in PROJECT["tool"]["setuptools"]["py-modules"], module


def test_everything_a_port_promises_is_asked_of_its_engines_in_the_contract() -> None:
    suites = {"Filling": "index", "SearchIndex": "index", "KeyValue": "kv", "MediaServer": "media"}
    suites |= {"IngestPorts": "ingest_ports"}
    missing = []
    for path in ("kernel/ports.py", "kernel/db.py"):
        for port in _protocols(ROOT / path):
            suite = ROOT / "tests" / "contract" / f"test_{suites.get(port.name, port.name.lower())}.py"
            asked = {node.attr for node in ast.walk(ast.parse(suite.read_text())) if isinstance(node, ast.Attribute)}
            promised = {part.name for part in port.body if isinstance(part, ast.FunctionDef)}
            missing += [f"{port.name}.{name} is not in {suite.name}" for name in promised - asked]
    assert missing == []


def _protocols(path: Path) -> list[ast.ClassDef]:
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    return [one for one in classes if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in one.bases)]
