"""How spans leave a process: to a collector, saying nothing that is not ours to say, and nobody waits."""

import json
import time

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.util._once import Once
from structlog.testing import capture_logs

from tests.observability.conftest import Collector, facts
from tests.test_settings import settings
from traces import LAST_SECONDS, PATIENCE_SECONDS, QUEUE, Door, traced

SECRET = "whsec_c2VjcmV0LW9mLXNvbWVib2R5"
CARD_LIKE = "4242424242424242"


@pytest.fixture(autouse=True)
def _a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


def some_work(times: int = 1) -> None:
    for _ in range(times):
        with trace.get_tracer("test").start_as_current_span("work"):
            pass


def test_a_collector_that_refuses_is_told_of_once_and_when_it_is_well_again(collector: Collector) -> None:
    door = Door(OTLPSpanExporter(f"{collector.url}/v1/traces"))
    with capture_logs() as lines:
        for status in (b"500 No", b"500 No", b"200 Yes", b"200 Yes"):
            collector.answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
            door.export([])
    assert len(collector.taken) == 4
    assert [line["event"] for line in lines] == ["traces_not_exported", "traces_exported_again"]
    assert collector.url not in json.dumps(lines)


def test_spans_reach_the_collector_under_their_services_name(collector: Collector) -> None:
    with traced(settings(otlp_endpoint=collector.url), "paysaga-worker"):
        some_work()
    assert collector.paths == ["/v1/traces"]
    assert [span.name for span in collector.spans["paysaga-worker"]] == ["work"]


def test_what_is_not_ours_to_say_does_not_leave(collector: Collector) -> None:
    told = {
        "paysaga.tenant": "ten_1",
        "paysaga.request_id": SECRET,
        "http.url": f"https://pay.example.com/?token={SECRET}",
        "db.statement": f"SELECT '{SECRET}'",
    }
    with (
        traced(settings(otlp_endpoint=collector.url), "paysaga-api"),
        pytest.raises(ValueError, match=SECRET),
        trace.get_tracer("test").start_as_current_span("work", attributes=told),
    ):
        raise ValueError(f"{SECRET} and {CARD_LIKE}")
    (span,) = collector.spans["paysaga-api"]
    assert facts(span) == {
        "paysaga.tenant": "ten_1",
        "paysaga.request_id": "[secret]",
        "error.type": "ValueError",
    }
    assert span.status.code == span.status.STATUS_CODE_ERROR
    sent = b"".join(request.SerializeToString() for request in collector.taken)
    assert SECRET.encode() not in sent
    assert CARD_LIKE.encode() not in sent


@pytest.mark.parametrize(("share", "sent"), [(0, 0), (1, 1)])
def test_only_the_share_that_is_wanted_is_sent(collector: Collector, share: float, sent: int) -> None:
    with traced(settings(otlp_endpoint=collector.url, traces_sampled=share), "paysaga-api"):
        some_work()
    assert len(collector.taken) == sent


def test_nobody_waits_for_a_collector_that_hangs(collector: Collector) -> None:
    collector.answer = None
    with traced(settings(otlp_endpoint=collector.url), "paysaga-api"):
        # The first ones wake the sender, which then waits for an answer that does not come.
        some_work(QUEUE)
        assert collector.asked.wait(10)
        began = time.monotonic()
        some_work(QUEUE)
        # Whoever waited for each full batch would have been at it for longer than the collector is given.
        assert time.monotonic() - began < 3 * PATIENCE_SECONDS
        left_at = time.monotonic()
    # What is too much for the queue is dropped; the process leaves, and takes no half minute for it.
    assert time.monotonic() - left_at < LAST_SECONDS + 5


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\n\xff\x00{",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b"\x00\x01\x02 not HTTP at all",
    ],
    ids=["refusal", "redirect", "page", "garbage"],
)
def test_whatever_the_collector_answers_the_process_goes_on(collector: Collector, answer: bytes) -> None:
    collector.answer = answer
    with traced(settings(otlp_endpoint=collector.url), "paysaga-api"):
        some_work()


def test_without_a_collector_there_are_no_spans() -> None:
    with traced(settings(), "paysaga-api"), trace.get_tracer("test").start_as_current_span("work") as span:
        assert not span.get_span_context().is_valid
