"""Spans: what a collector hears, and what a process suffers from one that does not listen."""

import asyncio
import io
import json
import subprocess
import sys
import time

import pytest

from baleen_runtime import tracing
from baleen_runtime.collector import Collector
from baleen_runtime.errors import SettingsError
from baleen_runtime.exporting import traced
from baleen_runtime.logs import configure_logs
from baleen_runtime.otlp import LEAVE_WITHIN
from baleen_runtime.settings import ServiceSettings, load_settings
from baleen_runtime.tracing import Kind, span

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BEFORE = f"00-{TRACE}-{PARENT}-01"
SAMPLED = 1


@pytest.fixture
def log():
    """What is logged while a test runs, line by line, as JSON."""
    out = io.StringIO()
    configure_logs("info", "json", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    configure_logs()


@pytest.fixture
def exporting(monkeypatch):
    """A block in which spans go to a collector; variables of its own come on top."""

    def begin(collector, **more):
        variables = {**collector.variables, **more}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return traced(load_settings(ServiceSettings, variables), "a-service")

    return begin


def settings(**variables):
    """Settings as a service would read them."""
    return load_settings(ServiceSettings, variables)


async def test_without_a_collector_a_trace_is_handed_on_and_nothing_else_happens():
    """The span's place is taken by what the sender gave; after it, there is nothing to hand on."""
    async with traced(settings(), "a-service"):
        assert not tracing.recording()
        with span("work", Kind.SERVER, after=BEFORE) as one:
            one.note(baleen__x=1)
            one.fail("why")
            assert one.traceparent == BEFORE
            assert tracing.headers() == {"traceparent": BEFORE}
            with span("more", Kind.CLIENT, after=None):
                assert tracing.headers() is None
        assert tracing.headers() is None


def test_without_a_collector_no_exporter_is_imported():
    """Neither the SDK nor protobuf: a process with tracing off pays for none of it."""
    program = """
import asyncio, sys
from baleen_runtime import lifecycle, tracing
from baleen_runtime.settings import ServiceSettings
async def run(settings, stop):
    with tracing.span("work", tracing.Kind.SERVER, after=None) as one:
        one.note(x=1)
assert lifecycle.main(ServiceSettings, run) == 0
heavy = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google", "requests")
print([name for name in sys.modules if name.startswith(heavy)])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert ran.stdout.strip() == "[]"


async def test_spans_continue_what_came_before_and_say_what_was_noted(exporting):
    """By name, kind, parent and attributes; texts are cut, and a failure is told by its type alone."""
    with Collector() as collector:
        async with exporting(collector):
            assert tracing.recording()
            with span("outer", Kind.SERVER, after=BEFORE, http__route="/x", left__out=None) as outer:
                outer.note(baleen__long="x" * 1_000)
                with (
                    pytest.raises(ValueError, match="hush"),
                    span("inner", Kind.CLIENT, after=outer.traceparent),
                ):
                    raise ValueError("hush")
            with span("alone", Kind.INTERNAL, after=None):
                pass
        collector.wait(lambda heard: len(heard.spans) == 3)

    outer_told, inner, alone = (collector.named(name)[0] for name in ("outer", "inner", "alone"))
    assert (outer_told.trace, outer_told.parent, outer_told.kind) == (TRACE, PARENT, "SERVER")
    assert outer_told.attributes == {"http.route": "/x", "baleen.long": "x" * 200}
    assert outer.traceparent == f"00-{TRACE}-{outer_told.id}-01"
    assert (inner.trace, inner.parent, inner.failed) == (TRACE, outer_told.id, True)
    assert inner.attributes == {"error.type": "ValueError"}
    assert (alone.trace != TRACE, alone.parent, alone.failed) == (True, "", False)
    assert {one.service for one in collector.spans} == {"a-service"}


async def test_the_standard_variables_count(exporting):
    """A name of the operator's own, and a sampler that wants nothing: then ids still go on."""
    with Collector() as collector:
        named = {"OTEL_SERVICE_NAME": "their-name", "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
        async with exporting(collector, **named):
            with span("unwanted", Kind.SERVER, after=None) as unwanted:
                assert unwanted.traceparent is not None
                assert int(unwanted.traceparent[-2:], 16) & SAMPLED == 0
            with span("wanted", Kind.SERVER, after=BEFORE):
                pass
        collector.wait(lambda heard: bool(heard.spans))
    assert [(one.service, one.name) for one in collector.spans] == [("their-name", "wanted")]


async def test_a_library_that_is_switched_off_hands_on_what_came(exporting, monkeypatch):
    """`OTEL_SDK_DISABLED` silences the spans and cuts no trace."""
    with Collector() as collector:
        async with exporting(collector, OTEL_SDK_DISABLED="true"):
            with span("work", Kind.SERVER, after=BEFORE) as one:
                assert one.traceparent == BEFORE
    assert collector.spans == []


async def test_headers_reach_the_collector_and_no_log(exporting, log):
    """What authenticates us is shown to the collector alone."""
    with Collector() as collector:
        async with exporting(collector, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20s3cret-token"):
            with span("work", Kind.SERVER, after=None):
                pass
        collector.wait(lambda heard: bool(heard.spans))
    assert collector.headers[0]["authorization"] == "Bearer s3cret-token"
    assert [line["event"] for line in log()] == ["traces are exported"]
    assert "s3cret" not in json.dumps(log())


async def test_a_collector_that_is_away_is_told_once_and_harms_nothing(exporting, log):
    """One line for its cause, without the address's secrets; one more when it is back."""
    with Collector(status=503) as collector:
        away = collector.endpoint.replace("http://", "http://user:hush-hush@") + "/v1/traces"
        async with exporting(collector, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=away):
            for number in range(3):
                with span("work", Kind.SERVER, after=None):
                    pass
                await _until(lambda number=number: len(collector.headers) > number)
                await _until(lambda: len(_of(log(), "traces are not exported")) == 1)
            collector.status = 200
            with span("work", Kind.SERVER, after=None):
                pass
            await _until(lambda: bool(_of(log(), "traces are exported again")))
    [line] = _of(log(), "traces are not exported")
    assert line["cause"] == "status 503"
    assert "hush-hush" not in json.dumps(log())


async def test_nobody_at_the_address_is_told_by_name(exporting, log):
    """The operating system's word for it, and no address."""
    with Collector() as gone:
        pass
    async with exporting(gone):
        with span("work", Kind.SERVER, after=None):
            pass
        await _until(lambda: bool(_of(log(), "traces are not exported")), within=30)
    [line] = _of(log(), "traces are not exported")
    assert "Connection refused" in line["cause"]


async def test_a_silent_collector_does_not_keep_a_process_from_leaving(exporting, log):
    """It has its time, and then the process leaves without it."""
    with Collector(silent=60) as collector:
        async with exporting(collector, OTEL_EXPORTER_OTLP_TIMEOUT="30"):
            for _ in range(5_000):  # more than may wait: the rest is dropped
                with span("work", Kind.SERVER, after=None):
                    pass
            began = time.monotonic()
        took = time.monotonic() - began
    assert took < LEAVE_WITHIN + 5
    assert len(_of(log(), "left before all traces were exported")) == 1
    assert len(_of(log(), "spans are dropped")) <= 1


@pytest.mark.parametrize("endpoint", ["collector:4317", "grpc://collector:4317", "http://"])
def test_an_endpoint_that_is_none_refuses_the_start(endpoint):
    """By the variable's name, and without its value."""
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT is wrong") as caught:
        settings(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert endpoint not in str(caught.value)


def test_the_whole_url_goes_before_the_collectors():
    """As the standard has it."""
    base, whole = "http://collector:4318/", "https://other/v1/t?key=hush"
    assert settings().traces_endpoint is None
    assert settings(OTEL_EXPORTER_OTLP_ENDPOINT=base).traces_endpoint == "http://collector:4318/v1/traces"
    both = settings(OTEL_EXPORTER_OTLP_ENDPOINT=base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=whole)
    assert both.traces_endpoint == whole


def _of(lines, event):
    return [line for line in lines if line["event"] == event]


async def _until(enough, within=20):
    async with asyncio.timeout(within):
        while not enough():  # noqa: ASYNC110 - what is waited for happens on other threads
            await asyncio.sleep(0.02)
