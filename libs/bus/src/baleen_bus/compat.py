"""Lets a bot import the module it knows, ``backend.app.integrations.alert_websocket_bridge``, from here.

``install()`` once, early; then the bot's own lines work unchanged, whichever other parts of ``backend`` it
has of its own, and even if it has that module too. Nothing of the bot's is imported by ``install`` itself.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

from baleen_bus.alerts import publish_alert, publish_alert_sync

MODULE: Final = "backend.app.integrations.alert_websocket_bridge"
_PARENTS: Final = tuple(MODULE.rsplit(".", count)[0] for count in (3, 2, 1))


def install() -> None:
    """From now on, importing the module gives ours; calling this again changes nothing.

    Its parents are the bot's own where it has them, and are imported as ever; where it does not, they are
    empty packages. If the bot's module was imported before, its two functions are replaced where it stands;
    only who holds the functions themselves keeps the old ones.
    """
    if not any(isinstance(finder, _Bridge) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Bridge())
        sys.meta_path.append(_MissingParents())
    known = sys.modules.get(MODULE)
    if known is not None:
        _fill(known)


def _fill(module: ModuleType) -> None:
    module.__dict__.update(
        publish_alert_to_websocket=publish_alert, publish_alert_to_websocket_sync=publish_alert_sync
    )


class _Bridge(MetaPathFinder, Loader):
    """Finds this one module, before anybody else is asked."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin=__file__) if fullname == MODULE else None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = publish_alert.__doc__
        _fill(module)


class _MissingParents(MetaPathFinder, Loader):
    """Finds the module's parents when nobody else did: empty, but open to what the bot adds later."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _PARENTS:
            return None
        spec = ModuleSpec(fullname, self, is_package=True)
        spec.submodule_search_locations = _Folders(fullname)
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """An empty package."""


class _Folders(list[str]):
    """Where a package's modules lie; looked for at every import, as for a namespace package."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self._parent, _, self._name = package.rpartition(".")

    def __iter__(self) -> Iterator[str]:
        above = sys.modules[self._parent].__path__ if self._parent else sys.path
        return iter([str(folder) for each in above if (folder := Path(each or ".") / self._name).is_dir()])
