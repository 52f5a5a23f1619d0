"""The committed documents of the interfaces, made from the code: `python -m web.documents` refreshes them.

`docs/openapi.json`, `docs/asyncapi.json`, and in `docs/api.md` the table of problem codes. The code says which codes
there are and with which status; `docs/problem-codes.txt` says in one line what each means.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask

from kernel import errors
from web import asyncapi, openapi
from web.app import add_services
from web.errors import HTTP_CODES, status_of

ROOT = Path(__file__).parents[1]
MEANINGS = ROOT / "docs" / "problem-codes.txt"
GUIDE = ROOT / "docs" / "api.md"
PACKAGES = ("kernel", "accounts", "notes", "shop", "live", "search", "feed", "moderation", "metrics", "engines", "web")
_REFUSALS = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.AppError)
}
_FIELD = {"FieldError": 1, "PydanticCustomError": 0}
_CODE = re.compile(r"[a-z_]+\.[a-z_]+")
_BEGIN, _END = "<!-- codes: made by python -m web.documents -->", "<!-- end of codes -->"


@dataclass(frozen=True)
class Code:
    """A code somewhere in the source; `status` None for the code of a single field."""

    code: str
    status: int | None


def rendered() -> dict[Path, str]:
    """Every committed document as it should be."""
    app = Flask("documents")
    add_services(app)
    return {
        ROOT / "docs" / "openapi.json": _json(openapi.document(app)),
        ROOT / "docs" / "asyncapi.json": _json(asyncapi.document()),
        GUIDE: _with_table(GUIDE.read_text()),
    }


def meanings() -> dict[str, str]:
    """What each code means, as written by hand: `code  meaning` on a line."""
    lines = [line.split(maxsplit=1) for line in MEANINGS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(lines)


def raised() -> dict[str, set[int]]:
    """Every problem code in the packages, with the statuses it goes out with."""
    found: dict[str, set[int]] = defaultdict(set)
    for use in _uses():
        if use.status is not None:
            found[use.code].add(use.status)
    for status, code in HTTP_CODES.items():
        found[code].add(status)
    return dict(found)


def of_fields() -> set[str]:
    """Codes in the `errors` of a problem, besides `field.*`, which name pydantic's own rules."""
    return {use.code for use in _uses() if use.status is None}


def _uses() -> Iterator[Code]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from _in_module(ast.parse(path.read_text()), path)


def _in_module(tree: ast.Module, path: Path) -> Iterator[Code]:
    makers = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _REFUSALS and node.args:
            status = status_of(_blank(_REFUSALS[name]))
            for code in _codes(node.args[0], tree, makers):
                yield Code(code, status)
        elif name in _FIELD:
            for code in _codes(node.args[_FIELD[name]], tree, makers):
                yield Code(code, None)


def _blank(kind: type[errors.AppError]) -> errors.AppError:
    return kind.__new__(kind)


def _codes(given: ast.expr, tree: ast.Module, makers: dict[str, ast.FunctionDef]) -> set[str]:
    """The literals that can arrive here: in place, by a name that is assigned, or by a parameter of a function."""
    if not isinstance(given, ast.Name):
        return _literals(given)
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == given.id for target in node.targets):
            found |= _literals(node.value)
        if isinstance(node, ast.Call) and (maker := makers.get(getattr(node.func, "id", ""))) is not None:
            names = [argument.arg for argument in maker.args.args]
            place = names.index(given.id) if given.id in names else len(node.args)
            found |= {code for argument in node.args[place : place + 1] for code in _literals(argument)}
    return found


def _literals(given: ast.expr) -> set[str]:
    texts = (node.value for node in ast.walk(given) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if _CODE.fullmatch(text)}


def _with_table(guide: str) -> str:
    head, rest = guide.split(_BEGIN)
    _, tail = rest.split(_END)
    return f"{head}{_BEGIN}\n{_table()}{_END}{tail}"


def _table() -> str:
    known, statuses = meanings(), raised()
    lines = ["| code | status | meaning |", "|---|---|---|"]
    for code in sorted(statuses):
        lines.append(f"| `{code}` | {', '.join(map(str, sorted(statuses[code])))} | {known.get(code, '?')} |")
    lines += ["", "Codes of single fields, in `errors`:", "", "| code | meaning |", "|---|---|"]
    lines += [f"| `{code}` | {known.get(code, '?')} |" for code in sorted(of_fields() - set(statuses))]
    return "\n".join(lines) + "\n"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for where, text in rendered().items():
        where.write_text(text)
        print(where.relative_to(ROOT))
