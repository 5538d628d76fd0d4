"""What schemathesis makes of the description that a running Warren gives of itself."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.rig.services import KEY

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "ignored_auth", "unsupported_method",
)  # fmt: skip


async def tried_out(url: str, folder: Path, model: str, *arguments: str) -> tuple[int, str]:
    """The exit code of a run against this server and what it said. Whatever is generated asks for this model."""
    async with httpx.AsyncClient() as http:
        document = (await http.get(f"{url}/openapi.json")).json()
    for schema in document["components"]["schemas"].values():
        if "model" in (properties := schema.get("properties", {})) and "input" in properties:
            properties["model"] = {"enum": [model]}
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(path), "--url", url,
        "--header", f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--seed", "1", "--no-color",
        "--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure", *arguments,
    ]  # fmt: skip
    pipe: Any = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode(errors="replace")
