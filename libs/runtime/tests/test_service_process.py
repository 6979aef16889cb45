"""The process that tests run a service in: it lives, dies and leaves as told, and its words are kept."""

import sys
import textwrap
from pathlib import Path

import pytest

from baleen_runtime.testing import ServiceProcess

PLAIN = """
    import json, os, signal, sys, threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/readyz" and "READY" in os.environ else 503)
            self.end_headers()
        def log_message(self, *words): ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    if "STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("words that are no object")
    told = {"event": "listening", "port": server.server_port, "seen": os.environ.get("UW_X")}
    print(json.dumps(told), flush=True)
    server.serve_forever()
    sys.exit(3)
"""


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that listens, and leaves with 3."""
    (tmp_path / "plain_service.py").write_text(textwrap.dedent(PLAIN))
    (tmp_path / "broken_service.py").write_text("raise SystemExit('no such setting')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("UW_X", "inherited")
    return "plain_service"


def test_it_listens_when_it_is_handed_over_and_is_gone_afterwards(plain):
    """Nothing of it stays but its last words; no variable of ours is inherited."""
    with ServiceProcess(plain, {}) as service:
        assert service.alive
        assert service.http == f"http://127.0.0.1:{service.port}"
        assert service.said()[0]["seen"] is None
        assert service.resident_bytes() > 1_000_000
        assert service.cpu_seconds() >= 0
    assert not service.alive
    assert not service.log.exists()
    assert "words that are no object" in service.log_text()


async def test_each_life_has_its_own_port_and_words(plain, tmp_path):
    """What the last one said is not taken for the new one's."""
    service = ServiceProcess(plain, {"READY": "1"}, tmp_path / "log")
    service.start()
    await service.ready()
    service.kill()
    assert service.port == 0
    service.start()
    assert await service.listening() > 0
    assert len(service.said()) == 1
    assert service.log_text().count("listening") == 2
    service.ask_to_leave()
    assert await service.left() == 3
    service.close()
    assert (tmp_path / "log").exists()


async def test_one_that_ends_early_is_told_with_its_last_words(plain):
    """And one that is not ready likewise."""
    with pytest.raises(RuntimeError, match="did not listen but ended with 1:\nno such setting"):
        async with ServiceProcess("broken_service", {}):
            pass
    with ServiceProcess(plain, {}, name="the third") as service:
        with pytest.raises(RuntimeError, match="the third did not become ready:\nwords"):
            service.wait_until_ready(0.2)
        with pytest.raises(RuntimeError, match="the third is alive"):
            service.start()


@pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")
def test_a_stubborn_one_is_killed_and_a_frozen_one_leaves(plain):
    """Nothing outlives a test."""
    with ServiceProcess(plain, {"STUBBORN": "1"}) as service:
        assert service.leave(0.2) == -9
    with ServiceProcess(plain, {}) as service:
        service.freeze()
        assert service.leave() == 3
