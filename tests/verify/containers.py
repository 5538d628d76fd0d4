"""`make containers`: the compose files run for real, by whatever engine there is.

ENGINE is the engine's command (docker), COMPOSE that of its compose (docker compose). First the core as README starts
it: the request that README shows, and each image's health check. Then deploy/cluster.yml: a broker and a database die
while requests are made, come back, and nothing is lost.
"""

import asyncio
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.rig.rabbitmq import free_ports
from tests.verify.asking import Load

ROOT = Path(__file__).parents[2]
ENGINE = shlex.split(os.environ.get("ENGINE", "docker"))
COMPOSE = shlex.split(os.environ.get("COMPOSE", "docker compose"))
MORE = shlex.split(os.environ.get("COMPOSE_FILES", ""))
"""Further files, for an engine whose images differ from the official ones."""
KEY = "sk-warren-change-me"
OURS = ("gateway", "worker", "ledger", "model")
QUESTION = {"model": "smollm2", "input": "Who was Michael Jordan?", "max_output_tokens": 32}
STARTING = 300.0


class Project:
    """One set of containers."""

    def __init__(self, name: str, *files: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._name = name
        self._files = [*files, *MORE]
        # podman builds images in a format that has no health checks, unless it is told another one
        self._environ = {**os.environ, "WARREN_PORT": str(port), "BUILDAH_FORMAT": "docker"}

    def compose(self, *arguments: str) -> None:
        files = [part for file in self._files for part in ("-f", file)]
        run([*COMPOSE, "-p", self._name, *files, *arguments], self._environ)

    def container(self, service: str) -> str:
        """The name of the one container of a service."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={self._name}"
        command = [*ENGINE, "ps", "-a", "--filter", label, "--filter", project, "--format", "{{.Names}}"]
        return run(command).split()[0]

    async def ready(self, http: httpx.AsyncClient) -> float:
        began = time.monotonic()
        while True:
            try:
                if (await http.get(f"{self.url}/health/readiness")).json()["status"] == "healthy":
                    return time.monotonic() - began
            except httpx.HTTPError:
                pass
            assert time.monotonic() - began < STARTING, "it does not get ready"
            await asyncio.sleep(1)


def run(command: list[str], environ: dict[str, str] | None = None) -> str:
    """
    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def core(http: httpx.AsyncClient) -> None:
    project = Project("warren-core", "docker-compose.yml")
    try:
        project.compose("build")
        project.compose("up", "-d")
        say(f"core: ready after {await project.ready(http):.0f} s")
        answer = await http.post(f"{project.url}/v1/responses", json=QUESTION)
        response = answer.json()
        assert answer.status_code == 200, response
        assert response["status"] in ("completed", "incomplete"), response
        stored = await http.get(f"{project.url}/v1/responses/{response['id']}")
        assert stored.json() == response
        said = response["output"][0]["content"][0]["text"]
        say(f"core: {json.dumps(QUESTION)} -> {said[:60]!r} …, stored")
        for service in OURS:
            name = project.container(service)
            if ENGINE[0].endswith("podman"):
                run([*ENGINE, "healthcheck", "run", name])
            else:
                state = run([*ENGINE, "inspect", "--format", "{{.State.Health.Status}}", name]).strip()
                assert state == "healthy", f"{name} is {state}"
            say(f"core: {service} is healthy by its own check")
    finally:
        project.compose("down", "-v")


async def cluster(http: httpx.AsyncClient) -> None:
    project = Project("warren-cluster", "docker-compose.yml", "deploy/cluster.yml")
    load = Load([project.url], ["smollm2"], {"max_output_tokens": 16})
    try:
        project.compose("up", "-d")
        say(f"cluster: ready after {await project.ready(http):.0f} s")
        broker = project.container("rabbitmq")
        while not _three(broker):
            await asyncio.sleep(2)
        async with asyncio.TaskGroup() as clients:
            for _ in range(4):
                clients.create_task(load.ask(http))
            for victim in ("rabbitmq-2", "mongo"):
                await asyncio.sleep(10)
                name = project.container(victim)
                say(f"cluster: {victim} is killed after {len(load.ended)} answers")
                await asyncio.to_thread(run, [*ENGINE, "kill", name])
                await asyncio.sleep(25)
                await asyncio.to_thread(run, [*ENGINE, "start", name])
            await asyncio.sleep(15)
            load.over()
        await load.kept(http)
        say(f"cluster: {load}")
        assert load.statuses.keys() <= {"completed", "incomplete"}, load.statuses
        await asyncio.sleep(5)  # until all is counted
        answer = await http.get(f"{project.url}/global/spend/report", params={"group_by": "model"})
        say(f"cluster: counted {answer.json()}")
    finally:
        project.compose("down", "-v")


def _three(broker: str) -> bool:
    command = [*ENGINE, "exec", broker, "rabbitmqctl", "-q", "eval", "length(rabbit_nodes:list_running())."]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "3"


async def main() -> None:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, timeout=600) as http:
        for part in (core, cluster):
            if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
                await part(http)


if __name__ == "__main__":
    asyncio.run(main())
