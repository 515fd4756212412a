"""Who is known to the ledger, and by which keys."""

from __future__ import annotations

import pytest

from ledgernode.errors import (
    BadArguments,
    BadCertificate,
    BadSignature,
    BadValue,
    ContractRefused,
    ExpiredSigner,
    GovernanceRefused,
    IdentityExists,
    RevokedSigner,
    RoleRefused,
    SuspendedSigner,
    UnknownIdentity,
    UnknownOrganisation,
    UnknownSigner,
)
from ledgernode.identity.keys import PrivateKey
from ledgernode.identity.records import Role, rotation_message
from ledgernode.wire.parameters import Parameters
from ledgernode.wire.types import IdentityId
from tests.execution.system.ledger import DAY_MS, House, Ledger, Person, admin, house

OVERLAP_MS = Parameters().rotation_overlap_ms


def registered(ledger: Ledger, role: Role = Role.CUSTOMER, organisation: str = "alpha") -> Person:
    person = house(organisation).person(role)
    assert ledger.call(admin(organisation), "identity", "register", certificate=person.certificate) == person.id
    return person


def renewed(ledger: Ledger, person: Person, *, role: Role = Role.CUSTOMER) -> Person:
    """A new key for this identity, certified by its organisation."""
    fresh = house(person.organisation).person(role, at_ms=ledger.time_ms, attributes={"tariff": "night"})
    return fresh._replace(id=person.id)


def proof_of(person: Person, key: PrivateKey) -> str:
    return key.sign(rotation_message(IdentityId(bytes.fromhex(person.id)), key.public_key)).hex()


def rotate(ledger: Ledger, person: Person, *, role: Role = Role.CUSTOMER) -> Person:
    fresh = renewed(ledger, person, role=role)
    ledger.call(person, "identity", "rotate", certificate=fresh.certificate, proof=proof_of(person, fresh.key))
    return fresh


def acts(ledger: Ledger, person: Person) -> None:
    """The person's signature is accepted: what is refused is the step, by its role."""
    with pytest.raises(RoleRefused):
        ledger.call(person, "identity", "register", certificate="")


# ---------------------------------------------------------------- registration


def test_an_admin_registers_members_of_its_organisation() -> None:
    """The id is the hash of the first key; the record carries what the certificate says."""
    ledger = Ledger()
    person = house("alpha").person(Role.METER, attributes={"serial": "M-1"})
    assert ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate) == person.id
    record = ledger.ask("identity", "describe", identity=person.id)
    assert (record["organisation"], record["role"], record["attributes"]) == ("alpha", "meter", {"serial": "M-1"})
    assert record["status"] == "active"
    assert record["keys"][0]["public_key"] == person.key.public_key.hex()
    assert ledger.ask("identity", "by_key", public_key=person.key.public_key.hex()) == record


def test_registration_takes_effect_with_the_next_block() -> None:
    """The new identity can sign from then on, and the event tells everyone."""
    ledger = Ledger()
    person = registered(ledger)
    assert ledger.events["IdentityRegistered"] == {"identity": person.id, "organisation": "alpha", "role": "customer"}
    acts(ledger, person)


def test_many_are_registered_all_or_none() -> None:
    """One that does not hold refuses them all."""
    ledger = Ledger()
    people = [house("alpha").person(Role.METER) for _ in range(3)]
    chains = [person.certificate for person in people]
    with pytest.raises(BadCertificate):
        ledger.call(
            admin("alpha"), "identity", "register_many", certificates=[*chains, house("beta").admin.certificate]
        )
    with pytest.raises(UnknownIdentity):
        ledger.ask("identity", "describe", identity=people[0].id)
    assert ledger.call(admin("alpha"), "identity", "register_many", certificates=chains) == [p.id for p in people]


@pytest.mark.parametrize("count", [0, 257])
def test_how_many_are_registered_at_once_is_bounded(count: int) -> None:
    """Refused before any certificate is looked at."""
    with pytest.raises(BadArguments, match="256"):
        Ledger().call(admin("alpha"), "identity", "register_many", certificates=["x"] * count)


def test_a_certificate_of_another_organisation_is_refused() -> None:
    """An admin speaks for its own organisation only."""
    with pytest.raises(BadCertificate):
        Ledger().call(admin("alpha"), "identity", "register", certificate=house("beta").person(Role.METER).certificate)


def test_a_forged_certificate_is_refused() -> None:
    """The right names under an authority that the ledger does not know."""
    forger = House("alpha")
    with pytest.raises(BadCertificate):
        Ledger().call(admin("alpha"), "identity", "register", certificate=forger.person(Role.METER).certificate)


def test_an_ended_certificate_is_refused_by_block_time() -> None:
    """Block time decides, on every node alike."""
    ledger = Ledger()
    person = house("alpha").person(Role.METER, days=1)
    ledger.block(after_ms=2 * DAY_MS)
    with pytest.raises(BadCertificate):
        ledger.call(admin("alpha"), "identity", "register", certificate=person.certificate)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_admins_change_others(role: Role) -> None:
    """No other role does, whatever it is certified by (a regulator may suspend, see below)."""
    ledger = Ledger()
    person, other = registered(ledger, role), registered(ledger)
    chain = house("alpha").person(Role.METER).certificate
    steps: dict[str, dict[str, object]] = {
        "register": {"certificate": chain},
        "register_many": {"certificates": [chain]},
        "rekey": {"identity": other.id, "certificate": chain, "reason": "because"},
        "resume": {"identity": other.id, "reason": "because"},
        "revoke": {"identity": other.id, "reason": "because"},
    }
    if role is not Role.REGULATOR:
        steps["suspend"] = {"identity": other.id, "reason": "because"}
    for step, arguments in steps.items():
        with pytest.raises(RoleRefused, match="takes the role admin"):
            ledger.call(person, "identity", step, **arguments)


def test_a_key_is_registered_once_for_ever() -> None:
    """Not by its owner, not after it was rotated away, not after a revocation."""
    ledger = Ledger()
    person = registered(ledger)
    fresh = rotate(ledger, person)
    ledger.call(admin("alpha"), "identity", "revoke", identity=person.id, reason="moved away")
    for chain in (person.certificate, fresh.certificate):
        with pytest.raises(IdentityExists):
            ledger.call(admin("alpha"), "identity", "register", certificate=chain)


# ---------------------------------------------------------------- suspension and revocation


def test_a_suspended_identity_is_refused_until_it_is_resumed() -> None:
    """From the next block on, and not for ever."""
    ledger = Ledger()
    person = registered(ledger)
    ledger.call(admin("alpha"), "identity", "suspend", identity=person.id, reason="phone lost")
    assert ledger.events["IdentitySuspended"] == {
        "identity": person.id,
        "by": admin("alpha").id,
        "reason": "phone lost",
    }
    with pytest.raises(SuspendedSigner):
        ledger.call(person, "identity", "register", certificate="")
    ledger.call(admin("alpha"), "identity", "resume", identity=person.id, reason="phone found")
    assert "IdentityResumed" in ledger.events
    acts(ledger, person)


def test_a_revoked_identity_is_refused_for_ever() -> None:
    """Nothing brings it back."""
    ledger = Ledger()
    person = registered(ledger)
    ledger.call(admin("alpha"), "identity", "revoke", identity=person.id, reason="stolen")
    assert ledger.events["IdentityRevoked"]["reason"] == "stolen"
    with pytest.raises(RevokedSigner):
        ledger.call(person, "identity", "register", certificate="")
    for step in ("resume", "suspend", "revoke"):
        with pytest.raises(ContractRefused, match=r"identity\.WRONG_STATUS"):
            ledger.call(admin("alpha"), "identity", step, identity=person.id, reason="again")
    with pytest.raises(ContractRefused, match=r"identity\.WRONG_STATUS"):
        ledger.call(
            admin("alpha"),
            "identity",
            "rekey",
            identity=person.id,
            certificate=renewed(ledger, person).certificate,
            reason="again",
        )


@pytest.mark.parametrize("step", ["suspend", "revoke", "resume"])
def test_an_admin_of_another_organisation_has_no_say(step: str) -> None:
    """Roles are written by each organisation itself, so none reaches further."""
    ledger = Ledger()
    person = registered(ledger)
    with pytest.raises(RoleRefused, match="alpha to decide"):
        ledger.call(admin("beta"), "identity", step, identity=person.id, reason="rivalry")


@pytest.mark.parametrize("step", ["suspend", "revoke"])
def test_the_last_active_admin_stays(step: str) -> None:
    """An organisation without an admin could never act again."""
    ledger = Ledger()
    with pytest.raises(GovernanceRefused, match="last active admin of alpha"):
        ledger.call(admin("alpha"), "identity", step, identity=admin("alpha").id, reason="resigned")
    second = registered(ledger, Role.ADMIN)
    ledger.call(admin("alpha"), "identity", step, identity=admin("alpha").id, reason="resigned")
    with pytest.raises(GovernanceRefused):
        ledger.call(second, "identity", step, identity=second.id, reason="resigned too")


def test_an_admin_whose_certificate_has_ended_is_no_admin_left() -> None:
    """It could not sign, so it does not count."""
    ledger = Ledger()
    short = house("alpha").person(Role.ADMIN, days=1)
    ledger.call(admin("alpha"), "identity", "register", certificate=short.certificate)
    ledger.block(after_ms=2 * DAY_MS)
    with pytest.raises(GovernanceRefused):
        ledger.call(admin("alpha"), "identity", "revoke", identity=admin("alpha").id, reason="resigned")
    assert ledger.ask("identity", "admins", organisation="alpha") == [admin("alpha").id]


def test_a_regulator_suspends_in_its_own_organisation_and_no_more() -> None:
    """Neither admins nor validators, nobody elsewhere, and it cannot undo or revoke."""
    ledger = Ledger()
    regulator, person = registered(ledger, Role.REGULATOR), registered(ledger)
    foreign = registered(ledger, organisation="beta")
    second = registered(ledger, Role.ADMIN)
    for other in (foreign, second, house("alpha").validator):
        with pytest.raises(RoleRefused):
            ledger.call(regulator, "identity", "suspend", identity=other.id, reason="inquiry")
    ledger.call(regulator, "identity", "suspend", identity=person.id, reason="inquiry")
    for step in ("resume", "revoke"):
        with pytest.raises(RoleRefused):
            ledger.call(regulator, "identity", step, identity=person.id, reason="inquiry")


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_a_reason_is_given_and_bounded(reason: str) -> None:
    """Everyone reads it in the event."""
    ledger = Ledger()
    person = registered(ledger)
    with pytest.raises(BadArguments):
        ledger.call(admin("alpha"), "identity", "suspend", identity=person.id, reason=reason)
    chain = renewed(ledger, person).certificate
    with pytest.raises(BadArguments, match="a reason"):
        ledger.call(admin("alpha"), "identity", "rekey", identity=person.id, certificate=chain, reason=reason)


def test_a_seated_validator_cannot_be_revoked() -> None:
    """Only governance takes it out of the quorum."""
    with pytest.raises(GovernanceRefused, match="remove_validator"):
        Ledger().call(admin("alpha"), "identity", "revoke", identity=house("alpha").validator.id, reason="sold")


def test_a_validator_without_a_seat_can_be_revoked() -> None:
    """Its role alone protects nobody."""
    ledger = Ledger()
    spare = registered(ledger, Role.VALIDATOR)
    ledger.call(admin("alpha"), "identity", "revoke", identity=spare.id, reason="sold")
    assert ledger.ask("identity", "describe", identity=spare.id)["status"] == "revoked"


# ---------------------------------------------------------------- keys


def test_after_a_rotation_both_keys_speak_until_the_overlap_ends() -> None:
    """The new one at once, the old one for a while; the identity stays the same."""
    ledger = Ledger()
    person = registered(ledger)
    fresh = rotate(ledger, person)
    until = ledger.time_ms + OVERLAP_MS
    assert ledger.events["KeyRotated"] == {
        "identity": person.id,
        "public_key": fresh.key.public_key.hex(),
        "overlap_until_ms": until,
    }
    assert ledger.ask("identity", "describe", identity=person.id)["attributes"] == {"tariff": "night"}
    acts(ledger, fresh)
    acts(ledger, person)
    ledger.block(after_ms=OVERLAP_MS)
    with pytest.raises(ExpiredSigner, match="rotated away"):
        ledger.call(person, "identity", "register", certificate="")
    acts(ledger, fresh)


def test_a_key_whose_certificate_has_ended_does_nothing_but_hand_over() -> None:
    """Who was away for too long comes back by a new certificate of its organisation; the old key speaks no more."""
    ledger = Ledger()
    person = registered(ledger)
    ledger.block(after_ms=400 * DAY_MS)
    for function, given in (("register", {"certificate": ""}), ("describe", {"identity": person.id})):
        with pytest.raises(ExpiredSigner, match="has ended"):
            ledger.call(person, "identity", function, **given)
    with pytest.raises(ExpiredSigner, match="has ended"):
        ledger.call(person, "governance", "rotate")
    fresh = rotate(ledger, person)
    acts(ledger, fresh)
    with pytest.raises(ExpiredSigner, match="has ended"):
        ledger.call(person, "identity", "register", certificate="")
    with pytest.raises(ExpiredSigner):
        rotate(ledger, person)


def test_an_ended_key_hands_over_to_nothing_that_does_not_hold() -> None:
    """Not without the organisation's certificate, not for another role, not once it is suspended."""
    ledger = Ledger()
    person = registered(ledger)
    ended = renewed(ledger, person)
    ledger.block(after_ms=400 * DAY_MS)
    with pytest.raises(BadCertificate):
        ledger.call(person, "identity", "rotate", certificate=ended.certificate, proof=proof_of(person, ended.key))
    with pytest.raises(BadCertificate):
        rotate(ledger, person, role=Role.OPERATOR)
    admin_now = rotate(ledger, admin("alpha"), role=Role.ADMIN)
    ledger.call(admin_now, "identity", "suspend", identity=person.id, reason="lost")
    with pytest.raises(SuspendedSigner):
        rotate(ledger, person)


def test_a_second_rotation_ends_the_first_overlap() -> None:
    """At most one old key speaks beside the current one."""
    ledger = Ledger()
    person = registered(ledger)
    second = rotate(ledger, person)
    third = rotate(ledger, second)
    acts(ledger, third)
    acts(ledger, second)
    with pytest.raises(UnknownSigner):
        ledger.call(person, "identity", "register", certificate="")


def test_a_rotation_needs_the_new_keys_signature() -> None:
    """Over this identity's message: not another's, not none, not the old key's."""
    ledger = Ledger()
    person, other = registered(ledger), registered(ledger)
    fresh = renewed(ledger, person)
    for proof in (proof_of(other, fresh.key), proof_of(person, person.key), ""):
        with pytest.raises(BadSignature):
            ledger.call(person, "identity", "rotate", certificate=fresh.certificate, proof=proof)
    with pytest.raises(BadArguments, match="hexadecimal"):
        ledger.call(person, "identity", "rotate", certificate=fresh.certificate, proof="signed, me")
    acts(ledger, person)


def test_a_rotation_keeps_organisation_and_role() -> None:
    """A new key makes nobody an admin."""
    ledger = Ledger()
    person = registered(ledger)
    for fresh, refusal in (
        (house("alpha").person(Role.ADMIN), BadCertificate),
        (house("beta").person(Role.CUSTOMER), BadCertificate),
    ):
        with pytest.raises(refusal):
            ledger.call(person, "identity", "rotate", certificate=fresh.certificate, proof=proof_of(person, fresh.key))


def test_a_key_of_someone_else_cannot_be_rotated_to() -> None:
    """Not even with its holder's help."""
    ledger = Ledger()
    person, other = registered(ledger), registered(ledger)
    with pytest.raises(IdentityExists):
        ledger.call(person, "identity", "rotate", certificate=other.certificate, proof=proof_of(person, other.key))


def test_an_admin_replaces_a_lost_key_and_the_old_one_dies_at_once() -> None:
    """Logged for all to see, with who did it and why."""
    ledger = Ledger()
    person = registered(ledger)
    fresh = renewed(ledger, person)
    ledger.call(
        admin("alpha"), "identity", "rekey", identity=person.id, certificate=fresh.certificate, reason="phone lost"
    )
    assert ledger.events["KeyReplaced"] == {
        "identity": person.id,
        "public_key": fresh.key.public_key.hex(),
        "by": admin("alpha").id,
        "reason": "phone lost",
    }
    acts(ledger, fresh)
    with pytest.raises(UnknownSigner):
        ledger.call(person, "identity", "register", certificate="")


def test_only_an_admin_of_the_organisation_replaces_a_key() -> None:
    """Or anyone could take an identity over."""
    ledger = Ledger()
    person, other = registered(ledger), registered(ledger)
    for thief in (other, admin("beta")):
        with pytest.raises(RoleRefused):
            ledger.call(
                thief,
                "identity",
                "rekey",
                identity=person.id,
                certificate=renewed(ledger, person).certificate,
                reason="mine now",
            )


def test_a_validators_new_key_signs_from_the_next_epoch() -> None:
    """The set with the new key follows after the window; the identity and its seat stay."""
    ledger = Ledger()
    validator = house("beta").validator
    fresh = rotate(ledger, validator, role=Role.VALIDATOR)
    decided = ledger.height
    before = ledger.ask("governance", "validators")
    assert before["last_height"] == decided + 3
    assert fresh.key.public_key.hex() not in {member["public_key"] for member in before["members"]}
    ledger.blocks(4)
    after = ledger.ask("governance", "validators")
    assert (after["epoch"], after["last_height"], ledger.epoch) == (1, 0, 1)
    assert {m["identity"]: m["public_key"] for m in after["members"]}[validator.id] == fresh.key.public_key.hex()
    assert len(after["members"]) == 4


def test_a_validator_cannot_rotate_while_a_set_change_is_pending() -> None:
    """One change of the set at a time, and nothing of the refused rotation remains."""
    ledger = Ledger()
    rotate(ledger, house("beta").validator, role=Role.VALIDATOR)
    with pytest.raises(GovernanceRefused, match="pending"):
        rotate(ledger, house("alpha").validator, role=Role.VALIDATOR)
    assert len(ledger.ask("identity", "describe", identity=house("alpha").validator.id)["keys"]) == 1


# ---------------------------------------------------------------- what is not for everyone


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("admit", {"organisation": "alpha", "certificate": "x"}),
        ("admit_organisation", {"name": "omega", "roots": [], "admins": []}),
        ("set_organisation", {"name": "beta", "status": "suspended", "roots": []}),
    ],
)
def test_what_governance_decides_cannot_be_sent_by_an_admin(function: str, arguments: dict[str, object]) -> None:
    """These functions are for the contract governance alone."""
    with pytest.raises(RoleRefused, match="only the contract governance"):
        Ledger().call(admin("alpha"), "identity", function, **arguments)


# ---------------------------------------------------------------- queries


def test_identities_are_listed_by_organisation_in_pages() -> None:
    """Each once, and none of another organisation."""
    ledger = Ledger()
    people = {registered(ledger, Role.METER).id for _ in range(5)} | {admin("alpha").id, house("alpha").validator.id}
    found, bookmark = [], ""
    for _ in range(4):
        page = ledger.ask("identity", "list", organisation="alpha", size=2, bookmark=bookmark)
        found += [record["id"] for record in page["items"]]
        bookmark = page["bookmark"]
    assert bookmark == ""
    assert len(found) == len(set(found)) == 7
    assert set(found) == people
    with pytest.raises(BadValue):
        ledger.ask("identity", "list", organisation="alpha", size=0)


def test_asking_for_what_is_not_there_is_refused() -> None:
    """With the leaf that says what was missing."""
    ledger = Ledger()
    with pytest.raises(UnknownIdentity):
        ledger.ask("identity", "describe", identity="00" * 32)
    with pytest.raises(UnknownIdentity):
        ledger.ask("identity", "by_key", public_key="04")
    with pytest.raises(UnknownOrganisation):
        ledger.ask("identity", "organisation", name="omega")
    assert ledger.ask("identity", "organisation", name="alpha")["status"] == "active"
