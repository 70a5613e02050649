"""Which column holds which field of an event: `--map FIELD=COLUMN` and `--set FIELD=VALUE`."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The fields of an event, besides `segment.<dimension>` and `properties.<name>`.
FIELDS = ("type", "event_id", "user_id", "occurred_at", "order_id", "amount", "currency")
_OPEN = ("segment.", "properties.")


def fields(option: str, given: Sequence[str]) -> Mapping[str, str]:
    """What values such as `user_id=customer_id` say, by field.

    Args:
        option: how messages name it.
        given: the values.

    Raises:
        ConfigurationError: one has no `=`, names no field, or a field comes twice.
    """
    found: dict[str, str] = {}
    for one in given:
        field, equals, value = one.partition("=")
        if not equals or not value:
            raise ConfigurationError(
                f"{option}: {one!r} is not of the form field=value; write such as user_id=customer"
            )
        if field not in FIELDS and not (field.startswith(_OPEN) and field.partition(".")[2]):
            near = get_close_matches(field, FIELDS, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            known = f"{hint}use {', '.join(FIELDS)}, segment.<dimension> or properties.<name>"
            raise ConfigurationError(f"{option}: there is no field {field!r} of an event; {known}")
        if field in found:
            raise ConfigurationError(f"{option}: {field} is there twice; give it once")
        found[field] = value
    return found
