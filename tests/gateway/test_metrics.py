"""The counters and the text a scrape gets."""

from __future__ import annotations

from dataclasses import fields

from penstock_gateway import metrics
from penstock_gateway.metrics import Metrics


def sample(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_counters_appear_with_their_labels() -> None:
    m = Metrics("1.2", "abc")
    m.input("shop/orders", "live", "in", "input").received += 3
    m.outlet("shop/orders", "live").gaps.add("overrun", 2)
    m.outlet("shop/orders", "live").latency.observe(0.003)
    text = m.exposition().decode()
    assert sample(text, "penstock_build_info").endswith('{revision="abc",version="1.2"} 1.0')
    line = sample(text, "penstock_input_received_total")
    assert line == 'penstock_input_received_total{api="shop/orders",label="in",path="input",stream="live"} 3.0'
    assert sample(text, "penstock_gaps_total").endswith('{api="shop/orders",reason="overrun",stream="live"} 2.0')
    assert 'le="0.0025",stream="live"} 0.0' in text
    assert 'le="0.005",stream="live"} 1.0' in text


def test_a_counter_is_made_once() -> None:
    m = Metrics()
    assert m.output("a", "b", "c", "d") is m.output("a", "b", "c", "d")
    assert m.output("a", "b", "c", "d") is not m.output("a", "b", "c", "e")


def test_every_name_is_ours_and_used_once() -> None:
    sorts = [getattr(metrics, name) for name in dir(metrics) if name.endswith("Counters")]
    names = [column.metadata["name"] for sort in sorts for column in fields(sort)]
    assert len(names) == len(set(names)) > 50
    assert all(name.startswith("penstock_") for name in names)
