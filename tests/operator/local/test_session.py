"""One run of local mode in this process: what a person at a laptop sees, without a broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from penstock_operator.cli import client, send, tail
from penstock_operator.local import session
from penstock_operator.local.session import Options

TICKS = """
apiVersion: penstock.dev/v1alpha1
kind: StreamAPI
metadata: {name: ticks}
spec:
  streams:
  - name: live
    config:
      input: {generate: {interval: 50ms, mapping: 'root.tick = counter()'}}
      output: {http_server: {stream_path: /events, stream_format: event_source}}
  - name: in
    config:
      input: {http_server: {path: /in}}
      output: {drop: {}}
  authentication: {methods: [{name: key, apiKey: {}}]}
"""
GOLD = """
apiVersion: penstock.dev/v1alpha1
kind: Policy
metadata: {name: gold}
spec:
  targets: [{name: ticks}]
"""
MOBILE = """
apiVersion: penstock.dev/v1alpha1
kind: Key
metadata: {name: mobile}
spec:
  policyRefs: [{name: gold}]
"""


class Run:
    """A running session and a client."""

    def __init__(self, folder: Path, state: Path, client: aiohttp.ClientSession) -> None:
        self.folder, self.state, self.client = folder, state, client
        self.said: list[str] = []
        self.task = asyncio.create_task(session.run(Options(folder, state, "", "127.0.0.1", 0, 0), self.said.append))

    async def until(self, holds: Callable[[], Any], seconds: float = 10) -> Any:
        """Wait until something holds; the session must not end meanwhile."""
        async with asyncio.timeout(seconds):
            while not (found := holds()):
                assert not self.task.done(), self.task.result() if not self.task.cancelled() else "cancelled"
                await asyncio.sleep(0.01)
            return found

    async def check(self, holds: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
        """Wait until something that takes a request holds."""
        async with asyncio.timeout(seconds):
            while not (found := await holds()):
                await asyncio.sleep(0.02)
            return found

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.state / "dev.json").read_text())
        return found

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    @property
    def url(self) -> str:
        return str(self.facts()["apis"][0]["url"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.facts()['keys'][0]['key']}"}

    async def status(self, path: str, method: str = "POST") -> int:
        async with self.client.request(method, self.url + path, headers=self.headers, data=b"{}") as response:
            return response.status


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("ticks.yaml", TICKS), ("gold.yaml", GOLD), ("mobile.yaml", MOBILE)):
        (folder / name).write_text(text)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as client:
        made = Run(folder, tmp_path / ".penstock", client)
        await made.until(lambda: (made.state / "dev.json").exists())
        yield made
        if not made.task.done():
            os.kill(os.getpid(), signal.SIGINT)
        async with asyncio.timeout(10):
            assert await made.task == 0


async def events(response: aiohttp.ClientResponse, count: int) -> list[Any]:
    """The data of the next messages of a stream."""
    found: list[Any] = []
    async with asyncio.timeout(10):
        async for line in response.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if len(found) == count:
                    break
    return found


async def test_dev_json_says_what_there_is(run: Run) -> None:
    facts = run.facts()
    port = run.url.split(":")[2].split("/")[0]
    assert facts["ready"] is True
    assert facts["kafka"] == ""
    streams = {"live": {"sse": "/events"}, "in": {"post": "/in"}}
    url = f"http://127.0.0.1:{port}/ticks"
    assert facts["apis"] == [{"namespace": "default", "name": "ticks", "url": url, "ready": True, "streams": streams}]
    assert [(key["name"], key["policies"]) for key in facts["keys"]] == [("mobile", ["gold"])]


async def test_a_key_opens_and_its_absence_does_not(run: Run) -> None:
    assert await run.status("/in") == 200
    async with run.client.post(run.url + "/in", data=b"{}") as response:
        assert response.status == 401


async def test_an_edit_of_a_mapping_reaches_a_client_that_stays_connected(run: Run) -> None:
    async with run.client.get(run.url + "/events", headers=run.headers) as response:
        assert "tick" in (await events(response, 1))[0]
        run.write("ticks.yaml", TICKS.replace("root.tick", "root.tock"))
        async with asyncio.timeout(5):
            while "tock" not in (await events(response, 1))[0]:
                pass


async def test_a_mistake_is_told_with_its_place_and_the_last_good_state_serves_on(run: Run) -> None:
    run.write("ticks.yaml", TICKS.replace("root.tick = counter()", "root.tick ="))
    told = await run.until(lambda: [line for line in run.said if "ticks.yaml:9:" in line])
    assert "spec.streams[0].config.input.generate.mapping" in told[0]
    assert await run.status("/in") == 200
    run.write("ticks.yaml", TICKS)
    await run.until(lambda: [line for line in run.said if line.startswith("mended: ")])


async def test_a_disabled_key_ends_its_streams_within_two_seconds(run: Run) -> None:
    async with run.client.get(run.url + "/events", headers=run.headers) as response:
        await events(response, 1)
        run.write("mobile.yaml", MOBILE + "  state: Disabled\n")
        async with asyncio.timeout(2):
            text = await response.text()
    assert "event: penstock.limit" in text
    assert await run.status("/in") == 403


async def test_a_withdrawn_policy_takes_the_right(run: Run) -> None:
    (run.folder / "gold.yaml").unlink()

    async def refused() -> bool:
        return await run.status("/in") in (401, 403)

    await run.check(refused, 2)


async def test_an_api_whose_access_settings_are_wrong_answers_503(run: Run) -> None:
    run.write("ticks.yaml", TICKS + "  limits: {connections: 0}\n")

    async def closed() -> bool:
        return await run.status("/in") == 503

    await run.check(closed, 3)
    run.write("ticks.yaml", TICKS)

    async def open_again() -> bool:
        return await run.status("/in") == 200

    await run.check(open_again, 3)


async def test_a_second_api_appears_and_goes(run: Run) -> None:
    run.write("more.yaml", TICKS.replace("name: ticks", "name: more"))
    await run.until(lambda: len(run.facts()["apis"]) == 2 and all(api["ready"] for api in run.facts()["apis"]))
    (run.folder / "more.yaml").unlink()
    await run.until(lambda: len(run.facts()["apis"]) == 1)


async def test_the_end_drains_and_takes_dev_json_away(run: Run) -> None:
    async with run.client.get(run.url + "/events", headers=run.headers) as response:
        await events(response, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(10):
            text = await response.text()
            assert await run.task == 0
    assert "retry: " in text
    assert not (run.state / "dev.json").exists()


async def test_tail_prints_messages_and_finds_the_key(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    place = client.endpoint("ticks", "", "sse", run.state)
    assert place.key == run.facts()["keys"][0]["key"]
    async with asyncio.timeout(10):
        assert await tail.Reader(place, 2, "").run() == 0
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(second)["tick"] == json.loads(first)["tick"] + 1


async def test_send_posts_every_message_and_stops_at_the_first_refusal(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    place = client.endpoint("default/ticks:in", "", "post", run.state)
    assert await send.post(place, iter([b"{}", b"{}"]), "application/json") == 0
    assert "2 sent" in capsys.readouterr().err
    refused = client.Endpoint(place.url, "nonsense")
    assert await send.post(refused, iter([b"{}", b"{}"]), "application/json") == 1
    assert "401" in capsys.readouterr().err


async def test_two_inputs_may_leave_the_paths_they_do_not_use_at_their_defaults(run: Run) -> None:
    second = "  - {name: in2, config: {input: {http_server: {path: /in2}}, output: {drop: {}}}}\n"
    run.write("ticks.yaml", TICKS.replace("  authentication", second + "  authentication"))

    async def both() -> bool:
        return (await run.status("/in"), await run.status("/in2")) == (200, 200)

    await run.check(both)
    assert not [line for line in run.said if "already" in line]
    state = json.loads((run.state / "state.json").read_text())["objects"]["StreamAPI default/ticks"]["status"]
    await run.until(lambda: run.facts()["ready"])
    assert {it["type"]: it["status"] for it in state["conditions"]}["Connected"] != "False"


async def test_a_disabled_api_stops_its_streams_and_is_not_there(run: Run) -> None:
    async with run.client.get(run.url + "/events", headers=run.headers) as response:
        await events(response, 1)
        run.write("ticks.yaml", TICKS + "  state: Disabled\n")
        async with asyncio.timeout(5):
            await response.text()

    async def gone() -> bool:
        return await run.status("/in") == 404

    await run.check(gone, 3)
    await run.until(lambda: not json.loads((run.state / "pipeline.json").read_text())["apis"])
    run.write("ticks.yaml", TICKS)

    async def back() -> bool:
        return await run.status("/in") == 200

    await run.check(back, 5)


SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: words, labels: {penstock.dev/usable-by: stream-api}}
stringData: {word: WORD}
"""
VARIABLE = "spec:\n  variables: [{name: WORD, valueFrom: {secretKeyRef: {name: words, key: word}}}]"


async def test_a_changed_secret_reaches_the_streams_that_use_it(run: Run) -> None:
    run.write("secret.yaml", SECRET.replace("WORD", "first"))
    run.write("ticks.yaml", TICKS.replace("spec:", VARIABLE).replace("root.tick = counter()", 'root.tick = "${WORD}"'))

    async def says(word: str) -> bool:
        async with run.client.get(run.url + "/events", headers=run.headers) as response:
            return bool((await events(response, 1))[0] == {"tick": word})

    await run.check(lambda: says("first"))
    run.write("secret.yaml", SECRET.replace("WORD", "second"))
    await run.check(lambda: says("second"))
