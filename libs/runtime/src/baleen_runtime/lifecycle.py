"""How a service lives: read settings, run until a signal or a crash, leave with a code that says which."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import structlog
import uvloop

from baleen_runtime.errors import BaleenRuntimeError, SettingsError
from baleen_runtime.exporting import traced
from baleen_runtime.logs import configure_logs
from baleen_runtime.settings import ServiceSettings, load_settings
from baleen_runtime.usage import usage

EXIT_OK, EXIT_CRASH, EXIT_USAGE, EXIT_SETTINGS = 0, 1, 2, 78  # 78 is EX_CONFIG of sysexits.h

S = TypeVar("S", bound=ServiceSettings)


class StopRequested(Exception):  # noqa: N818 - it is no error: the operator asked us to leave
    """Ends a TaskGroup from inside when the service is asked to leave."""


async def leave_when(stop: asyncio.Event) -> None:
    """Wait for *stop*, then end the surrounding TaskGroup by raising `StopRequested`."""
    await stop.wait()
    raise StopRequested


def main(
    cls: type[S],
    run: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]],
    arguments: Sequence[str] = (),
) -> int:
    """Run a service to its end and return the exit code of the process.

    0 after SIGTERM, SIGINT or `--help`, 1 after a crash, 2 for any other argument, 78 when the settings are
    wrong; the last log line says why.
    """
    package = cls.__module__.partition(".")[0]
    program = package.replace("_", "-")
    if arguments:
        return _answer(arguments, program, cls)
    try:
        settings = load_settings(cls, os.environ)
    except SettingsError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return EXIT_SETTINGS
    configure_logs(settings.log_level, settings.log_format, secrets=settings.secrets())
    log = structlog.get_logger(package)
    try:
        uvloop.run(_until_signal(settings, run, program))
    except BaleenRuntimeError as error:
        log.error("stopping", reason=str(error))  # noqa: TRY400 - a known condition needs no traceback
        return EXIT_CRASH
    except BaseExceptionGroup as group:
        log.exception("a task failed")
        log.error("stopping", reason=_causes(group))  # noqa: TRY400 - a line of its own, the last
        return EXIT_CRASH
    except Exception as error:
        log.exception("the service failed")
        log.error("stopping", reason=str(error) or type(error).__name__)  # noqa: TRY400 - as above
        return EXIT_CRASH
    log.info("left as asked")
    return EXIT_OK


def _answer(arguments: Sequence[str], program: str, cls: type[ServiceSettings]) -> int:
    if set(arguments) <= {"-h", "--help"}:
        sys.stdout.write(f"{usage(program, cls)}\n")
        return EXIT_OK
    sys.stderr.write(
        f"{program} takes no arguments, but environment variables: `{program} --help` lists them\n"
    )
    return EXIT_USAGE


async def _until_signal(
    settings: S, run: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]], service: str
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with traced(settings, service):
        await run(settings, stop)


def _causes(group: BaseExceptionGroup[BaseException]) -> str:
    """Return the sentences of the errors inside *group*, so that the last log line says why."""
    return "; ".join(
        _causes(error) if isinstance(error, BaseExceptionGroup) else str(error) or repr(error)
        for error in group.exceptions
    )
