"""What can be said of the Kubernetes manifests without a cluster: their schemas, and what must hold among them."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_settings import BaseSettings

from warren import config
from warren.bus import NAMESPACE, jobs
from warren.bus.permissions import definitions
from warren_gateway.settings import GatewaySettings
from warren_ledger.settings import LedgerSettings
from warren_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.29", "1.34")
"""The oldest and the newest Kubernetes that the manifests are held to."""
SETTINGS: dict[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "ledger": LedgerSettings,
}
Json = dict[str, Any]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class RabbitmqCluster(Strict):
    """Of rabbitmq.com/v1beta1 what is used here, by the operator's own definition
    (config/crd/bases/rabbitmq.com_rabbitmqclusters.yaml of rabbitmq/cluster-operator).
    """

    class Spec(Strict):
        class Persistence(Strict):
            storage: str
            storage_class_name: str | None = None

        class Rabbitmq(Strict):
            additional_plugins: list[str]
            additional_config: str

        replicas: Literal[1, 3, 5]
        image: str
        persistence: Persistence
        resources: Json
        rabbitmq: Rabbitmq
        affinity: Json
        termination_grace_period_seconds: int

    api_version: Literal["rabbitmq.com/v1beta1"]
    kind: Literal["RabbitmqCluster"]
    metadata: Json
    spec: Spec


@cache
def custom() -> dict[str, type[BaseModel]]:
    # Here, because they take seconds, and every process that collects tests would wait for them.
    from cloudcoil.models.keda.v1alpha1 import ScaledObject, TriggerAuthentication
    from cloudcoil.models.prometheus_operator.v1 import PodMonitor

    return {
        "keda.sh/v1alpha1 ScaledObject": ScaledObject,
        "keda.sh/v1alpha1 TriggerAuthentication": TriggerAuthentication,
        "monitoring.coreos.com/v1 PodMonitor": PodMonitor,
        "rabbitmq.com/v1beta1 RabbitmqCluster": RabbitmqCluster,
    }


def written() -> Iterator[tuple[str, Json]]:
    """Every object as it stands in a file."""
    for path in sorted(FOLDER.rglob("*.yaml")):
        if path.name not in ("kustomization.yaml", "config.yaml"):
            for number, one in enumerate(yaml.safe_load_all(path.read_text())):
                yield f"{path.relative_to(FOLDER)} {number}", one


def rendered(name: str) -> list[Json]:
    """Every object as kustomize makes it."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl renders the overlays, and is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(FOLDER / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def check(one: Json) -> None:
    """
    Raises:
        ValueError: it does not fit its schema.
    """
    model = custom().get(f"{one['apiVersion']} {one['kind']}")
    if model is None:
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
    else:  # what the model does not know, it leaves out
        assert _without_none(model.model_validate(one).model_dump(mode="json", by_alias=True)) == one


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("name", "one"), list(written()), ids=lambda value: value if isinstance(value, str) else "")
def test_each_file_fits_its_schema(name: str, one: Json) -> None:
    check(one)


@pytest.mark.parametrize("name", ["base", "production", "rabbitmq"])
def test_what_kustomize_makes_fits_its_schema(name: str) -> None:
    objects = rendered(name)
    for one in objects:
        check(one)
    named = [(one["kind"], one["metadata"]["name"]) for one in objects]
    assert len(named) == len(set(named))


def test_a_mistake_would_be_seen() -> None:
    for _, one in written():
        wrong = {**one, "spec": {**one.get("spec", {}), "mistaken": 1}}
        if one["kind"] != "ServiceAccount":
            with pytest.raises(Exception, match=r"mistaken|==|Extra inputs"):
                check(wrong)


def workloads(objects: list[Json]) -> dict[str, Json]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in ("Deployment", "Job")}


WORKLOADS = workloads([one for _, one in written()])
DEPLOYMENTS = {name: one for name, one in WORKLOADS.items() if one["kind"] == "Deployment"}


@pytest.mark.parametrize("name", WORKLOADS)
def test_pods_may_do_nothing_but_their_work(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["limits"].keys() == {"memory"}
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_environment_names_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [container] = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    known = {f"WARREN_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert environment.keys() <= known | {"WARREN_METRICS_HOST", "WARREN_METRICS_PORT"}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    SETTINGS[name]()


def test_a_stopping_pod_has_longer_than_it_takes_to_drain() -> None:
    for one in DEPLOYMENTS.values():
        pod = one["spec"]["template"]["spec"]
        drain = next(float(each["value"]) for each in pod["containers"][0]["env"] if each["name"] == "WARREN_DRAIN")
        assert pod["terminationGracePeriodSeconds"] >= drain + 30


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_service_is_probed_spread_and_kept(name: str) -> None:
    [container] = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    assert {"readinessProbe", "livenessProbe"} <= container.keys()
    if command := container["readinessProbe"].get("exec", {}).get("command"):
        assert command == ["python", "-I", "/app/health.py", "bus"]
        assert f"COPY deploy/health.py {command[2]}" in (ROOT / "Dockerfile").read_text()
    assert DEPLOYMENTS[name]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    budgets = [one["metadata"]["name"] for _, one in written() if one["kind"] == "PodDisruptionBudget"]
    assert name in budgets


def secrets(one: Json) -> list[str]:
    return [source["secretRef"]["name"] for source in one["spec"]["template"]["spec"]["containers"][0]["envFrom"]]


def test_each_has_its_own_secret_and_no_other() -> None:
    assert {name: secrets(one) for name, one in WORKLOADS.items()} == {
        name: [f"warren-{name}"] for name in ("declare", "gateway", "ledger", "worker")
    }
    production = {name: secrets(one) for name, one in workloads(rendered("production")).items()}
    assert production["worker-openai"] == ["warren-worker-openai"]
    assert production["worker-anthropic"] == ["warren-worker-anthropic"]


def test_each_selector_finds_its_pods_and_each_target_is_there() -> None:
    for name in ("base", "production"):
        objects = rendered(name)
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in workloads(objects).values()]
        for one in objects:
            match one:
                case {"kind": "Deployment" | "PodDisruptionBudget" | "PodMonitor", "spec": {"selector": selector}}:
                    assert any(selector["matchLabels"].items() <= labels.items() for labels in pods), one
                case {"kind": "Service", "spec": {"selector": selector}}:
                    assert sum(selector.items() <= labels.items() for labels in pods) == 1
                case {"kind": "NetworkPolicy", "spec": {"podSelector": selector}}:
                    assert any(selector["matchLabels"].items() <= labels.items() for labels in pods), one
                case {"kind": "HorizontalPodAutoscaler" | "ScaledObject", "spec": {"scaleTargetRef": target}}:
                    assert "replicas" not in workloads(objects)[target["name"]]["spec"]


def test_the_workers_of_a_provider_scale_with_its_queue() -> None:
    objects = rendered("production")
    for one in (one for one in objects if one["kind"] == "ScaledObject"):
        worker = workloads(objects)[one["spec"]["scaleTargetRef"]["name"]]
        environment = {
            each["name"]: each["value"] for each in worker["spec"]["template"]["spec"]["containers"][0]["env"]
        }
        provider = environment["WARREN_PROVIDERS"]
        [trigger] = one["spec"]["triggers"]
        assert trigger["metadata"]["queueName"] == f"{NAMESPACE}.{jobs(provider)}"
        concurrency: int = WorkerSettings.model_fields["concurrency"].default
        assert float(trigger["metadata"]["value"]) < concurrency
        assert f"warren-worker-{provider}" in [
            each["user"] for each in definitions([provider])["permissions"]
        ]  # fmt: skip


def test_the_configuration_is_one_that_we_can_read() -> None:
    read = config.load(FOLDER / "base" / "common" / "config.yaml", {})
    assert not read.reports
    assert read.providers() == ["anthropic", "openai"]


def test_the_broker_is_set_as_in_compose() -> None:
    def read(text: str) -> dict[str, str]:
        lines = (line.split("#")[0].partition("=") for line in text.splitlines())
        return {key.strip(): value.strip() for key, _, value in lines if value}

    compose = read((ROOT / "deploy" / "rabbitmq" / "warren.conf").read_text())
    [broker] = [one for _, one in written() if one["kind"] == "RabbitmqCluster"]
    ours = read(broker["spec"]["rabbitmq"]["additionalConfig"])
    assert ours["consumer_timeout"] == compose["consumer_timeout"]
