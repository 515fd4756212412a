"""Validators that follow a log: random schedules, and what each thing that a log may do to them ends in."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from ledgernode.consensus.engine import CaughtUp, Certified, ProposalAvailable, Received, Started
from ledgernode.consensus.jetstream.core import LINE, LOST_MS, OWN_CUTS, WINDOW, Jetstream
from ledgernode.consensus.jetstream.messages import LOG, Cut, Entry, Opened, Publish, Read, decode, encode, signed_bytes
from ledgernode.errors import StateDiverged
from ledgernode.wire.types import Epoch, Height, TimeMs, sha256
from tests.simulation.following import BOUND_MS, FollowingWorld, Log
from tests.simulation.following_schedule import play_following
from tests.simulation.membership import CHAIN, STARTS_MS, founders, sign_as
from tests.simulation.world import Violation

SLICE = 12


def test_random_schedules_of_followers_keep_agreement_and_decide_once_healed() -> None:
    """Outages, broken readings, forgotten messages, crashes and f liars: one chain, nothing lost, nobody halts."""
    results = [play_following(seed) for seed in range(SLICE)]
    assert sum(result.heights for result in results) > SLICE


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SLICE, 4 * SLICE, SLICE))
def test_more_random_schedules_of_followers(first: int) -> None:
    """The same, of further seeds."""
    for seed in range(first, first + SLICE):
        play_following(seed)


def test_a_schedule_of_followers_is_a_function_of_its_seed() -> None:
    """The same seed plays the same schedule, event for event."""
    assert play_following(3) == play_following(3)


# ------------------------------------------------------------ worlds in which one thing goes wrong


def started(members: int = 4) -> FollowingWorld:
    world = FollowingWorld(1, members)
    world.start()
    orders(world, b"first")
    elapse(world, 3_000)
    return world


def orders(world: FollowingWorld, *items: bytes) -> None:
    for item in items:
        world.submit(item)
    nodes = [node for node in world.nodes if node.up and node.position not in world.halts]
    held = world.run(world.now_ms + 60_000, lambda: all(node.done.issuperset(items) for node in nodes))
    assert held, world.story()


def elapse(world: FollowingWorld, for_ms: int) -> None:
    world.run(world.now_ms + for_ms)


def test_another_stream_in_its_place_halts_everyone() -> None:
    """Whoever has followed a stream never takes another one for it, whatever that holds."""
    world = started()
    other = Log(world, b"other")
    other.messages = list(world.log.messages)
    world.log = other
    elapse(world, 5_000)
    assert sorted(world.halts) == [0, 1, 2, 3]
    assert all("the log is another stream" in reason for reason in world.halts.values())


def test_a_restarted_validator_still_knows_its_stream() -> None:
    """The identity is on disk before anything was published; over an epoch's end too."""
    world = started()
    world.crash(0)
    world.log.identity = sha256(b"other")
    world.restart(0)
    elapse(world, 5_000)
    assert "the log is another stream" in world.halts[0]


def test_a_log_that_ends_before_what_was_delivered_halts_everyone() -> None:
    """It has lost its end for good; for a moment, after a change of its leader, it may."""
    world = started()
    kept = list(world.log.messages)
    world.log.messages = []
    elapse(world, LOST_MS // 2)
    world.log.messages = kept
    orders(world, b"second")
    elapse(world, 3_000)
    assert not world.halts
    world.log.messages = []
    elapse(world, 2 * LOST_MS)
    assert sorted(world.halts) == [0, 1, 2, 3]
    assert all("the log ends at 0" in reason for reason in world.halts.values())


def test_a_hole_in_the_log_halts_whoever_comes_to_it() -> None:
    """A message that lies between others and is gone is never skipped."""
    world = started()
    world.log.holes.add(world.log.last + 1)
    for number in range(3):
        world.submit(b"after%d" % number)
        elapse(world, 1_000)
    elapse(world, 3 * LOST_MS)
    assert sorted(world.halts) == [0, 1, 2, 3]
    assert all("the log has lost message" in reason for reason in world.halts.values())


def test_a_validator_whose_messages_are_gone_fetches_blocks() -> None:
    """What the log has forgotten in its order, the others have as blocks."""
    world = started()
    world.crash(3)
    for number in range(6):
        orders(world, b"while away %d" % number)
    world.log.forgotten = world.log.last - 1
    world.restart(3)
    orders(world, b"afterwards")
    elapse(world, 5_000)
    assert len({len(node.chain) for node in world.nodes}) == 1
    assert not world.halts


def test_validators_that_are_shown_different_orders_certify_neither() -> None:
    """Two see one order and two another: no certificate comes about, and it is seen."""
    world = FollowingWorld(1, 4)
    other = Log(world)
    world.shown = {2: other, 3: other}
    world.canonical = msgspec.UNSET  # type: ignore[assignment]  # the checker would notice first
    world.check_block = lambda node, block: None  # type: ignore[method-assign]
    world.start()
    with pytest.raises(StateDiverged):
        orders(world, b"one", b"two", b"three")
    assert not world.acknowledged


def test_an_outage_ends_by_itself() -> None:
    """Nothing is lost that was published meanwhile: it is published again."""
    world = started()
    world.log.up = False
    for reader in world.readers.values():
        reader.whole = False
    world.submit(b"meanwhile")
    elapse(world, 30_000)
    assert all(b"meanwhile" not in node.done for node in world.nodes)
    world.log.up = True
    orders(world, b"afterwards", b"meanwhile")


# ------------------------------------------------------------ one engine


MEMBERS = founders(4)
STREAM = sha256(b"stream")
NOW = TimeMs(STARTS_MS)


def engine(position: int = 0) -> Jetstream:
    return Jetstream(
        chain_id=CHAIN,
        epoch=Epoch(0),
        members=4,
        position=position,
        sign=partial(sign_as, position),
        verify=MEMBERS.verify,
        base_height=Height(0),
        bound_ms=BOUND_MS,
    )


def opened(one: Jetstream, *, payload_bytes: int = 1 << 20, last: int = 0) -> Jetstream:
    one.step(Started(NOW, Height(0), TimeMs(NOW - 1_000), ()))
    one.step(Received(NOW, LOG, encode(Opened(STREAM, 1, last, payload_bytes, True))))
    return one


def cut(author: int, *envelopes: bytes, time_ms: int = NOW) -> bytes:
    unsigned = Cut(STREAM, 0, author, 0, time_ms, envelopes, bytes(64))
    signature = sign_as(author, signed_bytes(CHAIN, Epoch(0), unsigned))
    return encode(msgspec.structs.replace(unsigned, signature=signature))


def told(one: Jetstream, sequence: int, payload: bytes, *, log_ms: int = NOW, now_ms: int = NOW) -> tuple[int, ...]:
    """The block times that come of it."""
    ready = one.step(Received(TimeMs(now_ms), LOG, encode(Entry(sequence, log_ms, payload))))
    return tuple(batch.time_ms for batch in ready.deliver)


def test_it_asks_for_the_log_from_where_the_chain_ends() -> None:
    """The height of a block is its message's sequence, so the chain itself is the position."""
    ready = engine().step(Started(NOW, Height(7), NOW, ()))
    assert [(decode(send.message), send.receivers) for send in ready.send] == [(Read(7), (LOG,))]
    assert not ready.wants_proposal


def test_a_stream_is_on_disk_before_anything_is_published() -> None:
    """Persist, then send: the very first publication belongs to a stream that a restart will know."""
    one = engine()
    one.step(Started(NOW, Height(0), NOW, ()))
    ready = one.step(Received(NOW, LOG, encode(Opened(STREAM, 1, 0, 1 << 20, True))))
    assert [entry.record for entry in ready.persist] == [STREAM]
    assert ready.wants_proposal


def test_a_peer_cannot_speak_for_the_log() -> None:
    """Messages of members are nothing to it."""
    one = engine()
    one.step(Started(NOW, Height(0), NOW, ()))
    assert not one.step(Received(NOW, 2, encode(Opened(STREAM, 1, 0, 1 << 20, True)))).wants_proposal


def test_block_time_lies_within_the_bound_of_the_logs_and_increases() -> None:
    """A member that dates its cut a day ahead moves the clock by the bound, and one of yesterday not back."""
    one = opened(engine())
    day_ms = 86_400_000
    assert told(one, 1, cut(1, time_ms=NOW + day_ms)) == (NOW + BOUND_MS,)
    assert told(one, 2, cut(2, time_ms=NOW - day_ms), now_ms=NOW + 1) == (NOW + BOUND_MS + 1,)
    late = opened(engine())
    assert told(late, 1, cut(2, time_ms=NOW - day_ms)) == (NOW - BOUND_MS,)
    assert told(late, 2, cut(2, time_ms=NOW)) == (NOW,)
    assert told(late, 3, cut(1, time_ms=NOW)) == (NOW + 1,)


def test_a_block_from_the_future_waits_for_our_clock() -> None:
    """The log may hold time back; it cannot run it ahead."""
    one = opened(engine())
    ahead = NOW + 60_000
    assert told(one, 1, cut(1, time_ms=ahead), log_ms=ahead) == ()
    ready = one.step(Received(TimeMs(ahead), LOG, b""))
    assert [batch.time_ms for batch in ready.deliver] == [ahead]


def test_what_is_no_sound_cut_makes_an_empty_block() -> None:
    """Noise, a forged name, another stream's or epoch's cut: its sequence is a height all the same."""
    one = opened(engine())
    forged = msgspec.structs.replace(decode(cut(1, b"x")), author=2)  # type: ignore[type-var]
    elsewhere = msgspec.structs.replace(decode(cut(1, b"x")), stream=sha256(b"other"))  # type: ignore[type-var]
    later = msgspec.structs.replace(decode(cut(1, b"x")), epoch=1)  # type: ignore[type-var]
    heights = []
    for sequence, payload in enumerate((b"noise", *map(encode, (forged, elsewhere, later))), 1):
        ready = one.step(Received(NOW, LOG, encode(Entry(sequence, NOW, payload))))
        assert not ready.validate
        heights += [(batch.height, batch.envelopes) for batch in ready.deliver]
    assert heights == [(1, ()), (2, ()), (3, ()), (4, ())]


def test_the_log_cannot_say_two_things_at_one_sequence() -> None:
    """As far as it is remembered."""
    one = opened(engine())
    told(one, 1, cut(1, b"one"))
    ready = one.step(Received(NOW, LOG, encode(Entry(1, NOW, cut(1, b"other")))))
    assert "two things at sequence 1" in ready.halt


def test_a_batch_is_cut_to_the_size_of_a_message() -> None:
    """Several cuts, in order, each of which the log takes."""
    one = opened(engine(), payload_bytes=1_000)
    offered = tuple(b"%03d" % number * 100 for number in range(5))
    ready = one.step(ProposalAvailable(NOW, offered))
    published = [said for said in (decode(send.message) for send in ready.send) if isinstance(said, Publish)]
    assert all(len(said.payload) <= 1_000 for said in published)
    cuts = [decode(said.payload) for said in published]
    assert [envelope for one in cuts for envelope in one.envelopes] == list(offered)  # type: ignore[union-attr]
    assert len(published) == 3
    assert ready.took_proposal


def test_no_more_is_published_than_the_log_has_yet_to_show() -> None:
    """Whoever does not reach the log lets transactions wait where their clients are told so."""
    one = opened(engine())
    for number in range(OWN_CUTS):
        ready = one.step(ProposalAvailable(NOW, (b"%d" % number,)))
    assert not ready.wants_proposal
    assert not one.step(ProposalAvailable(NOW, (b"more",))).took_proposal


def test_nothing_is_delivered_far_above_what_is_certified() -> None:
    """Where certificates do not come about, execution does not run away."""
    one = opened(engine())
    delivered = [told(one, sequence, b"noise") for sequence in range(1, 2 * WINDOW)]
    assert sum(map(len, delivered)) == WINDOW


def test_whoever_is_far_behind_waits_for_blocks_and_does_not_read_in_vain() -> None:
    """What the log still has lies beyond what can be held: it is asked again only once blocks have come."""
    one = engine()
    one.step(Started(NOW, Height(0), NOW, ()))
    ready = one.step(Received(NOW, LOG, encode(Opened(STREAM, 1_000, 1_500, 1 << 20, True))))
    assert ready.behind == 999
    ready = one.step(Received(NOW, LOG, encode(Entry(1_000, NOW, cut(1)))))
    assert not ready.send
    assert not ready.deliver
    ready = one.step(CaughtUp(NOW, Height(999), NOW))
    assert [decode(send.message) for send in ready.send] == [Read(999)]
    one.step(Received(NOW, LOG, encode(Opened(STREAM, 1_000, 1_500, 1 << 20, True))))
    assert told(one, 1_000, cut(1)) == (NOW + 1,)


def test_a_full_line_is_read_on_once_there_is_room() -> None:
    """Certificates come about again: what did not fit is asked for, and delivered."""
    one = opened(engine())
    for sequence in range(1, LINE + WINDOW + 2):
        told(one, sequence, b"noise")
    asked = []
    for height in range(WINDOW, LINE, WINDOW):
        ready = one.step(Certified(NOW, Height(height), b"", b""))
        asked += [decode(send.message) for send in ready.send]
    assert asked == [Read(LINE + WINDOW)]


def test_a_timer_is_published_by_one_member() -> None:
    """All are offered it at once; each leaves those before it some time."""
    published = []
    for position in range(4):
        ready = opened(engine(position)).step(ProposalAvailable(NOW, ()))
        published.append(any(isinstance(decode(send.message), Publish) for send in ready.send))
    assert sum(published) == 1


def test_the_checker_sees_a_validator_that_skips_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation that cannot fail shows nothing: engines that ignore a gap end in different chains."""

    def skips(self: Jetstream, sequence: int, reason: str) -> None:
        self._line.skip_to(sequence + 1)
        self._expected = sequence + 1

    def lose(world: FollowingWorld) -> None:
        world.log.holes = {5}

    monkeypatch.setattr(Jetstream, "_lacks", skips)
    with pytest.raises(Violation):
        [play_following(seed, alter=lose) for seed in range(20)]


def test_the_checker_sees_a_validator_that_goes_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times that are not the log's give other headers."""
    real = Jetstream._item

    def dated(self: Jetstream, entry: Entry, digest: bytes):  # type: ignore[no-untyped-def]
        item = real(self, entry, digest)
        item.time_ms = int(self._now)
        return item

    monkeypatch.setattr(Jetstream, "_item", dated)
    with pytest.raises(Violation):
        [play_following(seed) for seed in range(20)]
