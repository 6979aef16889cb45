"""Settings, Dockerfile, compose and Kubernetes tell one story; and the check, of what tells another."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.environment import IN_COMPOSE, SERVICES
from prometheus_client import CollectorRegistry

from alert_bridge.deliver.couriers import LEAVE_WITHIN
from baleen_bus.permissions import PASSWORD_VARIABLES
from baleen_runtime.health import Health
from baleen_runtime.operator import operator_routes
from baleen_runtime.settings import load_settings
from uw_ingest.service import LEFT_WITHIN

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OVERLAYS = ("dev", "production")

Told = dict[str, Any]
Manifest = dict[str, Any]

if shutil.which("kubectl") is None:
    if os.environ.get("CI"):
        raise RuntimeError("kubectl is needed here: its kustomize renders the overlays")
    pytest.skip("there is no kubectl, whose kustomize renders the overlays", allow_module_level=True)


@cache
def kustomized(overlay: str) -> str:
    """Return the text that `kubectl kustomize` makes of an overlay."""
    command = ["kubectl", "kustomize", ROOT / "k8s/overlays" / overlay]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@cache
def _read(overlay: str) -> list[Manifest]:
    return [one for one in yaml.load_all(kustomized(overlay), yaml.CSafeLoader) if one]


def rendered(overlay: str) -> list[Manifest]:
    """Return the manifests of an overlay, for the caller alone."""
    return copy.deepcopy(_read(overlay))


def put(text: str) -> str:
    """Put its default for each variable, as compose does while nothing is set."""
    return re.sub(r"\$\{[A-Z0-9_]+(?::([-+])([^}]*))?\}", lambda m: (m[2] or "") * (m[1] == "-"), text)


def mebibytes(size: str) -> int:
    """Return a size as compose (`1536m`, `2g`) or Kubernetes (`1536Mi`, `2Gi`) writes it."""
    number, unit = re.fullmatch(r"(\d+)([mMgG])i?", size).groups()  # type: ignore[union-attr]
    return int(number) * (1024 if unit in "gG" else 1)


def of_settings(service: str) -> Told:
    """Return what the code says."""
    settings = load_settings(SERVICES[service], {}).model_dump()
    return {"port": settings["port"], "image": service, "probe": "/readyz"}


def of_dockerfile(text: str) -> Told:
    """Return what is true of every image."""
    uid, gid = re.search(r"^USER (\d+):(\d+)$", text, re.MULTILINE).groups()  # type: ignore[union-attr]
    probe = re.search(r"PROBE=http://127\.0\.0\.1:\$\{PORT\}(/\w+)", text)[1]  # type: ignore[index]
    folder = re.search(r'^ENTRYPOINT \["(.*)/service"\]', text, re.MULTILINE)[1]  # type: ignore[index]
    return {"user": (int(uid), int(gid)), "probe": probe, "programs": folder}


def of_compose(stack: dict[str, Any], service: str) -> Told:
    """Return what compose says."""
    one = stack["services"][IN_COMPOSE[service]]
    told = {name: put(value) for name, value in one["environment"].items()}
    prefix = service.replace("-", "_").upper()
    load_settings(SERVICES[service], told)
    (published,) = one["ports"]
    assert published.rpartition(":")[2] == one["build"]["args"]["PORT"] == told[f"{prefix}_PORT"], service
    return {
        "port": int(one["build"]["args"]["PORT"]),
        "image": put(one["image"]).partition(":")[0].removeprefix("baleen/"),
        "built": one["build"]["args"]["SERVICE"],
        "host": told[f"{prefix}_HOST"],
        "bus": told["BALEEN_NATS_URL"],
        "bus user": told[f"{prefix}_NATS_USER"],
        "read only": one["read_only"],
        "capabilities": one["cap_drop"],
        "writes to": "/tmp" in one["tmpfs"],  # noqa: S108 - a mount
        "memory": mebibytes(one["mem_limit"]),
        "grace": int(one.get("stop_grace_period", "10s").removesuffix("s")),
    }


def pod_of(manifests: list[Manifest], name: str) -> Manifest:
    """Return the specification of a pod."""
    pods = {one["metadata"]["name"]: one for one in manifests if one["kind"] in {"Deployment", "Job"}}
    spec: Manifest = pods[name]["spec"]["template"]["spec"]
    return spec


def of_cluster(manifests: list[Manifest], service: str) -> Told:
    """Return what an overlay says."""
    pod = pod_of(manifests, service)
    (container,) = pod["containers"]
    common = next(one["data"] for one in manifests if one["metadata"]["name"].startswith("baleen-common"))
    told = common | {one["name"]: one.get("value") for one in container["env"]}
    prefix = service.replace("-", "_").upper()
    security, inner = pod["securityContext"], container["securityContext"]
    pause = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
    return {
        "port": container["ports"][0]["containerPort"],
        "image": container["image"].partition(":")[0].removeprefix("baleen/"),
        "host": told[f"{prefix}_HOST"],
        "bus": told["BALEEN_NATS_URL"],
        "bus user": told[f"{prefix}_NATS_USER"],
        "user": (security["runAsUser"], security["runAsGroup"]),
        "probe": container["readinessProbe"]["httpGet"]["path"],
        "alive": container["livenessProbe"]["httpGet"]["path"],
        "read only": inner["readOnlyRootFilesystem"],
        "capabilities": inner["capabilities"]["drop"],
        "writes to": "/tmp" in {one["mountPath"] for one in container["volumeMounts"]},  # noqa: S108 - a mount
        "memory": mebibytes(container["resources"]["limits"]["memory"]),
        "grace": pod["terminationGracePeriodSeconds"] - int(pause[1]),
    }


def apart(tellings: dict[str, Told]) -> list[str]:
    """Return what two of these say differently; the grace that each gives is judged elsewhere."""
    found = []
    for name in sorted({name for told in tellings.values() for name in told} - {"grace"}):
        said = {who: told[name] for who, told in tellings.items() if name in told}
        if any(value != next(iter(said.values())) for value in said.values()):
            found.append(f"{name}: {said}")
    return found


def everything(
    service: str, stack: dict[str, Any], manifests: list[Manifest], dockerfile: str
) -> dict[str, Told]:
    """Return what each of them says of a service."""
    return {
        "settings": of_settings(service),
        "Dockerfile": of_dockerfile(dockerfile),
        "compose": of_compose(stack, service),
        "cluster": of_cluster(manifests, service),
    }


STORIES = [
    (service, overlay)
    for overlay in OVERLAYS
    for service in IN_COMPOSE
    if (service, overlay) != ("uw-simulator", "production")
]


@pytest.mark.parametrize(("service", "overlay"), STORIES)
def test_they_tell_one_story(service: str, overlay: str):
    """Ports, images, users of the machine and of the bus, probes, memory, and what may be written to."""
    assert apart(everything(service, STACK, rendered(overlay), DOCKERFILE)) == []


def _spoil_port(stack: Told, _manifests: list[Manifest]) -> None:
    stack["services"]["ws-gateway"]["ports"] = ["127.0.0.1:8000:8080"]
    stack["services"]["ws-gateway"]["build"]["args"] |= {"PORT": "8080"}
    stack["services"]["ws-gateway"]["environment"] |= {"WS_GATEWAY_PORT": "8080"}


def _spoil_image(stack: Told, _manifests: list[Manifest]) -> None:
    stack["services"]["ws-gateway"]["image"] = "${IMAGE_PREFIX:-baleen}/gateway:${IMAGE_TAG:-dev}"


def _spoil_files(stack: Told, _manifests: list[Manifest]) -> None:
    stack["services"]["ws-gateway"]["read_only"] = False


def _spoil_user(_stack: Told, manifests: list[Manifest]) -> None:
    pod_of(manifests, "ws-gateway")["securityContext"]["runAsUser"] = 1000


def _spoil_probe(_stack: Told, manifests: list[Manifest]) -> None:
    pod_of(manifests, "ws-gateway")["containers"][0]["readinessProbe"]["httpGet"]["path"] = "/healthz"


def _spoil_memory(_stack: Told, manifests: list[Manifest]) -> None:
    pod_of(manifests, "ws-gateway")["containers"][0]["resources"]["limits"]["memory"] = "1Gi"


def _spoil_bus(_stack: Told, manifests: list[Manifest]) -> None:
    pod_of(manifests, "ws-gateway")["containers"][0]["env"].append(
        {"name": "BALEEN_NATS_URL", "value": "nats://bus:4222"}
    )


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_spoil_port, "port"),
        (_spoil_image, "image"),
        (_spoil_files, "read only"),
        (_spoil_user, "user"),
        (_spoil_probe, "probe"),
        (_spoil_memory, "memory"),
        (_spoil_bus, "bus"),
    ],
)
def test_another_story_is_noticed(spoil: Callable[[Told, list[Manifest]], None], named: str):
    """Each of these was changed in one place only."""
    stack, manifests = copy.deepcopy(STACK), rendered("dev")
    spoil(stack, manifests)
    (found,) = apart(everything("ws-gateway", stack, manifests, DOCKERFILE))
    assert found.startswith(f"{named}: ")


def test_probes_ask_for_what_services_answer():
    """By the paths of the operator's endpoints."""
    routes = {route.path for route in operator_routes(Health("x"), CollectorRegistry()).routes}  # type: ignore[attr-defined]
    assert routes == {"/livez", "/readyz", "/metrics"}
    for service, overlay in STORIES:
        told = of_cluster(rendered(overlay), service)
        assert (told["alive"], told["probe"]) == ("/livez", "/readyz")
    assert of_dockerfile(DOCKERFILE)["probe"] == "/readyz"


def leaves_within(service: str, variables: dict[str, str]) -> float:
    """Return the seconds that a service takes at the most to leave, as far as its settings say."""
    settings = load_settings(SERVICES[service], variables).model_dump()
    return {
        "uw-ingest": lambda: LEFT_WITHIN + settings["drain_within"],
        "ws-gateway": lambda: settings["drain_seconds"] + 1,
        "alert-bridge": lambda: max(LEAVE_WITHIN, settings["store_within"] + 0.5) + 2,
        "uw-simulator": lambda: 3.0,
    }[service]()


@pytest.mark.parametrize(("service", "overlay"), STORIES)
def test_everybody_is_given_the_time_they_need_to_leave(service: str, overlay: str):
    """By compose with its usual settings, by Kubernetes with those of the overlay, after the pause."""
    container = pod_of(manifests := rendered(overlay), service)["containers"][0]
    drain = {one["name"]: one["value"] for one in container["env"] if one["name"].endswith("DRAIN_SECONDS")}
    assert of_cluster(manifests, service)["grace"] > leaves_within(service, drain)
    assert of_compose(STACK, service)["grace"] > leaves_within(service, {})


def test_the_bus_is_one_story_too():
    """It runs as the user whose folder it is given, with all passwords; the bootstrap is one program."""
    nats, folder = STACK["services"]["nats"], STACK["services"]["bus-folder"]
    image = of_dockerfile(DOCKERFILE)
    assert tuple(map(int, nats["user"].split(":"))) == image["user"]
    assert re.search(rf"install -d -o {image['user'][0]} -g {image['user'][1]} /data", DOCKERFILE)
    assert folder["volumes"] == ["bus:/data"]
    assert nats["environment"]["BALEEN_NATS_STORE"] == "/data"
    passwords = {name for name in nats["environment"] if name.endswith("_PASSWORD")}
    assert passwords == set(PASSWORD_VARIABLES.values())
    for overlay in OVERLAYS:
        (job,) = pod_of(rendered(overlay), "bootstrap")["containers"]
        assert job["command"] == STACK["services"]["bootstrap"]["entrypoint"]
        assert job["command"][0].startswith(image["programs"])
        assert (
            job["image"].partition(":")[0] == put(STACK["services"]["bootstrap"]["image"]).partition(":")[0]
        )


def test_every_image_that_is_deployed_is_one_that_is_locked_and_built():
    """By its name, in the locks that `make lock` writes, in compose and in the overlays."""
    listed = re.search(r"^IMAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()  # type: ignore[index]
    locked = {file.stem for file in (ROOT / "deploy/requirements").glob("*.lock")} - {"build"}
    built = {one["build"]["args"]["SERVICE"] for one in STACK["services"].values() if "build" in one}
    assert set(listed) == locked == built == set(IN_COMPOSE)
    for overlay in OVERLAYS:
        assert set(re.findall(r"image: \S*baleen/([\w-]+)", kustomized(overlay))) <= built
