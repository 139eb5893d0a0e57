"""Fields that cannot be used are refused with their place; secrets stay out of what is shown; TLS and SASL reach the client."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.components.kafka.parts import kafka_input
from penstock_gateway.components.kafka import KafkaInputConfig, KafkaOutputConfig
from penstock_gateway.config import Rules
from penstock_gateway.errors import ConfigError, NotConnected
from penstock_gateway.lint import lint_stream

INPUT = {"addresses": ["k:9092"], "topics": ["t"]}
OUTPUT = {"addresses": ["k:9092"], "topic": "t"}


@pytest.mark.parametrize(
    "fields",
    [
        {"addresses": []},
        {"addresses": ["k:port"]},
        {"topics": []},
        {"topics": ["a", "b:1"]},
        {"checkpoint_limit": 0},
        {"group": {"heartbeat_interval": "10s"}},
        {"transaction_isolation_level": "serializable"},
        {"extract_tracing_map": "root = {}"},
        {"sasl": {"mechanism": "AWS_MSK_IAM"}},
        {"sasl": {"mechanism": "PLAIN"}},
        {"sasl": {"mechanism": "OAUTHBEARER"}},
        {"tls": {"enable_renegotiation": True}},
        {"tls": {"client_certs": [{"cert": "x"}]}},
        {"commit_period": 5},
    ],
)
def test_inputs_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KafkaInputConfig.model_validate({**INPUT, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"partitioner": "manual"},
        {"partition": "1"},
        {"partitioner": "sticky"},
        {"compression": "br"},
        {"max_in_flight": 0},
        {"inject_tracing_map": "root = {}"},
        {"metadata": {"include_prefixes": ["a"]}},
        {"topic": ""},
    ],
)
def test_outputs_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KafkaOutputConfig.model_validate({**OUTPUT, **fields})


def test_a_group_is_needed_unless_partitions_are_named() -> None:
    with pytest.raises(ConfigError, match="a consumer group must be specified"):
        kafka_input("k:9092", "t")
    assert kafka_input("k:9092", "t:0").replays
    assert kafka_input("k:9092", "t", broadcast=True).replays


def test_addresses_may_hold_several() -> None:
    config = KafkaInputConfig.model_validate({**INPUT, "addresses": ["a:1, b:2", "c"]})
    assert config.addresses == ["a:1", "b:2", "c"]


def test_sasl_and_tls_reach_the_client_and_no_secret_is_shown() -> None:
    sasl = {"mechanism": "SCRAM-SHA-512", "user": "me", "password": "hush"}
    config = KafkaInputConfig.model_validate(
        {**INPUT, "sasl": sasl, "tls": {"enabled": True, "skip_cert_verify": True}}
    )
    arguments = config.arguments()
    assert (arguments["security_protocol"], arguments["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert arguments["sasl_plain_password"] == "hush"
    assert "hush" not in repr(config)


def test_a_certificate_that_cannot_be_read_is_named_without_its_content() -> None:
    config = KafkaInputConfig.model_validate(
        {**INPUT, "tls": {"enabled": True, "client_certs": [{"cert": "SECRET", "key": "SECRET"}]}}
    )
    with pytest.raises(NotConnected, match="tls: a certificate or key cannot be used") as caught:
        config.arguments()
    assert "SECRET" not in str(caught.value)


def test_a_batch_policy_without_a_count_ends_at_the_checkpoint_limit() -> None:
    config = KafkaInputConfig.model_validate({**INPUT, "batching": {"period": "1s"}})
    assert config.batching.count == 1024


def test_files_of_the_host_exist_for_bare_configurations_only() -> None:
    """A StreamAPI's author must not read the pod's files by way of TLS."""
    files = {"root_cas_file": "/etc/ca.pem", "client_certs": [{"cert_file": "/a", "key_file": "/b"}]}
    stream = {
        "input": {"kafka": {**INPUT, "consumer_group": "g", "tls": {"enabled": True, **files}}},
        "output": {"drop": {}},
    }
    found = {str(problem.path[3:]): problem.rule for problem in lint_stream(stream, ())}
    assert len(found) == 3
    assert set(found.values()) == {"host"}
    assert lint_stream(stream, (), Rules(bare=True)) == []
