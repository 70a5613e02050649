"""What a worker tells the group, and what Faust asks the assignor."""

from __future__ import annotations

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.types import TP

from stream_app.engine.assignor import CoPartitionAssignor, _owned, share_out


def test_a_worker_tells_what_it_has():
    assignor = CoPartitionAssignor(app=None)
    assert _owned(assignor.metadata({"visits"}).user_data) == []
    assignor.on_assignment(ConsumerProtocolMemberAssignment(1, [("visits", [2, 0]), ("purchases", [2])], b""))
    metadata = assignor.metadata({"visits", "purchases"})
    assert (metadata.subscription, _owned(metadata.user_data)) == (["purchases", "visits"], [0, 2])


def test_faust_sees_what_is_assigned_as_active_and_nothing_as_standby():
    assignor = CoPartitionAssignor(app=None)
    assignor.on_assignment(ConsumerProtocolMemberAssignment(1, [("visits", [1])], b""))
    assert assignor.assigned_actives() == {TP("visits", 1)}
    assert assignor.assigned_standbys() == set()
    assert assignor.is_active(TP("visits", 1))
    assert not assignor.is_active(TP("visits", 0))
    assert not assignor.is_standby(TP("visits", 1))


@pytest.mark.parametrize("user_data", [None, b"", b"{", b"{}", b"null", b'["a", null, 1.5]', b"\xff"])
def test_what_another_program_says_about_itself_is_no_claim(user_data):
    assert _owned(user_data) == []


def test_a_restarted_worker_gets_its_share():
    """faust #93: it is left without partitions."""
    assert share_out(4, {"a": [0, 1, 2, 3], "b": []}) == {"a": [0, 1], "b": [2, 3]}


def test_of_two_that_claim_a_partition_one_has_it():
    assert share_out(2, {"a": [0, 1], "b": [0, 1]}) == {"a": [0], "b": [1]}
