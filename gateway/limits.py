"""Every bound of a gateway, named once. What is not here is not bounded by the gateway."""

from __future__ import annotations

import msgspec

DAY_MS = 86_400_000


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway's own; an operator may set any of them in its `gateway.json`."""

    # what is kept for the ledger
    outbox_bytes: int = 16 * 1024**3
    """Of everybody together: ten thousand meters with 500 bytes a minute fill it in two days."""
    device_entries: int = 50_000
    """Of one device: a month of minutes."""
    concentrator_entries: int = 5_000_000
    """Of one that carries other devices' transactions."""
    transaction_bytes: int = 128 * 1024
    refused_kept: int = 10_000
    """Transactions that the ledger refused for good, kept to be looked at."""
    waiting_writes: int = 20_000
    """Handed in and not yet on disk; then callers wait."""

    # how fast a device may send: so many at once, and one more each so many milliseconds
    device_burst: int = 5_000
    device_refill_ms: int = 20
    concentrator_burst: int = 100_000
    concentrator_refill_us: int = 200

    # batches for the ledger
    batch_entries: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    batch_age_ms: int = 50
    run_entries: int = 32
    """Of one device, in its turn."""
    in_flight_entries: int = 4_000
    hold_start_ms: int = 2_000
    """A device that the ledger does not take yet waits so long, then twice, up to the limit."""
    hold_limit_ms: int = 10 * 60_000
    give_up_ms: int = 30 * DAY_MS
    """What the ledger has not taken for so long, by no fault of its nodes, is refused."""
    drain_pause_start_ms: int = 250
    drain_pause_limit_ms: int = 10_000
    stop_ms: int = 5_000
    """A stopping gateway waits so long for answers that are on their way."""
    empty_ms: int = 0
    """Before that it sends what waits for so long: where its disk goes with it. Elsewhere what waits is kept."""

    # streams of devices
    streams: int = 20_000
    hello_ms: int = 5_000
    handshake_ms: int = 10_000
    keepalive_ms: int = 30_000
    keepalive_answer_ms: int = 10_000
    answer_ms: int = 15_000
    """A device that does not read what it is told for so long is dropped."""
    message_items: int = 100
    message_bytes: int = 1024 * 1024
    unanswered_messages: int = 8
    outgoing_messages: int = 256
    connects_burst: int = 10
    connects_refill_ms: int = 3_000
    devices_of_stream: int = 10_000

    tls_look_ms: int = 10_000
    """So often it is looked whether TLS files are others."""

    # http
    http_connections: int = 20_000
    http_requests: int = 2_000
    """Under way at a time, those that wait on purpose apart."""
    http_waiting: int = 10_000
    """Devices that wait for a command."""
    http_wait_ms: int = 60_000
    http_head_ms: int = 10_000
    http_head_bytes: int = 16 * 1024
    http_body_ms: int = 15_000
    http_body_bytes: int = 512 * 1024
    http_idle_ms: int = 75_000
    """Between two requests of one connection."""
    http_burst: int = 5_000
    http_refill_us: int = 1_000
    """Of one address; devices behind one router share it."""
    http_clock_ms: int = 300_000
    """So far may the time lie that a request is signed with."""
    http_nonces: int = 2_000
    """Of one device, remembered for that time; one that signs more than these is told to slow down."""
    http_oldest_ms: int = 400 * DAY_MS
    """Readings of an earlier time come from a clock that is wrong."""

    # people
    person_burst: int = 400
    person_refill_ms: int = 20
    """Of one person, on all its pages: a page asks some ten questions at once."""
    entry_burst: int = 200
    entry_refill_ms: int = 250
    """Of one address: challenges, signatures, ways to a provider and back."""

    demand_again_ms: int = 5_000
    """A device that is asked, and did not answer, is asked again after so long."""
    demand_ms: int = 5_000
    """It has so long to answer."""
    demands: int = 64
    """Under way at a time."""

    # commands
    commands_kept: int = 100_000
    command_again_ms: int = 10_000
    """Not received, it is sent again after so long."""
    command_life_ms: int = 30 * 60_000
    """Older ones are not told any more: the ledger has timed them out, or will."""
    command_turn_ms: int = 250
    """So often it is looked whom to tell."""
    acknowledged_kept: int = 10_000

    # by way of a broker (MQTT)
    broker_in_flight: int = 1_000
    """Messages that the broker has sent and that are not on disk yet; it sends no more until some are."""
    broker_out: int = 20_000
    """Messages for devices that the broker has not taken; beyond, they are dropped: devices ask again."""
    broker_session_s: int = 7 * 86_400
    """So long a broker keeps what comes for a gateway that is away."""
    broker_shared_session_s: int = 300
    """Where gateways share: what came for one that is away for longer is the device's to send again, to another."""
    broker_keepalive_s: int = 30
    broker_connect_ms: int = 10_000
    broker_pause_start_ms: int = 250
    broker_pause_limit_ms: int = 30_000
    broker_status_ms: int = 10_000
    broker_questions: int = 32
    """Under way to the ledger; of one device one."""
    answer_life_s: int = 3_600
    """An answer that nobody has fetched for so long is thrown away by the broker."""
    trades_turn_ms: int = 1_000
    """Of gateways side by side each gives those before it so long to tell a trade."""
    refusals_said_ms: int = 60_000
