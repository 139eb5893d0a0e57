"""The data side of Penstock: runs pipelines and serves clients; knows no Kubernetes."""

__version__ = "0.1.0"
