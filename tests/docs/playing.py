"""A document followed to the letter: its commands run, in their order, in an empty folder of a machine of its own.

That machine is this one in namespaces: an own network (so that ports are free, and two documents never meet), own
processes (which end with it), an own /etc/hosts (so that `gateway.example` is this machine). A command that serves
(`ledgernode node run …`) returns when it has said so: its reader opens another terminal. At the end all of them are
told to stop, and must do so with 0.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.chaincode.test_guide import edited
from tests.docs.reading import ROOT, Block, blocks, named

SERVING: Final = {
    "node run": "serving",
    "network run": "serving",
    "gateway run": "serving",
    "readmodel run": "following",
    "vending run": "serving",
    "vending module": "holding",
    "meter run": "{",
    "house run": "http",
    "house bus": "listening",
    "house tie": "listening",
}
"""Commands that go on, and what each has said when it serves."""
WAITS_S: Final = 240
_NAMESPACES: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

_PROGRAM: Final = """#!/bin/bash
# ledgernode, as its reader has it installed; what serves goes on, as in another terminal
words=
case "$1 $2" in
{cases}
esac
case " $* " in *" --help "*) words= ;; esac
[ -n "$words" ] || exec {ledgernode} "$@"
PYTHONUNBUFFERED=1 exec serve "$words" {ledgernode} "$@"
"""
_SERVE: Final = """#!/bin/bash
# serve WORDS COMMAND...: in the background, and back when it has said these words
words=$1; shift
name=$SERVED/$(ls "$SERVED" | wc -l)
{{
    "$@" < <(exec tail -f /dev/null) > "$name.log" 2>&1 &
    echo $! > "$name.pid"
    code=0; wait $! || code=$?
    echo "$code" > "$name.code"
}} > /dev/null 2>&1 &
ends=$((SECONDS + {waits}))
until grep -qF -- "$words" "$name.log" 2> /dev/null; do
    if [ -e "$name.code" ] || [ $SECONDS -ge $ends ]; then
        echo "did not serve: $*"; cat "$name.log"; exit 1
    fi
    sleep 0.1
done
"""
_MOSQUITTO: Final = """#!/bin/bash
# as root it becomes another user, who may not look into a test's folder
{{ cat "$2"; echo "user root"; }} > "$WORLD/mosquitto.conf"
exec serve running {mosquitto} -c "$WORLD/mosquitto.conf"
"""
_DRIVER: Final = """
set -eu
ip link set lo up
mount --bind "$WORLD/hosts" /etc/hosts
exec 3>&1
fill() {{ printf '%s\\n%s\\n' "$1" "$2" >> "$WORLD/fills"; }}
stop() {{
    for process in $(cat "$SERVED"/*.pid 2> /dev/null); do kill -TERM "$process" 2> /dev/null || true; done
    for code in "$SERVED"/*.log; do
        [ -e "$code" ] || continue
        name=${{code%.log}}
        for _ in $(seq 1200); do [ -e "$name.code" ] && break; sleep 0.1; done
        [ "$(cat "$name.code")" = 0 ] && continue
        echo "did not stop well ($(cat "$name.code")):" >&3
        cat "$code" >&3
        exit 1
    done
    rm -f "$SERVED"/*
}}
"""
_BLOCK: Final = """
printf '%s\\n' {line} > "$WORLD/at"
{python} "$WORLD/filled.py" {script} > "$WORLD/run.sh"
. "$WORLD/run.sh" > {out} 2>&1
"""
_FILLED: Final = '''"""The block with what its reader replaces."""
import sys
from pathlib import Path

text = Path(sys.argv[1]).read_text()
fills = Path(sys.argv[0]).with_name("fills")
lines = fills.read_text().splitlines() if fills.exists() else []
for name, value in dict(zip(lines[::2], lines[1::2])).items():
    text = text.replace(name, value)
sys.stdout.write(text)
'''


def missing() -> str:
    """Why a document cannot have a machine of its own here; '' where it can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "unshare and ip are not installed: tests/system.sh"
    tried = subprocess.run([*_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip()


def follow(document: Path, folder: Path, *, limit_s: float) -> None:
    """Raises AssertionError with the block that does not do what the document says."""
    world, here, programs = folder / "world", folder / "here", folder / "bin"
    for made in (world / "served", here, programs):
        made.mkdir(parents=True)
    _install(programs, world, document.read_text(encoding="utf-8"))
    script = world / "driver.sh"
    script.write_text(_driver(document, world))
    environment = {
        **os.environ,
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ROOT": str(ROOT),
        "WORLD": str(world),
        "SERVED": str(world / "served"),
        "COLUMNS": "120",
    }
    for name in [name for name in environment if name.startswith("LEDGERNODE_")]:
        del environment[name]
    command = [*_NAMESPACES, "bash", str(script)]
    try:
        ended = subprocess.run(
            command, cwd=here, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=limit_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{_where(document, world)}\nit went on for {limit_s} s") from late
    assert ended.returncode == 0, f"{_where(document, world)}\n{ended.stdout}{ended.stderr}{_served(world)}"
    for block in _run(document):
        if block.shows is not None:
            assert (world / f"{block.line}.out").read_text() == block.shows, f"{named(document)}:{block.line}"


def _run(document: Path) -> list[Block]:
    return [block for block in blocks(document) if block.what == "sh" and not block.not_run]


def _install(programs: Path, world: Path, text: str) -> None:
    cases = "\n".join(f'    "{words}") words={shlex.quote(said)} ;;' for words, said in SERVING.items())
    python = shlex.quote(sys.executable)
    written = {
        "ledgernode": _PROGRAM.format(
            cases=cases, ledgernode=shlex.quote(str(Path(sys.executable).with_name("ledgernode")))
        ),
        "serve": _SERVE.format(waits=WAITS_S),
        "python": f'#!/bin/sh\nexec {python} "$@"\n',
        "pytest": f'#!/bin/sh\nexec {python} -m pytest -p no:cacheprovider --rootdir . "$@"\n',
    }
    if (mosquitto := shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")) is not None:
        written["mosquitto"] = _MOSQUITTO.format(mosquitto=mosquitto)
    for name, program in written.items():
        (programs / name).write_text(program)
        (programs / name).chmod(0o755)
    hosts = sorted({"localhost", *re.findall(r"\b(?:[a-z0-9-]+\.)+example\b", text)})
    (world / "hosts").write_text(f"127.0.0.1 {' '.join(hosts)}\n")
    (world / "filled.py").write_text(_FILLED)


def _driver(document: Path, world: Path) -> str:
    parts = [_DRIVER.format()]
    changed: dict[str, str] = {}
    for block in blocks(document):
        script = world / f"{block.line}.sh"
        if block.what == "sh" and not block.not_run:
            script.write_text(block.text)
            parts += ["\nstop\n"] if block.stop else []
            out = world / f"{block.line}.out"
            python = shlex.quote(sys.executable)
            parts.append(_BLOCK.format(line=block.line, script=script, out=out, python=python))
        elif block.what in {"file", "edit"}:
            made = block.text if block.what == "file" else edited(changed[block.name], block.text)
            changed[block.name] = made
            script.write_text(made)
            parts.append(f"\ncp {script} {shlex.quote(block.name)}\n")
    parts.append("\nprintf 'the end, where all is stopped\\n' > \"$WORLD/at\"\nstop\n")
    return "".join(parts)


def _where(document: Path, world: Path) -> str:
    at = world / "at"
    line = at.read_text().strip() if at.exists() else "before the first block"
    out = world / f"{line}.out"
    said = out.read_text() if out.exists() else ""
    run = world / f"{line}.sh"
    return f"{named(document)}:{line}\n{run.read_text() if run.exists() else ''}--- said:\n{said[-3_000:]}"


def _served(world: Path) -> str:
    found = sorted((world / "served").glob("*.log"))
    return "".join(f"\n--- {log.name}:\n{log.read_text()[-1_500:]}" for log in found)
