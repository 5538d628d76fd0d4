"""The Python SDK: LiteLLM's functions for the Responses API, by a gateway or inside of the caller's process.

Its public names are those of `warren` itself. Who speaks HTTP is `wire` alone; everything else here is about what is
said.
"""
