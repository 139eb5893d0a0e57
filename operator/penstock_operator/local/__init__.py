"""Local mode: a folder of YAML files stands in for the cluster, a folder of documents for its ConfigMaps and Secrets."""
