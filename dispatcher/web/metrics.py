"""GET /metrics: the figures in Prometheus' text format, for whoever has the token.

They are read from the database when they are asked for, so any web process tells those of all. No address is trusted:
behind a proxy every caller has that of the proxy.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Final

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dispatcher.core.codes import Code
from dispatcher.engine.figures import FigureBook
from dispatcher.web.kit import WebKit

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Scrape(Collector):
    def __init__(self, book: FigureBook) -> None:
        self._found = book.read()

    def collect(self) -> Iterator[Metric]:
        found = self._found
        messages = GaugeMetricFamily(
            "dispatcher_messages", "Messages that are not final (at most 1000000 are counted).", labels=["state"]
        )
        for state, count in found.messages.items():
            messages.add_metric([state], count)
        yield messages
        yield GaugeMetricFamily("dispatcher_oldest_due_seconds", "How long the oldest due one has waited.", found.late)
        yield GaugeMetricFamily("dispatcher_callbacks_queued", "Callbacks that are owed.", found.callbacks)
        yield GaugeMetricFamily("dispatcher_workers", "Work processes that are alive.", found.workers)
        connections = GaugeMetricFamily(
            "dispatcher_connection_health",
            "The share that a connection has left; 0 while it is stopped, silent or not bound.",
            labels=["connection"],
        )
        for name, share in found.connections.items():
            connections.add_metric([name], share)
        yield connections
        senders = GaugeMetricFamily(
            "dispatcher_sender_health", "The share of a sender that is left to it.", labels=["sender", "connection"]
        )
        for (number, name), share in found.senders.items():
            senders.add_metric([number, name], share)
        yield senders
        alarms = GaugeMetricFamily(
            "dispatcher_alarms", "Alarms that are open, and how often each was raised.", labels=["kind", "subject"]
        )
        for alarm in found.alarms:
            alarms.add_metric([alarm.kind, alarm.subject], alarm.count)
        yield alarms


def door(book: FigureBook, token: str, kit: WebKit) -> Blueprint:
    """GET /metrics with `Authorization: Bearer TOKEN`."""
    metrics = Blueprint("metrics", __name__)
    expected = f"Bearer {token}".encode()

    @metrics.get("/metrics")
    def scrape() -> Response:
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode("utf-8", "replace"), expected):
            return kit.json(
                {"code": Code.DENIED, "message": "the token is wrong or missing"}, 401, {"WWW-Authenticate": "Bearer"}
            )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Scrape(book))
        return kit.text(generate_latest(registry), TEXT)

    return metrics
