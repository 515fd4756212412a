"""Network policies, evaluated as the API says what they mean: may a pod open a connection to another?

A pod that no policy of a direction selects may do all in that direction. One that some select may do what any of them
allows. A connection wants both: the egress of who opens it, and the ingress of who is reached.
(kubernetes.io, Network Policies: "The two sorts of pod isolation", "Behavior of to and from selectors".)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.deploy.rendered import Document

NAME = "kubernetes.io/metadata.name"
"""A label that every namespace has by itself."""


class Pod(NamedTuple):
    """Or somebody elsewhere: an address without labels, in no namespace."""

    namespace: str
    labels: Mapping[str, str]
    of_namespace: Mapping[str, str]
    ports: Mapping[str, int] = {}
    address: str = ""


def may_reach(policies: Sequence[Document], opening: Pod, reached: Pod, port: int, *, protocol: str = "TCP") -> bool:
    """Policies of all namespaces that either of them may be in."""
    return _allows(policies, "Egress", opening, reached, port, protocol) and _allows(
        policies, "Ingress", reached, opening, port, protocol
    )


def _allows(policies: Sequence[Document], way: str, pod: Pod, other: Pod, port: int, protocol: str) -> bool:
    met = [one for one in policies if way in one["spec"]["policyTypes"] and _selects(one, pod)]
    if not met:
        return True
    peers, reached = ("to", other) if way == "Egress" else ("from", pod)
    return any(
        _names_port(rule.get("ports"), reached, port, protocol) and _names_peer(rule.get(peers), one, other)
        for one in met for rule in one["spec"].get(way.lower(), ())
    )  # fmt: skip


def _selects(policy: Document, pod: Pod) -> bool:
    return policy["metadata"]["namespace"] == pod.namespace and matches(policy["spec"]["podSelector"], pod.labels)


def _names_port(ports: Sequence[Document] | None, reached: Pod, port: int, protocol: str) -> bool:
    """No list names every port; a name is that of the pod that is reached."""
    return not ports or any(
        one.get("protocol", "TCP") == protocol
        and port == (reached.ports.get(one["port"]) if isinstance(one["port"], str) else one["port"])
        for one in ports
    )


def _names_peer(peers: Sequence[Document] | None, policy: Document, other: Pod) -> bool:
    """No list names everybody, those outside of the cluster too."""
    return not peers or any(_is_peer(one, policy, other) for one in peers)


def _is_peer(peer: Document, policy: Document, other: Pod) -> bool:
    if "ipBlock" in peer:
        within, *outside = (
            ipaddress.ip_network(one) for one in (peer["ipBlock"]["cidr"], *peer["ipBlock"].get("except", ()))
        )
        address = other.address and ipaddress.ip_address(other.address)
        return bool(address) and address in within and not any(address in one for one in outside)
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {**other.of_namespace, NAME: other.namespace}):
            return False
    elif other.namespace != policy["metadata"]["namespace"]:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """An empty selector takes all."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions", ()))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", ())
    holds: dict[str, bool] = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return holds[expression["operator"]]
