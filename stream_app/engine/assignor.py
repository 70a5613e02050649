"""Which worker owns which partitions: partition p of every topic goes to one worker, and stays with it if it can.

Replaces Faust's assignor, which can leave a restarted worker without partitions (faust #93), and aiokafka's, which
do not
keep partition p of one topic with p of another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from faust.types import TP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def share_out(partitions: int, owned: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Shares partitions 0 to `partitions` - 1 out to members, so that their counts differ by one at most.

    A member keeps what it owned as far as its share allows; of two that claim one partition, the first by name does.
    """
    members = sorted(owned)
    least, more = divmod(partitions, len(members))
    shares: dict[str, list[int]] = {member: [] for member in members}
    claims = {member: [p for p in sorted(set(owned[member])) if 0 <= p < partitions] for member in members}
    # Those with most claims get the larger shares: fewer partitions move.
    by_claims = sorted(members, key=lambda member: (-len(claims[member]), member))
    room = {member: least + (place < more) for place, member in enumerate(by_claims)}
    taken: set[int] = set()
    for member in by_claims:
        for partition in claims[member]:
            if partition not in taken and len(shares[member]) < room[member]:
                shares[member].append(partition)
                taken.add(partition)
    free = iter([p for p in range(partitions) if p not in taken])
    for member in by_claims:
        while len(shares[member]) < room[member]:
            shares[member].append(next(free))
    return {member: sorted(share) for member, share in shares.items()}


class CoPartitionAssignor(AbstractPartitionAssignor):
    """The group's assignor, and the view of the assignment that Faust's table recovery asks for.

    Args:
        app: the Faust app; its tables' changelogs count as active where they are assigned.
        replicas: unused; state has no standbys.
    """

    name = "stream-app-copartition"
    version = 1

    def __init__(self, app: Any, replicas: int = 0) -> None:
        super().__init__()
        self.app = app
        self.replicas = replicas
        self._assigned: set[TP] = set()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What this member tells the leader: its topics and the partitions it has."""
        owned = sorted({tp.partition for tp in self._assigned})
        return ConsumerProtocolMemberMetadata(self.version, sorted(topics), json.dumps(owned).encode())

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """The leader's part: every topic's partition p goes to the member that p was shared out to."""
        topics = sorted({topic for member in members.values() for topic in member.subscription})
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        owned = {name: _owned(member.user_data) for name, member in members.items()}
        shares = share_out(max(counts.values(), default=0), owned)
        assignments = {}
        for name, share in shares.items():
            each = [(topic, [p for p in share if p < counts[topic]]) for topic in topics]
            assignments[name] = ConsumerProtocolMemberAssignment(self.version, [a for a in each if a[1]], b"")
        return assignments

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Remembers what this member got."""
        self._assigned = {TP(topic, p) for topic, partitions in assignment.assignment for p in partitions}

    def assigned_actives(self) -> set[TP]:
        """Faust: the partitions this worker has, changelogs of tables among them."""
        return self._assigned

    def assigned_standbys(self) -> set[TP]:
        """Faust: none."""
        return set()

    def is_active(self, tp: TP) -> bool:
        """Faust: whether this worker has the partition."""
        return tp in self._assigned

    def is_standby(self, _tp: TP) -> bool:
        """Faust: never."""
        return False


def _owned(user_data: bytes | None) -> list[int]:
    try:
        owned = json.loads(user_data or b"[]")
    except ValueError:
        return []
    return [p for p in owned if isinstance(p, int)] if isinstance(owned, list) else []
