"""Partitions are shared out wholly, evenly, and stay where they are as far as that allows."""

from __future__ import annotations

from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st

from stream_app.engine.assignor import CoPartitionAssignor, share_out

names = st.text("abc", min_size=1, max_size=3)
claims = st.dictionaries(names, st.lists(st.integers(-2, 40), max_size=20), min_size=1, max_size=6)


@given(st.integers(0, 33), claims)
def test_complete_and_fair(partitions: int, owned: dict[str, list[int]]) -> None:
    shares = share_out(partitions, owned)
    assert sorted(p for share in shares.values() for p in share) == list(range(partitions))
    assert set(shares) == set(owned)
    sizes = [len(share) for share in shares.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(0, 33), claims)
def test_sharing_out_again_moves_nothing(partitions: int, owned: dict[str, list[int]]) -> None:
    shares = share_out(partitions, owned)
    assert share_out(partitions, shares) == shares


@given(st.integers(1, 33), claims, names)
def test_only_what_has_to_move_moves(partitions: int, owned: dict[str, list[int]], who: str) -> None:
    """A worker joins or leaves: nobody loses a partition to anyone but to evenness."""
    before = share_out(partitions, owned)
    joined = share_out(partitions, before | ({} if who in before else {who: []}))
    for name, share in joined.items():
        if name in before:
            assert set(share) <= set(before[name]) or len(joined) == len(before)
    if len(joined) > 1:
        left = share_out(partitions, {name: share for name, share in joined.items() if name != who})
        for name, share in left.items():
            assert set(joined[name]) <= set(share)


class Cluster:
    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.counts[topic])) if topic in self.counts else None


@given(st.dictionaries(st.sampled_from(("visits", "purchases", "partials", "alerts")), st.integers(1, 8), min_size=1),
       st.dictionaries(names, st.binary(max_size=6) | st.just(b"[1, 2]"), min_size=1, max_size=4))  # fmt: skip
def test_partition_p_of_every_topic_goes_to_one_member(counts: dict[str, int], members: dict[str, bytes]) -> None:
    topics = [*counts, "unknown"]
    metadata: dict[str, Any] = {
        name: ConsumerProtocolMemberMetadata(1, topics, user_data) for name, user_data in members.items()
    }
    assignments = CoPartitionAssignor(app=None).assign(Cluster(counts), metadata)
    owner: dict[int, str] = {}
    seen = []
    for name, assignment in assignments.items():
        for topic, partitions in assignment.assignment:
            for partition in partitions:
                seen.append((topic, partition))
                assert owner.setdefault(partition, name) == name
    assert sorted(seen) == sorted((topic, p) for topic, count in counts.items() for p in range(count))
