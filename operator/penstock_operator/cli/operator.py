"""`penstock operator`: the control side in a cluster."""

from __future__ import annotations

import asyncio

import typer

from penstock_operator import console

EXAMPLES = "Example: `PENSTOCK_GATEWAY_IMAGE=penstock/gateway:1.0 penstock operator`"


def operator() -> None:
    """Run the operator: watch StreamAPIs, Policies and Keys, and keep gateways as they describe.

    Uses the rights of the pod it runs in, else the current kubeconfig. All settings come from the environment: PENSTOCK_GATEWAY_IMAGE
    (required), PENSTOCK_GATEWAY_IMAGE_PULL_POLICY, PENSTOCK_GATEWAY_IMAGE_PULL_SECRETS, PENSTOCK_GATEWAY_RESOURCES (JSON),
    PENSTOCK_WATCH_NAMESPACES, PENSTOCK_SECRET_REFERENCES (Labelled or Any), PENSTOCK_NAMESPACE, PENSTOCK_LEASE, PENSTOCK_IDENTITY,
    PENSTOCK_HEALTH_HOST, PENSTOCK_HEALTH_PORT, PENSTOCK_WORKERS, PENSTOCK_LOG_LEVEL.
    """
    from penstock_gateway import logs
    from penstock_operator import settings as own

    try:
        settings = own.read()
    except own.SettingsError as error:
        console.say(f"penstock: {error}")
        raise typer.Exit(console.USAGE) from None
    logs.configure(settings.log_level)
    from penstock_operator import process
    from penstock_operator.cluster import ClusterError

    try:
        raise typer.Exit(asyncio.run(process.run(settings)))
    except ClusterError as error:
        console.say(f"penstock: {error}")
        raise typer.Exit(console.UNREACHABLE) from None
