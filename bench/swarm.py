"""The load generator: one process, thousands of real WebSocket clients, counting what servers send them.

Raw non-blocking sockets under one epoll, one shared receive buffer, no object per frame.  Where the machine
has a C compiler, what is as expected is read and counted natively.  It talks to its starter in lines of JSON:

    <- {"ready": 5000, "connect_seconds": 2.1}
    -> {"measure": [t0, t1]}     count what arrives between two CLOCK_MONOTONIC times (seconds)
    <- {"result": {...}}         once t1 has passed; the end of standard input ends the process

``python -m bench.swarm --help`` lists how clients are made.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import sys
import time
from collections import Counter as Multiset
from typing import Any

from bench import counting, handshake, native
from bench.counting import BUFFER_BYTES
from bench.joining import Client, Joining, Wishes

_SETTLE_SECONDS = 0.002
_SETTLE_ABOVE = 500


class Swarm:
    """Opens the clients, then counts until told to stop.

    Args:
        wishes: how clients are made.
        clients: how many.
        strict: how many of them are read strictly, spread evenly.
        nats: whether the server speaks the NATS protocol inside its frames.
    """

    def __init__(self, wishes: Wishes, *, clients: int, strict: int, nats: bool) -> None:
        self._wishes = wishes
        self._wanted = clients
        self._every = max(1, clients // max(1, strict))
        self._epoll = select.epoll()
        kind = counting.NatsCounter if nats else counting.Counter
        tickers, watch = wishes.tickers, wishes.watch
        self._counter = kind(tickers=tickers, wanted=watch or tickers, reply=self._reply)
        self._reader = native.reader(self._epoll, self._counter)
        self._by_fd: dict[int, Client] = {}
        self._everybody: list[Client] = []
        self._by_tally: dict[int, Client] = {}
        self._closed: Multiset[str] = Multiset()
        self._refusals: Multiset[str] = Multiset()
        self._reads = 0
        self._bytes = 0

    def join(self, within: float) -> float:
        """Open every client; returns the seconds it took.

        Raises:
            SystemExit: not everybody was in after *within* seconds.
        """
        began = time.monotonic()
        numbers = range(self._wanted)
        joining = Joining(self._wishes, numbers, lambda n: n % self._every == 0, self._epoll, self._ready)
        self._refusals = joining.refusals
        while not joining.done:
            if time.monotonic() - began > within:
                raise SystemExit(
                    f"{len(self._by_fd)} of {self._wanted} clients joined; refusals: {dict(joining.refusals)}"
                )
            joining.open_some()
            for fd, _ in self._epoll.poll(0.002):
                if not joining.step(fd):
                    self._read(self._by_fd[fd])
        return time.monotonic() - began

    def _ready(self, client: Client) -> None:
        self._by_fd[client.socket.fileno()] = client
        self._everybody.append(client)
        self._epoll.modify(client.socket, select.EPOLLIN | select.EPOLLET)
        self._by_tally[id(client.tally)] = client
        self._counter.buffer[: len(client.received)] = client.received
        self._counter.take(client.tally, len(client.received), time.monotonic_ns())
        client.received = b""

    def _read(self, client: Client) -> None:
        """Read once from *client* and count it."""
        tail = client.tally.tail
        if kept := len(tail):
            self._counter.buffer[:kept] = tail
        try:
            got = client.receive(self._counter.view[kept:] if kept else self._counter.view)
        except BlockingIOError:
            return
        except OSError as error:
            got = -(error.errno or 0)
        self._reads += 1
        self._bytes += max(0, got)
        self._take(client, kept, got)

    def _take(self, client: Client, kept: int, got: int) -> None:
        """Count what stands in the buffer: *kept* bytes from earlier and *got* new ones."""
        tally = client.tally
        if got < 0:
            self._gone(client, type(OSError(-got, "")).__name__)
            return
        if not got:
            self._gone(client, f"code {tally.close_code}" if tally.close_code else "no close frame")
            return
        self._counter.take(tally, kept + got, time.monotonic_ns())
        if kept + got == BUFFER_BYTES:  # the epoll tells of new data, not of what is left
            self._read(client)

    def _gone(self, client: Client, why: str) -> None:
        self._closed[why] += 1
        fd = client.socket.fileno()
        self._reader.know(fd, None)
        self._epoll.unregister(fd)
        client.socket.close()
        del self._by_fd[fd]

    def _reply(self, tally: counting.Tally, opcode: int, payload: bytes) -> None:
        client = self._by_tally.get(id(tally))
        if client is not None:
            answer = handshake.PONG if opcode == handshake.PING else opcode
            client.socket.send(handshake.masked(answer, payload))

    def run_until(self, moment: float) -> str | None:
        """Read everybody until *moment* (CLOCK_MONOTONIC seconds), or until a line of standard input comes.

        Returns:
            That line ("" at its end), or None when the moment came first.
        """
        reader, by_fd, clock = self._reader, self._by_fd, time.monotonic
        while clock() < moment:
            for fd, got in reader.unread(moment):
                if not fd:
                    return sys.stdin.readline()
                client = by_fd[fd]
                if got is None:
                    self._read(client)
                else:
                    self._take(client, 0, got)
                if fd in by_fd:
                    reader.know(fd, client.tally)
                if clock() >= moment:  # a pass over full sockets can take a second
                    return None
            if reader.ready > _SETTLE_ABOVE:  # busy: let data gather, so that one read takes more of it
                time.sleep(_SETTLE_SECONDS)
        return None

    def serve(self) -> None:
        """Obey the lines of standard input until it ends."""
        self._epoll.register(0, select.EPOLLIN)
        while line := self.run_until(time.monotonic() + 3600):
            begin, end = json.loads(line)["measure"]
            result = self.measure(begin, end)
            if result is None:
                return
            print(json.dumps({"result": result}), flush=True)

    def measure(self, begin: float, end: float) -> dict[str, Any] | None:
        """Figures of the time between *begin* and *end*; None when told to stop before."""
        if self.run_until(begin) is not None:
            return None
        tallies = [client.tally for client in self._everybody]
        self._counter.oldest.clear()
        self._counter.sample.clear()
        before = [tally.events for tally in tallies]
        (reads, received), cpu, began = self._totals(), time.process_time(), time.monotonic()
        if self.run_until(end) is not None:
            return None
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        reads_now, received_now = self._totals()
        events = [tally.events - earlier for tally, earlier in zip(tallies, before, strict=True)]
        return {
            "reader": self._reader.name,
            "seconds": seconds,
            "events": sum(events),
            "events_per_second": sum(events) / seconds,
            "fewest_events": min(events),
            "most_events": max(events),
            "bytes_per_second": (received_now - received) / seconds,
            "reads_per_second": (reads_now - reads) / seconds,
            "cpu_share": cpu / seconds,
            "latency_sample": self._counter.sample.summary(),
            "latency_oldest_of_each_read": self._counter.oldest.summary(),
            "connected_at_end": len(self._by_fd),
            "closed": dict(self._closed),
            "refusals": dict(self._refusals),
            "missing_or_doubled": self._holes(),
            "totals": counting.summary(tallies),
        }

    def _totals(self) -> tuple[int, int]:
        """Reads and bytes since the beginning, whoever read them."""
        return self._reads + self._reader.reads, self._bytes + self._reader.bytes

    def _holes(self) -> int:
        wishes = self._wishes
        return sum(
            abs(counting.missing(client.tally, tickers=wishes.tickers, hears=wishes.hears(client.number)))
            for client in self._everybody
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.swarm", description="Many WebSocket clients, counted."
    )
    parser.add_argument("--url", required=True, help="ws://host:port/path")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument(
        "--strict", type=int, default=50, help="clients whose every message is timed and checked"
    )
    parser.add_argument("--subprotocol")
    parser.add_argument(
        "--send", action="append", default=[], help="first frame; @TOPICS@ becomes a JSON list"
    )
    parser.add_argument("--topic", default="signal.v1.{symbol}")
    parser.add_argument("--tickers", type=int, default=50)
    parser.add_argument("--watch", type=int, default=0, help="tickers per client; 0: all, by a wildcard")
    parser.add_argument("--ready-when", default="", help="text whose arrival makes a client ready")
    parser.add_argument("--nats", action="store_true", help="the NATS protocol in binary frames")
    parser.add_argument("--connects-per-second", type=float, default=2000)
    parser.add_argument("--connect-within", type=float, default=60, help="seconds for everybody to join")
    parser.add_argument("--receive-buffer", type=int, default=0, help="SO_RCVBUF; 0: the system's choice")
    return parser.parse_args()


def raise_file_limit() -> None:
    """Use every file descriptor this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Join, say so, then obey standard input."""
    options = _arguments()
    raise_file_limit()
    wishes = Wishes(
        url=options.url,
        subprotocol=options.subprotocol,
        send=tuple(options.send),
        topic=options.topic,
        tickers=options.tickers,
        watch=options.watch,
        ready_when=options.ready_when.encode(),
        binary=options.nats,
        per_second=options.connects_per_second,
        receive_buffer=options.receive_buffer,
    )
    swarm = Swarm(wishes, clients=options.clients, strict=options.strict, nats=options.nats)
    seconds = swarm.join(options.connect_within)
    print(json.dumps({"ready": options.clients, "connect_seconds": seconds}), flush=True)
    swarm.serve()


if __name__ == "__main__":
    main()
