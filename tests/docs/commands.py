"""docs/cli.md from the commands themselves: each with its help.

python -m tests.docs.commands > docs/cli.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import click

from ledgernode.cli.root import PROGRAM, TREE, main
from tests.docs.reading import ROOT

PAGE: Final = ROOT / "docs" / "cli.md"
WIDTH: Final = 110
_ABOVE: Final = """\
# Commands

Every command of `ledgernode` as its `--help` says it. Every read takes `--json` and prints one document whose fields
are never renamed; [operator.md](operator.md) says what each exit code means, [errors.md](errors.md) what each refusal.
`python -m tests.docs.commands > docs/cli.md` writes this page.
"""


def page() -> str:
    parts = [_ABOVE]
    for section, places in TREE.items():
        parts.append(f"\n## {section}\n")
        for name in places:
            parts.extend(_told(name))
    return "".join(parts)


def _told(name: str) -> Iterator[str]:
    root = click.Context(main, info_name=PROGRAM)
    found = main.get_command(root, name)
    assert found is not None, name
    for context in _all(found, root, name):
        help_text = "\n".join(line.rstrip() for line in context.command.get_help(context).splitlines())
        yield f"\n### {context.command_path}\n\n```text\n{help_text}\n```\n"


def _all(command: click.Command, parent: click.Context, name: str) -> Iterator[click.Context]:
    context = click.Context(
        command, parent=parent, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH,
        **{key: value for key, value in main.context_settings.items() if key == "help_option_names"},
    )  # fmt: skip
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None, below
            yield from _all(found, context, below)


if __name__ == "__main__":
    sys.stdout.write(page())
