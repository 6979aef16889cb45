"""Platforms for drills, one at a time: the one that the last drill left in order, else a new one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from tests.drills.site import Site, running_site
from tests.drills.watching import Watcher, watching


class Grounds:
    """Where drills are done."""

    def __init__(self, folder: Path, drilled: Collection[str]) -> None:
        """Keep every platform below *folder*, which begins without these alerts; none runs yet."""
        self._drilled = drilled
        self._folder = folder
        self._running = ExitStack()
        self._site: Site | None = None
        self._watcher: Watcher | None = None
        self._begun = 0
        self.in_order = False
        """Whether the platform is as it was, so that the next drill can have it too."""

    def calm(self, *, small_disk: bool = False) -> tuple[Site, Watcher]:
        """Return a platform of which nothing is reported, with its Prometheus."""
        site, watcher = self._site, self._watcher
        if site is None or watcher is None or not self.in_order or small_disk:
            self.close()
            self._begun += 1
            folder = self._folder / f"site-{self._begun}"
            site = self._site = self._running.enter_context(running_site(folder, small_disk=small_disk))
            watcher = self._watcher = self._running.enter_context(watching(site))
        self.in_order = False
        watcher.until_calm(self._drilled)
        return site, watcher

    def close(self) -> None:
        """End the platform."""
        self._site = self._watcher = None
        self._running.close()
