"""What both ends of Kafka are told about the cluster: addresses, TLS and SASL, as fields and as arguments of aiokafka's clients."""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from aiokafka.abc import AbstractTokenProvider
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from penstock_gateway.errors import NotConnected
from penstock_gateway.registry import Config, HostOnly

HostFile = Annotated[str, HostOnly("give the PEM text in the field beside it, from a variable that refers to a Secret")]
Mechanism = Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClientCertificate(_Part):
    """A certificate this client shows, as text or as files."""

    cert: str = Field("", description="The certificate as PEM text.", repr=False)
    key: str = Field("", description="Its private key as PEM text.", repr=False)
    cert_file: HostFile = Field("", description="Path of the certificate, instead of `cert`.")
    key_file: HostFile = Field("", description="Path of the private key, instead of `key`.")
    password: str = Field("", description="Password of an encrypted private key.", repr=False)

    @model_validator(mode="after")
    def _complete(self) -> ClientCertificate:
        if bool(self.cert) == bool(self.cert_file) or bool(self.key) == bool(self.key_file):
            raise ValueError(
                "give a certificate and its key, each either as text (cert, key) or as a file (cert_file, key_file)"
            )
        return self


class Tls(_Part):
    """TLS towards the brokers."""

    enabled: bool = Field(False, description="Whether connections are encrypted.")
    skip_cert_verify: bool = Field(False, description="Accept any certificate of the broker. Only for tests.")
    enable_renegotiation: Literal[False] = Field(
        False, description="Renegotiation is never allowed; only false is valid."
    )
    root_cas: str = Field(
        "", description="Certificate authorities as PEM text; empty = those of the system.", repr=False
    )
    root_cas_file: HostFile = Field("", description="Path of a PEM file with certificate authorities.")
    client_certs: list[ClientCertificate] = Field(
        default_factory=list, description="The certificate of this client (at most one).", max_length=1
    )

    def context(self) -> ssl.SSLContext | None:
        """The SSL context, None when TLS is off; NotConnected names what cannot be loaded, never its content."""
        if not self.enabled:
            return None
        try:
            context = ssl.create_default_context(cafile=self.root_cas_file or None, cadata=self.root_cas or None)
            for certificate in self.client_certs:
                _load(context, certificate)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise NotConnected(f"tls: a certificate or key cannot be used: {type(error).__name__} {error}") from None
        if self.skip_cert_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """OpenSSL reads certificates from files only: text goes through files that nobody else can read and that vanish at once."""
    with ExitStack() as files:

        def path(text: str, file: str) -> str:
            if file:
                return file
            handle = files.enter_context(tempfile.NamedTemporaryFile("w", suffix=".pem"))
            os.chmod(handle.name, 0o600)
            handle.write(text)
            handle.flush()
            return handle.name

        cert = path(certificate.cert, certificate.cert_file)
        key = path(certificate.key, certificate.key_file)
        context.load_cert_chain(cert, key, certificate.password or None)


class Sasl(_Part):
    """How this client proves who it is."""

    mechanism: Mechanism = Field("none", description="The SASL mechanism; `none` = no authentication.")
    user: str = Field("", description="User of PLAIN and SCRAM.")
    password: str = Field("", description="Password of PLAIN and SCRAM.", repr=False)
    access_token: str = Field("", description="A static token for OAUTHBEARER.", repr=False)
    token_cache: Literal[""] = Field("", description="Tokens from a cache are not supported; must stay empty.")
    token_key: Literal[""] = Field("", description="Tokens from a cache are not supported; must stay empty.")

    @model_validator(mode="after")
    def _complete(self) -> Sasl:
        if self.mechanism == "OAUTHBEARER" and not self.access_token:
            raise ValueError("sasl.access_token is needed for OAUTHBEARER")
        if self.mechanism not in ("none", "OAUTHBEARER") and not self.user:
            raise ValueError(f"sasl.user is needed for {self.mechanism}")
        return self


class _StaticToken(AbstractTokenProvider):
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


class ClientConfig(Config):
    """The fields that input and output share."""

    addresses: list[str] = Field(
        description="Brokers to begin with, as `host:port`; an item may hold several, separated by commas.",
        min_length=1,
    )
    tls: Tls = Field(default_factory=Tls, description="TLS towards the brokers.")
    sasl: Sasl = Field(default_factory=Sasl, description="Authentication.")
    client_id: str = Field("penstock", description="How this client calls itself in the broker's logs and quotas.")
    rack_id: str = Field("", description="Rack of this client; an input then reads from the nearest replica.")
    target_version: str | None = Field(
        None, description="Has no effect: the version of the protocol is negotiated with each broker."
    )

    @field_validator("addresses")
    @classmethod
    def _split(cls, value: list[str]) -> list[str]:
        addresses = [part.strip() for item in value for part in item.split(",") if part.strip()]
        if not addresses:
            raise ValueError("name at least one broker, such as kafka:9092")
        for address in addresses:
            port = address.rpartition(":")[2] if ":" in address else "9092"
            known = port.isascii() and port.isdigit() and 0 < int(port) < 65_536 and not address.startswith(":")
            if not address.endswith("]") and not known:
                raise ValueError(f"invalid address {address!r}: write host:port")
        return addresses

    def arguments(self) -> dict[str, Any]:
        """What every aiokafka client is given."""
        context = self.tls.context()
        sasl = self.sasl.mechanism != "none"
        protocol = ("SASL_" if sasl else "") + ("SSL" if context else "PLAINTEXT")
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.addresses,
            "client_id": self.client_id,
            "security_protocol": protocol,
            "ssl_context": context,
            "retry_backoff_ms": 100,
        }
        if sasl:
            arguments["sasl_mechanism"] = self.sasl.mechanism
            arguments["sasl_plain_username"] = self.sasl.user
            arguments["sasl_plain_password"] = self.sasl.password
        if self.sasl.mechanism == "OAUTHBEARER":
            arguments["sasl_oauth_token_provider"] = _StaticToken(self.sasl.access_token)
        return arguments
