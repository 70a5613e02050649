"""What a worker has around it that is not simulated: nobody looks at it, or it looks whether something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.streams import GRAINS
from stream_app.domain.merging import Merged

if TYPE_CHECKING:
    from simulation.world import World
    from stream_app.domain.metrics import Snapshot


class _Quiet:
    """An observer, a store, metrics and a health board that nobody looks at."""

    def __getattr__(self, _name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    async def publish_alerts(self, *_: Any) -> None: ...


class Store(_Quiet):
    """Looks at each snapshot that is shown: a user is in one cohort of each grain, unless it shows half a commit."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def publish(self, snapshot: Snapshot, _dirty: Any) -> None:
        for definition in snapshot.definitions:
            users = {
                sum(int(block[0]) for block in snapshot.blocks.get((definition.name, f"{grain}.size", ()), {}).values())
                for grain in GRAINS
            }
            if len(users) > 1:
                self._world.errors.append(ValueError(f"{definition.name} has {users} users, by grain"))


QUIET = _Quiet()


class Credulous(Merged):
    """A merge that is broken on purpose."""

    def __init__(self, *args: Any, epochs: bool, whole_commits: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self._epochs, self._whole = epochs, whole_commits

    def page(self, key: Any, partition: int, epoch: int, *rest: Any) -> None:
        super().page(key, partition, epoch if self._epochs else 1, *rest)
        if not self._whole:
            part = self._parts[partition]
            for (period, group), page in part.waiting.items():
                part.pages.setdefault(period, {})[group] = page
                self._dirty.add(period)

    def status(self, partition: int, epoch: int, *said: Any) -> None:
        super().status(partition, epoch if self._epochs else 1, *said)
