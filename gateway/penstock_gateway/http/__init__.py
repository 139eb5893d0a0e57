"""The HTTP side of the gateway: routing, access, ingest, and the protocols clients read streams with."""
