"""docs/http.md from the application itself: each route as its OpenAPI document says, with an answer that it gave.

    python -m tests.gateway.api.document          writes the part below the line; what stands above is written by hand

What is asked stands in `expected/`, the table of routes and roles: the first row of each route is its example. Long
lists, texts and hexadecimal numbers are shortened, for keys are new in every run.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.http.app import PREFIX
from tests.gateway.api.expected.form import ROLES, Row
from tests.gateway.api.site import PlayedModel, Site, peopled
from tests.gateway.api.test_who_sees_what import rows

PAGE: Final = Path(__file__).parent.parent.parent.parent / "docs" / "http.md"
LINE: Final = "<!-- below: python -m tests.gateway.api.document -->\n"
_HEX: Final = re.compile(r"\b(?:[0-9a-f]{16}|[0-9a-f]{32,})\b")
_ITEMS: Final = 1
_LINES: Final = 3
_NAMES: Final = 14
_CHARACTERS: Final = 72
_PEM: Final = "-----BEGIN CERTIFICATE-----"
_SHORT: Final = "9c41…"


async def routes_part(site: Site) -> str:
    """Everything below the line."""
    described = site.app.openapi()["paths"]
    asked = rows()
    parts = []
    for area in dict.fromkeys(tag for path in described.values() for one in path.values() for tag in one["tags"]):
        parts.append(f"## {area.capitalize()}\n")
        for path, methods in described.items():
            for method, route in methods.items():
                if route["tags"][0] == area:
                    name = f"{method.upper()} {path.removeprefix(PREFIX)}"
                    parts.append("\n".join(_route(name, route)))
                    if name in asked:
                        parts.append("\n".join([line async for line in _example(site, name, asked[name])]))
    return "\n".join(parts)


def _route(name: str, route: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{route['description'].strip()}\n"
    parameters = [one for one in route.get("parameters", ()) if one["in"] in {"path", "query"}]
    if parameters:
        yield "| name | in | takes |"
        yield "|---|---|---|"
        yield from (f"| `{one['name']}` | {one['in']} | {_takes(one)} |" for one in parameters)
        yield ""
    for status, told in route["responses"].items():
        if status in {"200", "202", "204"}:
            yield f"{status}: {told['description']}. {_form(told)}".strip()
            yield ""


def _form(told: dict[str, Any]) -> str:
    """What the answer's form says of itself: of a list, what its rows say."""
    schema = next(iter(told.get("content", {}).values()), {}).get("schema", {})
    items = schema.get("properties", {}).get("items", {}).get("items", {})
    words = str(items.get("description", "") if items else schema.get("description", ""))
    return " ".join(words.split())


def _takes(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    schema = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema) | {
        name: schema[name] for name in ("default", "description") if name in schema
    }
    told = [" or ".join(f"`{value}`" if value else "``" for value in schema["enum"])] if "enum" in schema else []
    told += [] if told else [{"string": "a text", "integer": "a number", "boolean": "true or false"}[schema["type"]]]
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None and most < 1 << 40:
        told.append(f"{least} to {most}")
    elif schema.get("maxLength", 0) and not schema.get("pattern", "").startswith("^([") and schema["maxLength"] < 1_000:
        told.append(f"at most {schema['maxLength']} characters")
    if "description" in (parameter | schema):
        told.append(str((schema | parameter)["description"]))
    if schema.get("default") not in (None, ""):
        told.append(f"{json.dumps(schema['default'])} if left out")
    if parameter.get("required") and parameter["in"] == "query":
        told.append("needed")
    return ", ".join(told).replace("|", "\\|")


async def _example(site: Site, name: str, row: Row) -> Any:
    answered = [who for who, seen in zip(ROLES, row.seen.split(), strict=False) if seen not in {"404", "0"}]
    who = answered[0] if answered else ROLES[0]
    path = row.path if isinstance(row.path, str) else row.path(site)
    async with site.looking(who) as client:
        if name.startswith("POST "):
            assert row.body is not None
            sent = {"content": row.body(site, who), "headers": {"content-type": "application/octet-stream"}}
            response = await client.post(path, **sent)  # type: ignore[arg-type]
        else:
            response = await client.get(path)
    asked = f"{name.partition(' ')[0]} {PREFIX}{_HEX.sub(_SHORT, path)}"
    yield f"`{asked}`{'' if row.open else f', asked by {_named(who)}'}:\n"
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        yield "```json"
        yield json.dumps(_shortened(response.json()), indent=2, ensure_ascii=False)
        yield "```\n"
    elif kind == "text/csv":
        yield "```csv"
        yield _HEX.sub(_SHORT, "\n".join(response.text.splitlines()[:_LINES]))
        yield "```\n"
    else:
        yield f"A file of the type `{kind}`.\n"


def _named(who: str) -> str:
    return f"{'an' if who[0] in 'aeio' else 'a'} {who}"


def _shortened(value: Any, deep: int = 0) -> Any:
    if isinstance(value, dict):
        kept = dict(list(value.items())[:_NAMES] if deep else value.items())
        return {
            _HEX.sub(_SHORT, name): _shortened(one[:6] + "…" if name == "after" and one else one, deep + 1)
            for name, one in kept.items()
        }
    if isinstance(value, list):
        return [_shortened(one, deep + 1) for one in value[:_ITEMS]]
    if isinstance(value, str):
        text = _HEX.sub(_SHORT, value) if not value.startswith(_PEM) else f"{_PEM}…"
        return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
    return value


async def written() -> str:
    """The page as it is to be."""
    town, people = peopled()
    with tempfile.TemporaryDirectory() as folder:
        model = PlayedModel(str(Path(folder) / "model.db"), town.ledger)
        try:
            await model.catch_up()
            below = await routes_part(Site(town, people, model))
        finally:
            await model.close()
    above = PAGE.read_text().partition(LINE)[0]
    return f"{above}{LINE}\n{below}"


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(written()))
