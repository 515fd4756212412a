"""The registry: what is added, hung, moved, claimed and consented to."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.readmodel.changes import Changes
from gateway.readmodel.decoded import Call, Event
from gateway.readmodel.tables.feeders import FEEDERS
from gateway.readmodel.tables.registry import (
    AREA_MEMBERS,
    AREAS,
    CLAIMS,
    CONCENTRATORS,
    CONSENTS,
    CUSTOMERS,
    GROUND,
    METERS,
    POINT_CHANGES,
    POINTS,
    PREMISES,
    TENANCIES,
    TRANSFORMERS,
    UTILITIES,
    WALLETS,
)

MODULUS_MWH = 100_000_000_000
"""Where a meter's registers begin anew, if nothing else is said of it."""


def utility_of(name: str) -> str:
    """Ids begin with their organisation."""
    return name.partition(":")[0]


def _ground(out: Changes, _call: Call, event: Event) -> None:
    out.put(GROUND, one=1, **_some(event.payload, "interval_ms", "digits", "founder"))


def _enlisted(out: Changes, call: Call, event: Event) -> None:
    given = call.argument_values()
    zone = msgspec.json.encode(given.get("zone", {"name": event.payload["zone"], "standard_minutes": 0})).decode()
    accounts = _some(given, "tax_account", "levy_account")
    out.put(
        UTILITIES, organisation=event.payload["organisation"], zone=zone, treasury=event.payload["treasury"], **accounts
    )


def _area(out: Changes, _call: Call, event: Event) -> None:
    out.put(AREAS, area=event.payload["area"], operator=event.payload["operator"])


def _admitted(out: Changes, _call: Call, event: Event) -> None:
    out.put(AREA_MEMBERS, area=event.payload["area"], organisation=event.payload["organisation"])


def _concentrator(out: Changes, _call: Call, event: Event) -> None:
    concentrator = event.payload["concentrator"]
    out.put(
        CONCENTRATORS, concentrator=concentrator, operator=utility_of(concentrator), gateway=event.payload["gateway"]
    )


def _transformer(out: Changes, call: Call, event: Event) -> None:
    transformer = event.payload["transformer"]
    given = _some(call.argument_values(), "low_mv", "high_mv", "concentrator")
    out.put(
        TRANSFORMERS,
        transformer=transformer,
        operator=utility_of(transformer),
        rating_va=event.payload["rating_va"],
        **given,
    )


def _feeder(out: Changes, call: Call, event: Event) -> None:
    feeder = event.payload["feeder"]
    given = {"phases": 3, **_some(call.argument_values(), "phases", "limit_w", "reverse_limit_w")}
    place = _some(event.payload, "transformer", "area")
    out.put(FEEDERS, feeder=feeder, operator=utility_of(feeder), **place, **given)


def _premises(out: Changes, _call: Call, event: Event) -> None:
    out.put(PREMISES, premises=event.payload["premises"], utility=utility_of(event.payload["premises"]))


def _customer(out: Changes, call: Call, event: Event) -> None:
    customer = event.payload["customer"]
    out.put(
        CUSTOMERS, customer=customer, utility=utility_of(customer), **_some(call.argument_values(), "document_hash")
    )
    for wallet in event.payload["wallets"]:
        out.put(WALLETS, wallet=wallet, customer=customer, removed=0)


def _point(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    given = call.argument_values()
    values = {
        "phases": 1,
        "prepaid": int(given.get("prepaid", False)),
        **_some(given, "phases", "import_rating_w", "export_rating_w", "tariff"),
    }
    place = _some(told, "kind", "feeder", "premises")
    out.put(POINTS, point=told["point"], utility=utility_of(told["point"]), **place, **values)
    _dated(out, told["point"], told["from_ms"], {"feeder": told["feeder"], "tariff": values.get("tariff", "")})


def _house(out: Changes, call: Call, event: Event) -> None:
    told, given = event.payload, call.argument_values()
    utility = utility_of(told["point"])
    house: dict[str, Any] = next(
        (one for one in given.get("houses", ()) if one["point"] == told["point"]), {"meter": {}}
    )
    out.put(PREMISES, premises=told["premises"], utility=utility, customer=told["customer"])
    out.put(CUSTOMERS, customer=told["customer"], utility=utility)
    if told["wallet"]:
        out.put(WALLETS, wallet=told["wallet"], customer=told["customer"], removed=0)
    out.put(TENANCIES, premises=told["premises"], from_ms=call.time_ms, customer=told["customer"])
    values = {"prepaid": int(given.get("prepaid", False)), "tariff": given.get("tariff", "")}
    out.put(
        POINTS,
        point=told["point"],
        utility=utility,
        kind="connection",
        premises=told["premises"],
        feeder=told["feeder"],
        phases=1,
        meter=told["meter"],
        **_some(given, "import_rating_w", "export_rating_w"),
        **values,
    )
    _dated(out, told["point"], call.time_ms, {"feeder": told["feeder"], "tariff": values["tariff"]})
    _hung(out, told["point"], told["meter"], call.time_ms, {"pan": told["pan"], **house["meter"]})


def _changed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    values: dict[str, Any] = _some(told, "tariff", "feeder")
    if "prepaid" in told:
        values["prepaid"] = int(told["prepaid"])
    given = _some(call.argument_values(), "import_rating_w", "export_rating_w") if "prepaid" in told else {}
    out.put(POINTS, point=told["point"], **values, **given)
    _dated(out, told["point"], told["from_ms"], values)


def _dated(out: Changes, point: str, from_ms: int, values: dict[str, Any]) -> None:
    for what, value in values.items():
        out.put(POINT_CHANGES, point=point, from_ms=from_ms, what=what, value=str(value))


# ---------------------------------------------------------------- meters


def _hung(
    out: Changes, point: str, meter: str, installed_ms: int, device: dict[str, Any], *, predecessor: str = ""
) -> None:
    out.put(
        METERS,
        meter=meter,
        utility=utility_of(point),
        point=point,
        pan=device.get("pan", ""),
        modulus_mwh=device.get("modulus_mwh", MODULUS_MWH),
        gateway_signed=int(device.get("gateway_signed", False)),
        installed_ms=installed_ms,
        import_mwh=device.get("import_mwh", 0),
        export_mwh=device.get("export_mwh", 0),
        predecessor=predecessor,
    )
    out.put(POINTS, point=point, meter=meter)


def _installed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    hanging = call.result_values()
    device = {"pan": told["pan"], **(hanging if hanging.get("id") == told["meter"] else {})}
    _hung(out, told["point"], told["meter"], told["installed_ms"], device, predecessor=device.get("predecessor", ""))


def _removed(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    final = _some(call.argument_values(), "final_import_mwh", "final_export_mwh")
    out.put(METERS, meter=told["meter"], removed_ms=told["removed_ms"], **final)
    out.put(POINTS, point=told["point"], meter="")


def _replaced(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    final = _some(call.argument_values(), "final_import_mwh", "final_export_mwh")
    out.put(METERS, meter=told["old"], removed_ms=told["replaced_ms"], **final)
    _hung(
        out, told["point"], told["new"], told["replaced_ms"], call.argument_values()["meter"], predecessor=told["old"]
    )


def _customer_key(out: Changes, _call: Call, event: Event) -> None:
    out.put(METERS, meter=event.payload["meter"], customer_key=event.payload["key"])


# ---------------------------------------------------------------- people


def _moved_in(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(PREMISES, premises=told["premises"], customer=told["customer"])
    out.put(TENANCIES, premises=told["premises"], from_ms=told["at_ms"], customer=told["customer"])


def _moved_out(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    out.put(PREMISES, premises=told["premises"], customer="")
    out.put(TENANCIES, premises=told["premises"], from_ms=told["at_ms"], customer="")


def _claimed(out: Changes, call: Call, event: Event) -> None:
    key = {"premises": event.payload["premises"], "wallet": event.payload["wallet"]}
    out.put(CLAIMS, **key, status="open", claimed_ms=call.time_ms)


def _claim_decided(out: Changes, _call: Call, event: Event) -> None:
    told = event.payload
    approved = event.name == "ClaimApproved"
    key = {"premises": told["premises"], "wallet": told["wallet"]}
    out.put(CLAIMS, **key, status="approved" if approved else "refused", customer=told.get("customer", ""))
    if approved:
        out.put(WALLETS, wallet=told["wallet"], customer=told["customer"], removed=0)


def _wallet(out: Changes, _call: Call, event: Event) -> None:
    removed = int(event.name == "WalletRemoved")
    out.put(WALLETS, wallet=event.payload["wallet"], customer=event.payload["customer"], removed=removed)


def _consent(out: Changes, call: Call, event: Event) -> None:
    told = event.payload
    scopes = ",".join(told["scopes"])
    key = {"point": told["point"], "reader": told["reader"]}
    out.put(CONSENTS, **key, scopes=scopes, until_ms=told["until_ms"], given_by=call.signer, withdrawn=0)


def _consent_withdrawn(out: Changes, _call: Call, event: Event) -> None:
    out.put(CONSENTS, point=event.payload["point"], reader=event.payload["reader"], withdrawn=1)


def _some(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Those of the names that have a value."""
    return {name: values[name] for name in names if values.get(name) is not None}


EVENTS = {
    "registry.GroundEstablished": _ground,
    "registry.UtilityEnlisted": _enlisted,
    "registry.AreaAdded": _area,
    "registry.OrganisationAdmitted": _admitted,
    "registry.ConcentratorAdded": _concentrator,
    "registry.TransformerAdded": _transformer,
    "registry.FeederAdded": _feeder,
    "registry.PremisesAdded": _premises,
    "registry.CustomerAdded": _customer,
    "registry.PointAdded": _point,
    "registry.HouseAdded": _house,
    "registry.PointChanged": _changed,
    "registry.MeterInstalled": _installed,
    "registry.MeterRemoved": _removed,
    "registry.MeterReplaced": _replaced,
    "registry.CustomerKeyChanged": _customer_key,
    "registry.MovedIn": _moved_in,
    "registry.MovedOut": _moved_out,
    "registry.ClaimMade": _claimed,
    "registry.ClaimApproved": _claim_decided,
    "registry.ClaimRefused": _claim_decided,
    "registry.WalletAdded": _wallet,
    "registry.WalletRemoved": _wallet,
    "registry.ConsentGiven": _consent,
    "registry.ConsentWithdrawn": _consent_withdrawn,
}
