"""What a contract can be asked to do, read from its source. Nothing of it is run: it may be unapproved."""

from __future__ import annotations

import ast
from typing import Any, Final

_MARKS: Final = ("transaction", "query")


def outline(source: str) -> list[dict[str, Any]]:
    """The marked functions of the contract in this source, in their order."""
    return [
        _function(item, kind, mark)
        for statement in ast.parse(source).body
        if isinstance(statement, ast.ClassDef)
        for item in statement.body
        if isinstance(item, ast.FunctionDef)
        for kind, mark in _marks(item)
    ]


def _marks(function: ast.FunctionDef) -> list[tuple[str, ast.expr]]:
    """How it is marked: `@query`, or with arguments `@transaction(roles=…)`."""
    named = [(mark.func if isinstance(mark, ast.Call) else mark, mark) for mark in function.decorator_list]
    return [(name.id, mark) for name, mark in named if isinstance(name, ast.Name) and name.id in _MARKS]


def _function(function: ast.FunctionDef, kind: str, mark: ast.expr) -> dict[str, Any]:
    arguments = function.args.args[2:]  # after self and the context
    required = len(arguments) - len(function.args.defaults)
    listed = [
        {
            "name": argument.arg,
            "type": ast.unparse(argument.annotation) if argument.annotation else "",
            "default": None if number < required else ast.unparse(function.args.defaults[number - required]),
        }
        for number, argument in enumerate(arguments)
    ]
    result = ast.unparse(function.returns) if function.returns else "None"
    said = ", ".join(
        f"{one['name']}: {one['type']}" + (f" = {one['default']}" if one["default"] is not None else "")
        for one in listed
    )
    return {
        "name": function.name,
        "kind": kind,
        "roles": list(_roles(mark)),
        "arguments": listed,
        "result": result,
        "call": f"{function.name}({said}) -> {result}",
        "doc": (ast.get_docstring(function) or "").partition("\n")[0],
    }


def _roles(mark: ast.expr) -> tuple[str, ...]:
    keywords = {keyword.arg: keyword.value for keyword in mark.keywords} if isinstance(mark, ast.Call) else {}
    return tuple(ast.literal_eval(keywords["roles"])) if "roles" in keywords else ()
