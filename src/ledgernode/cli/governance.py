"""What the organisations decide together: proposals, votes, and what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ledgernode.cli.ask import Speaker
from ledgernode.cli.connection import Connection, network_options
from ledgernode.cli.output import arguments, as_text, decoded, done, facts, json_option, moment, short, show, table
from ledgernode.cli.proposed import in_words

_CONTRACT = "governance"
_KINDS = """parameters, policy, execution, add_organisation, suspend_organisation, resume_organisation,
    remove_organisation, add_root, retire_root, add_admin, add_validator, remove_validator, change_endpoint"""


@click.group()
def governance() -> None:
    """Propose, approve and look at what the organisations decide together."""


@governance.command(
    help=f"""Propose a change and approve it for your organisation. CHANGE is a JSON object, `@FILE`, or `-`.

    KIND is one of {_KINDS}; docs/governance.md says what each carries.

    \b
    ledgernode governance propose parameters '{{"block_transactions": 4000}}'
    ledgernode governance propose policy '{{"policy": "2 of 3"}}' --as north/admin
    """
)
@click.argument("kind")
@click.argument("change")
@network_options
@json_option
def propose(kind: str, change: str, at: Connection, as_json: bool) -> None:
    _propose(kind, arguments(change), at, as_json)


@governance.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--policy", help="The policy from then on (default: as it is).")
@network_options
@json_option
def admit(bundle: Path, policy: str | None, at: Connection, as_json: bool) -> None:
    """Propose to let an organisation in, by the public bundle that it hands you (`org bundle`): its roots, its admins.

    \b
    ledgernode governance admit epsilon-bundle.json --as alpha/admin
    """
    from ledgernode.identity.organisation import read_bundle

    found = read_bundle(bundle)
    change = {
        "name": found.name,
        "roots": list(found.roots),
        "admins": [admin.certificate for admin in found.admins],
        **({"policy": policy} if policy else {}),
    }
    _propose("add_organisation", change, at, as_json)


@governance.command()
@click.argument("proposal", metavar="ID")
@network_options
@json_option
def approve(proposal: str, at: Connection, as_json: bool) -> None:
    """Vote for a proposal as your organisation; the vote that completes the policy enacts it.

    \b
    ledgernode governance approve 5f1c0a77e2d94b10 --as south/admin
    """
    _vote("approve", proposal, at, as_json)


@governance.command()
@click.argument("proposal", metavar="ID")
@network_options
@json_option
def reject(proposal: str, at: Connection, as_json: bool) -> None:
    """Vote against a proposal as your organisation.

    \b
    ledgernode governance reject 5f1c0a77e2d94b10 --as south/admin
    """
    _vote("reject", proposal, at, as_json)


@governance.command()
@click.argument("proposal", metavar="ID")
@network_options
@json_option
def withdraw(proposal: str, at: Connection, as_json: bool) -> None:
    """Take back a proposal of your own organisation.

    \b
    ledgernode governance withdraw 5f1c0a77e2d94b10
    """
    _vote("withdraw", proposal, at, as_json)


@governance.command("list")
@click.option(
    "--stage",
    type=click.Choice(["all", "open", "enacted", "defeated", "withdrawn", "expired"]),
    default="open",
    show_default=True,
    help="Proposals of this stage.",
)
@network_options
@json_option
def list_proposals(stage: str, at: Connection, as_json: bool) -> None:
    """List proposals, oldest first.

    \b
    ledgernode governance list
    ledgernode governance list --stage all --json
    """
    with Speaker(at) as speaker:
        found = list(speaker.pages(_CONTRACT, "proposals", stage=stage))
    rows = (
        (
            one["id"],
            one["kind"],
            one["organisation"],
            one["stage"],
            ", ".join(one["approvals"]),
            as_text(in_words(one["change"])),
        )
        for one in found
    )
    show({"proposals": found}, as_json, table(("id", "kind", "by", "stage", "approved by", "change"), rows))


@governance.command("show")
@click.argument("proposal", metavar="ID")
@network_options
@json_option
def show_proposal(proposal: str, at: Connection, as_json: bool) -> None:
    """Show one proposal with its votes.

    \b
    ledgernode governance show 5f1c0a77e2d94b10
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "proposal", proposal=proposal)
    show(
        found,
        as_json,
        facts(
            (
                ("proposal", found["id"]),
                ("kind", found["kind"]),
                ("change", as_text(in_words(found["change"]))),
                ("by", f"{found['organisation']} ({short(found['proposer'])})"),
                ("made", f"{moment(found['made_ms'])} UTC, block {found['height']}"),
                ("expires", f"{moment(found['expires_ms'])} UTC"),
                ("stage", found["stage"]),
                ("approved by", ", ".join(found["approvals"]) or "-"),
                ("rejected by", ", ".join(found["rejections"]) or "-"),
            )
        ),
    )


@governance.command()
@network_options
@json_option
def parameters(at: Connection, as_json: bool) -> None:
    """Show the ledger's limits and times, as they are in force.

    \b
    ledgernode governance parameters --json
    """
    with Speaker(at) as speaker:
        found: dict[str, Any] = speaker.ask(_CONTRACT, "parameters")
    show(found, as_json, table(("parameter", "value"), found.items(), numbers=("value",)))


@governance.command()
@network_options
@json_option
def policy(at: Connection, as_json: bool) -> None:
    """Show how many organisations must agree, and which are active.

    \b
    ledgernode governance policy
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "policy")
    show(
        found,
        as_json,
        facts(
            (
                ("policy", found["policy"]),
                ("needed", f"{found['needed']} of {len(found['active'])}"),
                ("active", ", ".join(found["active"])),
            )
        ),
    )


@governance.command()
@network_options
@json_option
def execution(at: Connection, as_json: bool) -> None:
    """Show the version of the rules that blocks are executed by, what is decided about the next, and who is ready.

    \b
    ledgernode governance execution
    ledgernode governance propose execution '{"version": 5, "height": 120000}'
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "execution")
        members = speaker.ask(_CONTRACT, "validators")["members"]
    following = f"{found['next_version']} from block {found['next_height']} on" if found["next_height"] else "undecided"
    show(
        found,
        as_json,
        facts(
            (
                ("version", found["version"]),
                ("next", following),
                ("ready needed", f"{found['needed']} of {len(members)} validators"),
            )
        ),
        "",
        table(
            ("validator of", "identity", "ready for"),
            ((one["organisation"], short(one["identity"]), found["ready"][one["identity"]]) for one in members),
            numbers=("ready for",),
        ),
    )


@governance.command()
@network_options
@json_option
def validators(at: Connection, as_json: bool) -> None:
    """Show the validators of this epoch, and those that follow if a change is pending.

    \b
    ledgernode governance validators
    """
    with Speaker(at) as speaker:
        found = speaker.ask(_CONTRACT, "validators")
    pending = f"from block {found['last_height'] + 1} on:" if found["last_height"] else ""
    show(
        found,
        as_json,
        f"epoch {found['epoch']}",
        _validators_table(found["members"]),
        *((pending, _validators_table(found["next_members"])) if pending else ()),
    )


@governance.command()
@click.argument("certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("endpoint", metavar="HOST:PORT")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0), default=3_600.0, show_default=True, help="Seconds, at most."
)
@network_options
@json_option
def join(certificate: Path, endpoint: str, wait_s: float, at: Connection, as_json: bool) -> None:
    """As a new organisation's admin: wait until the others have let it in, propose the validator of CERTIFICATE that
    serves at HOST:PORT, and wait until it has a seat. Whoever is interrupted starts it again.

    \b
    ledgernode governance join epsilon/node/validator/certificate.pem epsilon.example:7051 \\
        --identity epsilon/admin --genesis genesis.json --endpoint alpha.example:7051
    """
    from ledgernode.cli.seating import take_seat

    found = take_seat(
        at, certificate.read_text(), endpoint, wait_s=wait_s, told=lambda said: click.echo(said, err=True)
    )
    done(f"{endpoint} has a seat: see `governance validators`", as_json, found)


def _propose(kind: str, change: dict[str, Any], at: Connection, as_json: bool) -> None:
    with Speaker(at) as speaker:
        proposal = decoded(speaker.submit(_CONTRACT, "propose", kind=kind, change=change).result)
        document = speaker.ask(_CONTRACT, "proposal", proposal=proposal)
    done(f"proposal {proposal} is {document['stage']}", as_json, document)


def _vote(function: str, proposal: str, at: Connection, as_json: bool) -> None:
    with Speaker(at) as speaker:
        speaker.submit(_CONTRACT, function, proposal=proposal)
        document = speaker.ask(_CONTRACT, "proposal", proposal=proposal)
    done(f"proposal {proposal} is {document['stage']}", as_json, document)


def _validators_table(members: list[dict[str, str]]) -> Any:
    rows = ((member["organisation"], short(member["identity"]), member["endpoint"]) for member in members)
    return table(("organisation", "identity", "endpoint"), rows)
