"""The three resources as pydantic models: the only source of the CRDs, their documentation and what is accepted from files."""
