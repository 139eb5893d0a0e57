"""Chains of checks: each looks at the world and one resource and says what stands against it, or nothing. Pure.

Two chains per kind. `accepted` finds what only an edit can mend; `resolved` finds references that may still appear. The first finding
decides the condition, so a chain reads as a table of contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock_gateway import delivery, paths
from penstock_gateway.errors import Problem
from penstock_operator import access, render
from penstock_operator.resources.documents import Key, Name, Policy, StreamAPI
from penstock_operator.resources.streamapi import check_path
from penstock_operator.world import World, absent

R = TypeVar("R")
SHOWN = 5
"""How many problems one message lists; the number of the others follows."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands against a resource: the reason is CamelCase and stable, the message says where and what to do."""

    reason: str
    message: str


Check = Callable[[World, R], Finding | None]


def first(chain: Sequence[Callable[[World, Any], Finding | None]], world: World, resource: Any) -> Finding | None:
    """The first finding of a chain."""
    return next((finding for check in chain if (finding := check(world, resource)) is not None), None)


def _listed(problems: Sequence[Problem]) -> str:
    shown = "; ".join(str(problem) for problem in problems[:SHOWN])
    return shown + (f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")


# --- StreamAPI ----------------------------------------------------------------------------------------------------------


def listen_path(world: World, api: StreamAPI) -> str:
    """The path an API is served under. On a shared port an API whose path another namespace also uses gets its namespace in front."""
    own = _own_path(api)
    if not world.settings.shared_port:
        return own
    namespace = api.meta.name.namespace
    others = {other.meta.name.namespace for other in world.apis.values() if _own_path(other) == own}
    return own if others == {namespace} else f"/{namespace}{own}"


def _own_path(api: StreamAPI) -> str:
    given = api.access.listen_path if api.access else None
    return given or f"/{api.meta.name.name}"


def _spec_is_valid(world: World, api: StreamAPI) -> Finding | None:
    return Finding("Invalid", _listed(api.problems)) if api.problems else None


def _path_is_free(world: World, api: StreamAPI) -> Finding | None:
    path = _own_path(api)
    try:
        check_path(path)
    except ValueError as error:
        return Finding("InvalidPath", f"spec.listenPath: {path} {error}")
    older = path_owner(world, api)
    if older is None:
        return None
    return Finding("ListenPathConflict", f"spec.listenPath: {path} belongs to {older}, which is older: choose another")


def path_owner(world: World, api: StreamAPI) -> Name | None:
    """The older API of the same namespace that has this API's path."""
    path, mine = _own_path(api), api.meta
    for other in sorted(world.apis.values(), key=lambda it: it.meta.age_key):
        same = other.meta.name.namespace == mine.name.namespace and _own_path(other) == path
        if same and other.meta.age_key < mine.age_key and not other.meta.deleting:
            return other.meta.name
    return None


def _configurations_are_valid(world: World, api: StreamAPI) -> Finding | None:
    problems = config_problems(world, api)
    return Finding("ConfigInvalid", _listed(problems)) if problems else None


def config_problems(world: World, api: StreamAPI) -> list[Problem]:
    """Everything that is wrong with the configurations of an API's streams, with paths from the top of the document."""
    defined = {variable.name for variable in (api.spec.variables if api.spec else None) or ()}
    problems: list[Problem] = []
    for _, path, config, wrong in render.configurations(world, api):
        problems += wrong
        compiled = None if config is None else world.compiled.get(render.compile_digest(world, api, config))
        for problem in compiled.problems if compiled else ():
            problems.append(Problem(problem.text, (*path, *problem.path), rule=problem.rule, within=problem.within))
        problems += render.undefined_variables(config, defined, path)
    return problems


def _routes_are_distinct(world: World, api: StreamAPI) -> Finding | None:
    taken: list[tuple[str, str, frozenset[str]]] = []
    for view in render.streams(world, api):
        for path, methods in view.compiled.routes if view.compiled else ():
            shape = paths.pattern(path).shape
            for owner, other, theirs in taken:
                if other == shape and (not methods or not theirs or methods & theirs):
                    shown = " ".join(sorted(methods & theirs)) or "WebSocket"
                    return Finding(
                        "ConfigInvalid", f"stream {view.name}: {shown} {path} is served by stream {owner} already"
                    )
            taken.append((view.name, shape, methods))
    return None


def _delivery_is_possible(world: World, api: StreamAPI) -> Finding | None:
    for view in render.streams(world, api):
        if view.verdict is not None and view.verdict.refused:
            return Finding("DeliveryRefused", f"stream {view.name}: {view.verdict.refused}")
    return None


def shared_groups(world: World, api: StreamAPI, view: render.StreamView) -> Iterator[tuple[str, Name]]:
    """Consumer groups of a competing stream that another API reads with as well, and whose that is."""
    if view.compiled is None or view.verdict is None or view.verdict.mode is delivery.Mode.BROADCAST:
        return
    for other in sorted(world.apis.values(), key=lambda it: it.meta.name):
        if other.meta.name == api.meta.name:
            continue
        for theirs in render.streams(world, other):
            broadcast = theirs.verdict is not None and theirs.verdict.mode is delivery.Mode.BROADCAST
            for group in theirs.compiled.groups if theirs.compiled and not broadcast else ():
                if group in view.compiled.groups:
                    yield group, other.meta.name


def _document_fits(world: World, api: StreamAPI) -> Finding | None:
    if any(config is None for _, _, config, _ in render.configurations(world, api)):
        return None
    size = render.size_of(render.pipeline(world, api))
    if size <= render.LARGEST:
        return None
    text = f"the rendered configuration is {size // 1024} KiB, at most {render.LARGEST // 1024} KiB fit: split the StreamAPI"
    return Finding("ConfigTooLarge", text)


def _config_maps_exist(world: World, api: StreamAPI) -> Finding | None:
    missing = next(render.missing_config_maps(world, api), None)
    return Finding(missing.reason, missing.message) if missing else None


def _secrets_may_be_read(world: World, api: StreamAPI) -> Finding | None:
    for name, entries in render.secret_references(api):
        secret = world.secrets.get(name)
        if secret is None:
            return Finding("SecretNotFound", absent(world, "Secret", name.name))
        refusal = access.refusal_of(secret, "stream-api", world.settings.labelled_secrets)
        if refusal:
            return Finding("RefNotPermitted", refusal)
        for entry in entries:
            if entry not in secret.entries:
                return Finding("SecretNotFound", f"Secret {name.name} has no entry {entry}")
    return None


def _names_are_free(world: World, api: StreamAPI) -> Finding | None:
    taken = world.conflicts.get(api.meta.name)
    return Finding("NameConflict", taken) if taken else None


API_ACCEPTED: tuple[Check[StreamAPI], ...] = (
    _names_are_free,
    _spec_is_valid,
    _path_is_free,
    _configurations_are_valid,
    _routes_are_distinct,
    _delivery_is_possible,
    _document_fits,
)
API_RESOLVED: tuple[Check[StreamAPI], ...] = (_config_maps_exist, _secrets_may_be_read)


# --- Policy -------------------------------------------------------------------------------------------------------------


def _policy_is_valid(world: World, policy: Policy) -> Finding | None:
    return Finding("Invalid", _listed(policy.problems)) if policy.problems else None


def _targets_exist(world: World, policy: Policy) -> Finding | None:
    namespace = policy.meta.name.namespace
    missing = [
        it.name for it in (policy.spec.targets if policy.spec else ()) if Name(namespace, it.name) not in world.apis
    ]
    if not missing:
        return None
    return Finding("TargetNotFound", f"no StreamAPI {', '.join(sorted(missing))} in namespace {namespace}")


POLICY_ACCEPTED: tuple[Check[Policy], ...] = (_policy_is_valid,)
POLICY_RESOLVED: tuple[Check[Policy], ...] = (_targets_exist,)


# --- Key ----------------------------------------------------------------------------------------------------------------

_HOLDING_TEXTS = {
    "PolicyNotFound": "Policy {} does not exist",
    "PolicyInvalid": "Policy {} cannot be used as it is",
    "RefNotPermitted": "Policy {} does not let in keys of this namespace (its `allowedKeys`)",
    "PolicyDraft": "Policy {} is a draft and takes no new keys",
    "TooManyKeys": "Policy {} takes no more keys of this namespace (`allowedKeys.maxPerNamespace`)",
}


def _key_is_valid(world: World, key: Key) -> Finding | None:
    return Finding("Invalid", _listed(key.problems)) if key.problems else None


def _credential_is_usable(world: World, key: Key) -> Finding | None:
    known = access.credentials(world, key, 0.0)
    if known.reason in ("NameConflict", "InvalidCredential"):
        return Finding(known.reason, known.message)
    for credential in known.found:
        owner = access.duplicate_of(world, key, credential.digest)
        if owner is not None:
            return Finding("DuplicateCredential", f"Key {owner}, which is older, has the same credential")
    return None


def _policies_are_held(world: World, key: Key) -> Finding | None:
    for holding in access.holdings(world, key):
        if holding.standing != "Granted":
            return Finding(holding.standing, _HOLDING_TEXTS[holding.standing].format(holding.policy))
    for holding in access.holdings(world, key):
        if holding.refused:
            names = ", ".join(str(name) for name in holding.refused)
            return Finding(
                "RefNotPermitted", f"StreamAPI {names} does not let in keys of this namespace (its `allowedKeys`)"
            )
    return None


def _secret_is_there(world: World, key: Key) -> Finding | None:
    known = access.credentials(world, key, 0.0)
    return Finding(known.reason, known.message) if known.reason in ("SecretNotFound", "RefNotPermitted") else None


KEY_ACCEPTED: tuple[Check[Key], ...] = (_key_is_valid, _credential_is_usable)
KEY_RESOLVED: tuple[Check[Key], ...] = (_secret_is_there, _policies_are_held)
