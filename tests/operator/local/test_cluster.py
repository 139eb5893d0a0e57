"""A folder of YAML files in, the gateway's folder out."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from penstock_gateway import access as gateway_access
from penstock_gateway import streams
from penstock_gateway.errors import ConfigError
from penstock_operator import keys
from penstock_operator.local.cluster import DirCluster
from penstock_operator.resources.documents import Name
from penstock_operator.world import Ref, Settings

ORDERS = """
apiVersion: penstock.dev/v1alpha1
kind: StreamAPI
metadata: {name: orders}
spec:
  variables:
  - {name: BROKERS, value: "kafka:9092"}
  streams:
  - name: live
    config:
      input:
        generate:
          mapping: root.n = 1
      output:
        http_server: {stream_path: /events, stream_format: event_source}
  authentication: {methods: [{name: key, apiKey: {}}]}
"""
GOLD = """
apiVersion: penstock.dev/v1alpha1
kind: Policy
metadata: {name: gold}
spec:
  targets: [{name: orders}]
"""
MOBILE = """
apiVersion: penstock.dev/v1alpha1
kind: Key
metadata: {name: mobile}
spec:
  policyRefs: [{name: gold}]
"""


class Place:
    """A folder, its state folder, and a clock that stands still."""

    def __init__(self, path: Path) -> None:
        self.folder, self.state = path / "files", path / ".penstock"
        self.folder.mkdir()
        self.now = 1_800_000_000.0
        self.cluster = self.start()

    def start(self, **settings: Any) -> DirCluster:
        chosen = Settings(shared_port=True, base_url="http://127.0.0.1:8080", **settings)
        self.cluster = DirCluster([self.folder], self.state, chosen, clock=lambda: self.now)
        return self.cluster

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text)

    def read(self, path: str) -> Any:
        return json.loads((self.state / path).read_text())

    def condition(self, kind: str, name: str, type_: str) -> str:
        done = self.cluster.apply().plans[Ref(kind, Name("default", name))]
        found = next(it for it in (done.status or {})["conditions"] if it["type"] == type_)
        return f"{found['status']} {found['reason']}"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write("orders.yaml", ORDERS)
    made.write("deep/gold.yml", GOLD)
    made.write("mobile.yaml", MOBILE)
    return made


def test_the_folder_is_what_the_gateway_reads(place: Place) -> None:
    applied = place.cluster.apply()
    assert applied.problems == []
    loaded = streams.load(streams.read(place.state), place.state)
    assert [(stream.api, stream.name) for stream in loaded] == [("default/orders", "live")]
    document = gateway_access.read_api((place.state / "access/default.orders.json").read_bytes())
    assert set(document.policies) == {"default/gold"}
    shard = gateway_access.read_keys((place.state / "keys/default.orders-0.json").read_bytes())
    text = place.cluster.key_text(Name("default", "mobile-key"))
    assert text is not None
    assert shard.keys[keys.digest(text)].key == "default/mobile"


def test_what_is_secret_is_readable_by_its_owner_alone(place: Place) -> None:
    place.cluster.apply()
    for path in place.state.rglob("*"):
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        else:
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_the_plain_text_of_a_key_is_in_its_secret_and_nowhere_else(place: Place) -> None:
    place.cluster.apply()
    text = place.cluster.key_text(Name("default", "mobile-key"))
    assert text is not None
    holding = [path.name for path in place.state.rglob("*.json") if text in path.read_text()]
    assert holding == []


def test_keys_ids_and_times_survive_a_restart(place: Place) -> None:
    place.cluster.apply()
    before = {path: path.read_bytes() for path in place.state.rglob("*.json")}
    place.now += 60
    assert place.start().apply().changed == []
    assert {path: path.read_bytes() for path in place.state.rglob("*.json")} == before


def test_a_key_that_is_generated_expires_from_its_issue(place: Place) -> None:
    place.write("deep/gold.yml", GOLD + "  keyExpiry: 1h\n")
    place.cluster.apply()
    place.now += 600
    assert place.cluster.apply().again_in == 3000
    place.now += 3000
    assert place.condition("Key", "mobile", "Ready") == "False Expired"


def test_a_file_that_is_not_yaml_changes_nothing_and_is_named(place: Place) -> None:
    place.cluster.apply()
    place.write("orders.yaml", ORDERS + "  x: [\n")
    applied = place.cluster.apply()
    (problem,) = applied.problems
    assert problem.file.endswith("orders.yaml")
    assert (problem.line, problem.rule) == (18, "yaml")
    assert applied.changed == []


def test_a_mistake_in_a_mapping_keeps_the_last_good_streams_and_says_where(place: Place) -> None:
    place.cluster.apply()
    before = (place.state / "pipeline.json").read_bytes()
    place.write("orders.yaml", ORDERS.replace("root.n = 1", "root.n ="))
    (problem,) = place.cluster.apply().problems
    assert problem.line == 13
    assert "spec.streams[0].config.input.generate.mapping" in str(problem)
    assert (place.state / "pipeline.json").read_bytes() == before


def test_a_mistake_in_the_access_settings_closes_the_api(place: Place) -> None:
    """Access never falls back to an older state: the gateway cannot read this document and answers 503."""
    place.cluster.apply()
    place.write("orders.yaml", ORDERS + "  limits: {connections: 0}\n")
    applied = place.cluster.apply()
    assert [problem.text for problem in applied.problems] == ["must be at least 1; leave the field out for no limit"]
    with pytest.raises(ConfigError):
        gateway_access.read_api((place.state / "access/default.orders.json").read_bytes())
    assert (place.state / "pipeline.json").exists()


def test_a_policy_that_cannot_be_read_grants_nothing(place: Place) -> None:
    place.cluster.apply()
    place.write("deep/gold.yml", GOLD + "  stat: Active\n")
    place.cluster.apply()
    assert place.read("access/default.orders.json")["policies"] == {}
    assert place.read("keys/default.orders-0.json")["keys"] == {}


def test_a_file_that_goes_takes_its_objects_with_it(place: Place) -> None:
    place.cluster.apply()
    (place.folder / "orders.yaml").unlink()
    place.cluster.apply()
    assert place.read("pipeline.json")["apis"] == []
    assert [path.name for part in ("access", "keys", "signing") for path in (place.state / part).glob("*.json")] == []


def test_other_kinds_are_passed_over_with_a_note(place: Place) -> None:
    place.write("web.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    place.write("values.yaml", "a: 1\n")
    place.write(".hidden/x.yaml", "{")
    applied = place.cluster.apply()
    assert applied.problems == []
    assert [note.split(": ", 1)[1] for note in applied.notes] == [
        "not a Kubernetes object, passed over",
        "Deployment web passed over",
    ]


def test_an_object_that_is_written_twice_is_named(place: Place) -> None:
    place.write("again.yaml", GOLD)
    (problem,) = place.cluster.apply().problems
    assert "Policy default/gold is written twice" in problem.text
    assert problem.rule == "duplicate-object"


def test_a_wrong_kind_is_named_with_what_was_meant(place: Place) -> None:
    place.write("again.yaml", GOLD.replace("Policy", "Polcy"))
    (problem,) = place.cluster.apply().problems
    assert (problem.line, problem.column) == (3, 1)
    assert "did you mean `Policy`?" in problem.text


SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: kafka, labels: {penstock.dev/usable-by: stream-api}}
stringData: {password: hunter2, ca.pem: PEM}
"""
USES = """
  files: [{name: tls, secretRef: {name: kafka, items: [ca.pem]}}]
"""


def uses_secret(place: Place) -> None:
    place.write("secret.yaml", SECRET)
    variable = (
        "  - {name: PASSWORD, valueFrom: {secretKeyRef: {name: kafka, key: password}}}\n  - {name: BROKERS, value"
    )
    place.write("orders.yaml", ORDERS.replace("  - {name: BROKERS, value", variable) + USES)


def test_secrets_become_files_and_are_nowhere_else(place: Place) -> None:
    uses_secret(place)
    assert place.cluster.apply().problems == []
    assert (place.state / "variables/default.orders/PASSWORD").read_text() == "hunter2"
    assert (place.state / "files/default.orders/tls/ca.pem").read_text() == "PEM"
    holding = [path.name for path in place.state.rglob("*.json") if "hunter2" in path.read_text()]
    assert holding == []
    (loaded,) = streams.load(streams.read(place.state), place.state)
    assert loaded.variables == {"PASSWORD": "hunter2", "BROKERS": "kafka:9092"}
    assert loaded.files("tls/ca.pem") == b"PEM"


def test_a_secret_that_goes_while_it_is_in_use_keeps_the_last_good_state_c34(place: Place) -> None:
    uses_secret(place)
    place.cluster.apply()
    (place.folder / "secret.yaml").unlink()
    assert place.condition("StreamAPI", "orders", "ResolvedRefs") == "False SecretNotFound"
    assert (place.state / "variables/default.orders/PASSWORD").read_text() == "hunter2"
    assert len(place.read("pipeline.json")["apis"]) == 1


def test_a_variable_can_be_overridden_from_outside(place: Place) -> None:
    place.start(variables={"BROKERS": "127.0.0.1:1"}).apply()
    assert place.read("pipeline.json")["apis"][0]["variables"] == {"BROKERS": {"value": "127.0.0.1:1"}}


def test_a_lost_credential_is_made_again(place: Place) -> None:
    place.cluster.apply()
    before = place.cluster.key_text(Name("default", "mobile-key"))
    (place.state / "secrets/default.mobile-key.json").unlink()
    events = place.cluster.apply().events
    after = place.cluster.key_text(Name("default", "mobile-key"))
    assert after not in (None, before)
    assert list(place.read("keys/default.orders-0.json")["keys"]) == [keys.digest(after or "")]
    assert [event.reason for event in events] == ["KeyRegenerated"]


def test_the_readiness_follows_what_the_gateway_says(place: Place) -> None:
    place.cluster.apply()
    assert place.condition("StreamAPI", "orders", "Ready") == "False NoGateway"
    stream = {"name": "live", "ready": True, "connected": True, "faults": []}
    place.cluster.observe({"problems": [], "apis": {"default/orders": [stream]}})
    assert place.condition("StreamAPI", "orders", "Ready") == "True Ready"
    assert place.condition("Key", "mobile", "Programmed") == "True Programmed"
    place.cluster.observe({"problems": ["no"], "apis": {"default/orders": [stream]}})
    assert place.condition("StreamAPI", "orders", "Ready") == "False RollingOut"


def test_rendering_writes_nothing(place: Place) -> None:
    applied = place.cluster.render()
    assert not place.state.exists()
    assert [str(mint.secret) for done in applied.plans.values() for mint in done.mint] == ["default/mobile-key"]


def bomb() -> str:
    """Nine levels of nine references each."""
    levels = zip("abcdefgh", "bcdefghi", strict=True)
    return "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in levels)


@pytest.mark.parametrize(
    "text", [bomb(), "a: " + "[" * 5000, "\x00", "kind: [", "- " * 3000, "!!python/object/apply:os.system [id]"]
)
def test_hostile_files_are_named_and_hurt_nobody_c46(place: Place, text: str) -> None:
    place.write("evil.yaml", text)
    applied = place.cluster.apply()
    assert all(problem.file.endswith("evil.yaml") for problem in applied.problems)
    assert len(applied.problems) + len(applied.notes) == 1
    assert len(place.read("pipeline.json")["apis"]) == 1


def test_a_key_that_is_written_twice_in_a_mapping_is_named_c46(place: Place) -> None:
    place.write("gold2.yaml", GOLD.replace("gold", "gold2") + "  state: Active\n  state: Denied\n")
    (problem,) = place.cluster.apply().problems
    assert problem.rule == "duplicate-key"
    assert problem.line == 8


def test_links_to_folders_are_not_followed(place: Place) -> None:
    (place.folder / "deep" / "round").symlink_to(place.folder)
    (place.folder / "linked.yaml").symlink_to(place.folder / "orders.yaml")
    (problem,) = place.cluster.apply().problems
    assert "is written twice" in problem.text


def test_names_cannot_leave_the_state_folder_c33(place: Place, tmp_path: Path) -> None:
    place.write("evil.yaml", MOBILE.replace("{name: mobile}", "{name: mobile, namespace: ../../../x}"))
    place.write(
        "map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {../../../y: z, '..': z, good: z}\n"
    )
    place.write("orders.yaml", ORDERS + "  files: [{name: f, configMapRef: {name: m}}]\n")
    place.cluster.apply()
    assert sorted(path.name for path in (place.state / "files/default.orders/f").iterdir()) == ["good"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".penstock", "files"]
