"""Key: one consumer's credential and the policies it holds."""

from __future__ import annotations

from typing import Annotated, Literal

from penstock_operator.resources.fields import (
    Default,
    DisplayName,
    Instant,
    Items,
    Model,
    Namespace,
    ResourceName,
    Rule,
    SecretKeyRef,
    Text,
    exactly_one,
)

Hash = Annotated[
    str, Text(r"^sha256:[0-9a-f]{64}$", 71, "must be 'sha256:' and 64 hexadecimal digits (see `penstock key create`)")
]


class PolicyRef(Model):
    """A Policy, perhaps of another namespace."""

    name: ResourceName
    """Name of the Policy."""
    namespace: Annotated[Namespace | None, Default("the Key's own")] = None
    """Namespace of the Policy."""


class KeySource(Model):
    """Where the credential comes from."""

    rules = (exactly_one("secretKeyRef"),)
    secret_key_ref: SecretKeyRef | None = None
    """Entry of a Secret in this namespace that holds the credential, at least 32 characters, a line end at its end not counted;
    the Secret must carry the label
    `penstock.dev/usable-by: key`."""


_UNIQUE = (
    "self.policyRefs.all(x, self.policyRefs.exists_one(y, x.name == y.name && has(x.__namespace__) == has(y.__namespace__)"
    " && (!has(x.__namespace__) || x.__namespace__ == y.__namespace__)))"
)


class KeySpec(Model):
    """What the key is. Without `hashes` and `valueFrom` the credential is generated into the Secret `secretName`."""

    rules = (
        Rule(
            "!(has(self.hashes) && has(self.valueFrom))",
            "must have at most one of `hashes`, `valueFrom`",
            lambda it: it.hashes is None or it.value_from is None,
        ),
        Rule(
            "!has(self.secretName) || (!has(self.hashes) && !has(self.valueFrom))",
            "must not have `secretName` beside `hashes` or `valueFrom`: it names the Secret of a generated credential",
            lambda it: it.secret_name is None or (it.hashes is None and it.value_from is None),
        ),
        Rule(_UNIQUE, "must not list a policy twice in `policyRefs`"),
        Rule(
            "has(self.hashes) == has(oldSelf.hashes) && has(self.valueFrom) == has(oldSelf.valueFrom)",
            "must not change where the credential comes from: create another Key",
        ),
        Rule(
            "has(self.secretName) == has(oldSelf.secretName)"
            " && (!has(self.secretName) || self.secretName == oldSelf.secretName)",
            "must not change `secretName`: create another Key",
        ),
    )
    display_name: DisplayName | None = None
    """Name for people."""
    policy_refs: Annotated[list[PolicyRef], Items(16, ("namespace", "name"), least=1, atomic=True)]
    """The policies the key holds."""
    state: Annotated[Literal["Active", "Disabled"] | None, Default("Active")] = None
    """`Active`, or `Disabled`: refused everywhere, open streams are closed."""
    expiration_time: Instant | None = None
    """When the key expires; an earlier end by a policy's `keyExpiry` wins."""
    secret_name: Annotated[ResourceName | None, Default("the Key's name and `-key`")] = None
    """Secret that a generated credential is written to; immutable."""
    hashes: Annotated[list[Hash], Items(2, least=1)] | None = None
    """One or two hashes of the credential, so that only hashes enter the cluster; two while one replaces the other."""
    value_from: KeySource | None = None
    """A credential that exists already."""
