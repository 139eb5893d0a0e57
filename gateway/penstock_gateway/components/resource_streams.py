"""Input and output `resource`: stand for the input or output of that label; put in their place when a configuration is read."""

from __future__ import annotations

from pydantic import Field

from penstock_gateway.registry import Config, Context, Input, Kind, Output, component


@component("resource", Kind.INPUT, summary="The input resource of that label.", bare=True)
class ResourceInput(Config):
    """The label is the whole configuration."""

    value: str = Field(description="A label of `input_resources`.")

    def build(self, context: Context) -> Input:
        """Never asked for: the reader of configurations puts the input itself here."""
        raise AssertionError(f"input resource {self.value} was not put in place")


@component("resource", Kind.OUTPUT, summary="The output resource of that label.", bare=True)
class ResourceOutput(Config):
    """The label is the whole configuration."""

    value: str = Field(description="A label of `output_resources`.")

    def build(self, context: Context) -> Output:
        """Never asked for: the reader of configurations puts the output itself here."""
        raise AssertionError(f"output resource {self.value} was not put in place")
