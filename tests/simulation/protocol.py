"""What of the protocol may be broken on purpose: the simulation must find each of these."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Protocol:
    """True stands for what the service does.

    Attributes:
        fencing: the broker refuses writes of an earlier owner of a source partition.
        one_transaction: rows and marker are written together.
        resume_at_marker: reading starts at the marker, not at what was acknowledged.
        chain: a chunk that does not follow the one before is refused.
        epochs: the merge voids partials of an earlier epoch.
        whole_commits: the merge shows a block only once the status of its commit has come.
        tables_fenced: the broker refuses writes of an earlier owner of the alert states and the outbox.
        one_judgement: changes, states and what is owed are written together.
        one_command: the offset after a command and what it did are written together.
        one_message: what is owed, and what is remembered of a rule's messages, are written together.
        intent_stored: that a post is about to be made is stored before it is made.
        reconciled: a post of unknown outcome is looked for.
        settled: it is looked for only after it must have arrived.
        given_up: a post that was held up is not made after its time.
    """

    fencing: bool = True
    one_transaction: bool = True
    resume_at_marker: bool = True
    chain: bool = True
    epochs: bool = True
    whole_commits: bool = True
    tables_fenced: bool = True
    one_judgement: bool = True
    one_command: bool = True
    one_message: bool = True
    intent_stored: bool = True
    reconciled: bool = True
    settled: bool = True
    given_up: bool = True


#: Every protocol with one thing broken, by its name.
BROKEN = {field.name: Protocol(**{field.name: False}) for field in fields(Protocol)}
