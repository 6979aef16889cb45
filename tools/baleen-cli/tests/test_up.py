"""`make up` as people run it: real processes, a page, and a quick end however it is asked for."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN = 60.0
LEAVE_WITHIN = 5.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Run:
    """A `make up` of its own: free ports, its own state."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "up.log"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("UW_")}
        with self.log.open("w") as out:
            self.make = subprocess.Popen(
                # -o: what is installed is what is tested
                ["make", "-o", ".venv/.installed", "up", f"ARGS=--free-ports --state {folder / 'state'}"],
                cwd=ROOT,
                env=environ,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def text(self) -> str:
        """Return what was printed so far."""
        return self.log.read_text()

    def until_up(self) -> None:
        """Wait for the greeting."""
        deadline = time.monotonic() + READY_WITHIN
        while "Baleen is up" not in self.text():
            assert self.make.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.05)

    def ports(self) -> list[int]:
        """Return the ports that the greeting names."""
        return sorted({int(port) for port in re.findall(r"(?:127\.0\.0\.1|localhost):(\d+)", self.text())})

    def close(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self.make.poll() is None:
            os.killpg(self.make.pid, signal.SIGTERM)
            self.make.wait(20)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A `make up` that is ready."""
    started = Run(tmp_path)
    try:
        started.until_up()
        yield started
    finally:
        started.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_group", [True, False], ids=["group", "make-alone"])
def test_it_leaves_within_five_seconds(run: Run, number: signal.Signals, to_group: bool):
    """Ctrl-C (SIGINT to the group) and SIGTERM, to `make` alone or to its group, end everything in order."""
    ports = run.ports()
    assert len(ports) >= 3

    started = time.monotonic()
    if to_group:
        os.killpg(run.make.pid, number)
    else:
        run.make.send_signal(number)
    run.make.wait(LEAVE_WITHIN)
    took = time.monotonic() - started

    deadline = time.monotonic() + LEAVE_WITHIN - took  # make may go first; then the rest must follow in time
    while any(_answers(port) for port in ports) or "was killed" in run.text():
        assert time.monotonic() < deadline, run.text()[-3000:]
        time.sleep(0.05)
    assert "Traceback" not in run.text()


def test_a_dead_service_ends_the_whole_and_says_which(run: Run):
    """A road with a hole is no road: the command names what ended and fails."""
    gateway = int(re.findall(r"http://localhost:(\d+)/", run.text())[0])
    os.kill(_pid_on(gateway), signal.SIGKILL)

    assert run.make.wait(LEAVE_WITHIN + 5) != 0
    assert "ws-gateway was ended by signal 9" in run.text()


def test_the_page_is_there_and_data_is_called_simulated(run: Run):
    """The address that was printed answers, and nobody takes the data for real."""
    gateway = int(re.findall(r"http://localhost:(\d+)/", run.text())[0])
    page = httpx.get(f"http://127.0.0.1:{gateway}/", trust_env=False)

    assert page.is_success
    assert "SIMULATED" in run.text()


def test_an_alert_is_told_to_the_simulated_discord(run: Run):
    """What is posted to the printed webhook shows on the printed page, without a word about rules."""
    webhook, discord = re.findall(r"(?m)^(?:Webhook|Discord) +(\S+)", run.text())
    assert httpx.post(webhook, json={"content": "hello from a bot"}, trust_env=False).is_success

    deadline = time.monotonic() + READY_WITHIN
    while "hello from a bot" not in httpx.get(discord, trust_env=False).text:
        assert time.monotonic() < deadline, run.text()[-3000:]
        time.sleep(0.05)


def test_a_wrong_setting_ends_the_start_with_its_name_and_the_cure(tmp_path: Path):
    """A misspelt variable is refused by the service whose prefix it has, and the command fails."""
    baleen = ROOT / ".venv/bin/baleen"
    ended = subprocess.run(
        [baleen, "up", "--free-ports", "--state", tmp_path / "state"],
        cwd=ROOT,
        env={**os.environ, "WS_GATEWAY_PROT": "8000"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "WS_GATEWAY_PROT is not a setting: did you mean WS_GATEWAY_PORT?" in ended.stdout
    assert "ws-gateway ended with exit code 78; a setting is wrong" in ended.stdout


def test_a_busy_port_is_named_before_anything_starts(tmp_path: Path):
    """The message says which port, who wanted it and what to do; nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        ended = subprocess.run(
            [ROOT / ".venv/bin/baleen", "up", "--state", tmp_path / "state"],
            cwd=ROOT,
            env={**os.environ, "NATS_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert f"Port {port}, wanted by nats-server" in ended.stdout
    assert "starting" not in ended.stdout


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def _pid_on(port: int) -> int:
    """Return the process id of the service on *port*, found by what it was told."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                environ = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if f"WS_GATEWAY_PORT={port}".encode() in environ and b"ws-gateway" in command:
                return int(folder.name)
    pytest.skip("no /proc to find the process in")
