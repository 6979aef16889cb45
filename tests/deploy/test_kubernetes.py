"""What the Kubernetes manifests promise, checked without a cluster; and checks, on what they must reject."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from observability.catalogue import GATEWAY

from alert_bridge.deliver import names
from alert_bridge.deliver.couriers import LEAVE_WITHIN
from alert_bridge.rules.load import read_rules
from alert_bridge.settings import Settings as BridgeSettings
from baleen_bus.permissions import PASSWORD_VARIABLES, nats_users
from baleen_contracts.catalogue import by_name
from baleen_runtime.settings import ServiceSettings, load_settings, variables_of
from uw_ingest.settings import Settings as IngestSettings
from uw_simulator.settings import Settings as SimulatorSettings
from ws_gateway.doors.aside import OPERATORS_PATHS
from ws_gateway.settings import Settings as GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("dev", "production")
SETTINGS: dict[str, type[ServiceSettings]] = {
    "uw-ingest": IngestSettings,
    "ws-gateway": GatewaySettings,
    "alert-bridge": BridgeSettings,
    "uw-simulator": SimulatorSettings,
}
OUTSIDE = {"uw-ingest", "alert-bridge"}

Manifest = dict[str, Any]
Rule = Callable[[list[Manifest]], list[str]]

if shutil.which("kubectl") is None:
    if os.environ.get("CI"):
        raise RuntimeError("kubectl is needed here: its kustomize renders the overlays")
    pytest.skip("there is no kubectl, whose kustomize renders the overlays", allow_module_level=True)


def rendered(folder: str) -> list[Manifest]:
    """Return what `kubectl kustomize` makes of a folder of `k8s`."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s" / folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Manifest]:
    """Each overlay, rendered."""
    return rendered(f"overlays/{request.param}")


def validated(manifests: list[Manifest], folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold manifests to Kubernetes' own schemas."""
    file = folder / "all.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    program = Path(sys.executable).with_name("kubernetes-validate")
    return subprocess.run([program, "--strict", file], capture_output=True, text=True, check=False)


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name and the pod's specification of everything that runs pods."""
    for manifest in manifests:
        if manifest["kind"] in {"Deployment", "Job", "StatefulSet", "DaemonSet", "CronJob"}:
            yield manifest["metadata"]["name"], manifest["spec"]["template"]["spec"]


def unsafe_pods(manifests: list[Manifest]) -> list[str]:
    """Return what a pod may do and needs not: root, privileges, tokens, links, a writable image."""
    flaws = []
    for name, pod in pods(manifests):
        security = pod.get("securityContext", {})
        wanted = {
            "runs as root": security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0,
            "has no seccomp profile": security.get("seccompProfile") == {"type": "RuntimeDefault"},
            "is given links to services": pod.get("enableServiceLinks") is False,
            "is given a token": pod.get("automountServiceAccountToken") is False,
        }
        for container in pod["containers"]:
            inner = container.get("securityContext", {})
            wanted |= {
                "may gain privileges": inner.get("allowPrivilegeEscalation") is False,
                "may write to its image": inner.get("readOnlyRootFilesystem") is True,
                "keeps capabilities": inner.get("capabilities") == {"drop": ["ALL"]},
            }
        flaws += [f"{name} {flaw}" for flaw, safe in wanted.items() if not safe]
    return flaws


def unbounded_pods(manifests: list[Manifest]) -> list[str]:
    """Return what has no limits, an image of any version, no last word, or, if it serves, no probes."""
    flaws = []
    for name, pod in pods(manifests):
        for container in pod["containers"]:
            resources = container.get("resources", {})
            if set(resources.get("requests", {})) != {"cpu", "memory"}:
                flaws.append(f"{name} requests nothing")
            if set(resources.get("limits", {})) != {"cpu", "memory"}:
                flaws.append(f"{name} has no limits")
            if not re.fullmatch(r"[^:]+:(?!latest$).+", container["image"]):
                flaws.append(f"{name} runs any image: {container['image']}")
            if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
                flaws.append(f"{name} ends without a word")
            if "ports" in container:
                probes = ("startupProbe", "livenessProbe", "readinessProbe")
                flaws += [f"{name} has no {probe}" for probe in probes if probe not in container]
        flaws += [
            f"{name} may fill the node's disk"
            for volume in pod.get("volumes", [])
            if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit")
        ]
    return flaws


def secret_values(manifests: list[Manifest]) -> list[str]:
    """Return what holds a secret instead of naming one."""
    flaws = [f"Secret {one['metadata']['name']}" for one in manifests if one["kind"] == "Secret"]
    secret = re.compile(r"PASSWORD|TOKEN|_KEY$|SECRET")
    for name, pod in pods(manifests):
        for container in pod["containers"]:
            flaws += [
                f"{name} {variable['name']}"
                for variable in container.get("env", [])
                if secret.search(variable["name"]) and "value" in variable
            ]
    return flaws


def fragile_services(manifests: list[Manifest]) -> list[str]:
    """Return what may be gone as a whole: by its one replica, by one node, or by one drain."""
    guarded = [
        one["spec"]["selector"]["matchLabels"] for one in manifests if one["kind"] == "PodDisruptionBudget"
    ]
    flaws = []
    for one in (one for one in manifests if one["kind"] == "Deployment"):
        name, spec = one["metadata"]["name"], one["spec"]
        labels = spec["selector"]["matchLabels"]
        apart = spec["template"]["spec"].get("affinity", {}).get("podAntiAffinity", {})
        terms = apart.get("preferredDuringSchedulingIgnoredDuringExecution", [])
        if spec["replicas"] < MANY:
            flaws.append(f"{name} has one replica")
        if [term["podAffinityTerm"]["labelSelector"]["matchLabels"] for term in terms] != [labels]:
            flaws.append(f"{name} may be on one node")
        if labels not in guarded:
            flaws.append(f"{name} may be drained at once")
        if spec["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            flaws.append(f"{name} is short of a replica while it is rolled out")
    return flaws


MANY = 2
RULES: tuple[Rule, ...] = (unsafe_pods, unbounded_pods, secret_values)


def test_every_field_is_one_that_kubernetes_knows(overlay: list[Manifest], tmp_path: Path):
    """Strictly: a misspelt field would be ignored in silence."""
    checked = validated(overlay, tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelt_field_is_refused(tmp_path: Path):
    """The checker sees what a person overlooks."""
    wrong = rendered("overlays/dev")
    next(pod for _, pod in pods(wrong))["enableServiceLink"] = False
    assert validated(wrong, tmp_path).returncode != 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_policies_hold(overlay: list[Manifest], rule: Rule):
    """No root, no privileges, no token, no links, limits, probes, versions, and no secret's value."""
    assert rule(overlay) == []


def spoilt(change: Callable[[Manifest], None]) -> list[Manifest]:
    """Return an overlay of which the gateway's pod was changed."""
    manifests = copy.deepcopy(rendered("overlays/production"))
    change(dict(pods(manifests))["ws-gateway"])
    return manifests


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (unsafe_pods, lambda pod: pod["securityContext"].pop("runAsNonRoot")),
        (unsafe_pods, lambda pod: pod.pop("enableServiceLinks")),
        (unsafe_pods, lambda pod: pod["containers"][0]["securityContext"].pop("readOnlyRootFilesystem")),
        (unbounded_pods, lambda pod: pod["containers"][0]["resources"].pop("limits")),
        (unbounded_pods, lambda pod: pod["containers"][0].pop("readinessProbe")),
        (unbounded_pods, lambda pod: pod["containers"][0].pop("terminationMessagePolicy")),
        (unbounded_pods, lambda pod: pod["containers"][0].update(image="baleen/ws-gateway:latest")),
        (unbounded_pods, lambda pod: pod["containers"][0].update(image="baleen/ws-gateway")),
        (secret_values, lambda pod: pod["containers"][0]["env"].append({"name": "A_TOKEN", "value": "x"})),
    ],
)
def test_policies_reject(rule: Rule, change: Callable[[Manifest], None]):
    """Each rule sees what it is there for."""
    assert rule(spoilt(change)) != []


def test_no_service_of_production_is_gone_as_a_whole():
    """Two replicas, apart, and one at a time."""
    assert fragile_services(rendered("overlays/production")) == []


@pytest.mark.parametrize(
    ("spoil", "flaw"),
    [
        (lambda spec: spec.update(replicas=1), "one replica"),
        (lambda spec: spec["template"]["spec"].pop("affinity"), "one node"),
        (lambda spec: spec["selector"].update(matchLabels={"app": "x"}), "drained"),
        (lambda spec: spec["strategy"]["rollingUpdate"].update(maxUnavailable=1), "short"),
    ],
)
def test_a_service_that_may_be_gone_is_noticed(spoil: Callable[[Manifest], None], flaw: str):
    """The rule sees what it is there for."""
    manifests = copy.deepcopy(rendered("overlays/production"))
    spoil(next(one["spec"] for one in manifests if one["kind"] == "Deployment"))
    assert any(flaw in found for found in fragile_services(manifests))


def test_the_optional_scaling_of_alert_bridge_fits_production(tmp_path: Path):
    """With the component of KEDA the overlay renders, and scales what waits in a stream that there is."""
    up = os.path.relpath(ROOT / "k8s", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [f"{up}/overlays/production"], "components": [f"{up}/components/keda"]})
    )
    command = ["kubectl", "kustomize", tmp_path.resolve()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifests = [one for one in yaml.safe_load_all(done.stdout) if one]
    scaled = next(one["spec"] for one in manifests if one["kind"] == "ScaledObject")
    deployments = {one["metadata"]["name"]: one["spec"] for one in manifests if one["kind"] == "Deployment"}
    assert scaled["minReplicaCount"] == deployments[scaled["scaleTargetRef"]["name"]]["replicas"]
    assert {one["metadata"]["stream"] for one in scaled["triggers"]} == {by_name("alert").stream}
    assert {one["metadata"]["consumer"] for one in scaled["triggers"]} == {names.consumer_of("desk")}


def test_the_gateway_is_scaled_on_what_it_is_full_of():
    """By a metric that there is, within bounds that begin with what the base runs."""
    manifests = rendered("overlays/production")
    scaled = next(one["spec"] for one in manifests if one["kind"] == "HorizontalPodAutoscaler")
    (metric,) = scaled["metrics"]
    assert scaled["scaleTargetRef"]["name"] == "ws-gateway"
    assert metric["pods"]["metric"]["name"] in {series for one in GATEWAY for series in one.series}
    assert scaled["minReplicas"] >= MANY


def environment(pod: Manifest, common: dict[str, str]) -> dict[str, str]:
    """Return what a pod's container is told; a secret is stood in for."""
    told = dict(common)
    for variable in pod["containers"][0].get("env", []):
        told[variable["name"]] = variable.get("value", "stand-in-of-thirty-two-characters")
    return told


def test_every_service_starts_with_what_it_is_told(overlay: list[Manifest]):
    """Its settings take every variable, and its port is the one that is probed and served."""
    config = next(one["data"] for one in overlay if one["metadata"]["name"].startswith("baleen-common"))
    served = {one["metadata"]["name"]: one["spec"] for one in overlay if one["kind"] == "Service"}
    seen = set()
    for name, pod in pods(overlay):
        if name not in SETTINGS:
            continue
        settings = load_settings(SETTINGS[name], environment(pod, config))
        ports = {"http": settings.model_dump()["port"], "admin": settings.model_dump().get("admin_port")}
        listens = {one["name"]: one["containerPort"] for one in pod["containers"][0]["ports"]}
        assert listens == {what: port for what, port in ports.items() if port}, name
        assert served[name]["ports"] == [{"name": "http", "port": ports["http"], "targetPort": "http"}]
        seen.add(name)
    assert seen >= {"uw-ingest", "ws-gateway", "alert-bridge"}


def test_a_variable_that_no_service_reads_is_refused():
    """As a service would refuse to start with it."""
    unknown = {"ALERT_BRIDGE_RULE": "typo"}
    with pytest.raises(Exception, match="ALERT_BRIDGE_RULE"):
        load_settings(BridgeSettings, unknown)
    assert "ALERT_BRIDGE_RULES" in {name for names in variables_of(BridgeSettings).values() for name in names}


def reaches_outside(manifests: list[Manifest]) -> set[str]:
    """Return the names of the pods that a policy lets out of the cluster."""
    names: set[str] = set()
    for one in manifests:
        if one["kind"] != "NetworkPolicy":
            continue
        if any("ipBlock" in to for rule in one["spec"].get("egress", []) for to in rule.get("to", [{}])):
            selector = one["spec"]["podSelector"]
            names |= set(selector.get("matchLabels", {}).values())
            names |= {value for term in selector.get("matchExpressions", []) for value in term["values"]}
    return names


def test_only_ingest_and_alert_bridge_reach_outside(overlay: list[Manifest]):
    """Everybody else is denied what is not allowed, and nobody may reach inside by that way."""
    assert reaches_outside(overlay) == OUTSIDE
    denied = next(one for one in overlay if one["metadata"]["name"] == "nothing-unless-allowed")
    assert denied["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in denied["spec"]
    assert "egress" not in denied["spec"]


MONITORS = [{"namespaceSelector": {"matchLabels": {"baleen/monitoring": "true"}}}]


def open_to_clients(manifests: list[Manifest]) -> list[str]:
    """Return by which ways clients come to what only operators should ask."""
    asides = {
        name
        for name, pod in pods(manifests)
        if any(port["name"] == "admin" for port in pod["containers"][0].get("ports", []))
    }
    found = []
    for one in manifests:
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] == "Ingress":
            for path in (path for rule in spec["rules"] for path in rule["http"]["paths"]):
                service = path["backend"]["service"]
                apart = service["name"] in asides and service["port"] == {"name": "http"}
                led = any(leads_to(path, asked) for asked in OPERATORS_PATHS)
                found += [f"{name}: {path['path']}"] if led and not apart else []
        if one["kind"] == "NetworkPolicy":
            let_in = [rule for rule in spec.get("ingress", []) if rule["from"] != MONITORS]
            ports = {port["port"] for rule in let_in for port in rule["ports"]}
            found += [f"{name} lets others to the operators' port"] if ports & {"admin", 9000} else []
        if one["kind"] == "Service":
            ports = {port["targetPort"] for port in spec["ports"]}
            found += [f"{name} leads to the operators' port"] if ports != {"http"} else []
    return found


def leads_to(path: Manifest, asked: str) -> bool:
    """Whether a path of an ingress leads whoever asks for this one."""
    given: str = path["path"]
    return asked == given if path["pathType"] == "Exact" else asked.startswith(given)


def test_no_client_is_led_to_what_operators_ask(overlay: list[Manifest]):
    """Probes, metrics and lists of clients are reached from inside, and by Prometheus."""
    assert open_to_clients(overlay) == []


def _lead_to_metrics(manifests: list[Manifest]) -> None:
    next(one for one in manifests if one["kind"] == "Ingress")["spec"]["rules"][1]["http"]["paths"][0][
        "path"
    ] = "/"


def _serve_the_admin_port(manifests: list[Manifest]) -> None:
    service = next(one for one in manifests if one["kind"] == "Service")
    service["spec"]["ports"].append({"name": "admin", "port": 9000, "targetPort": "admin"})


def _take_the_admin_port_away(manifests: list[Manifest]) -> None:
    dict(pods(manifests))["ws-gateway"]["containers"][0]["ports"].pop()


def _let_the_ingress_in(manifests: list[Manifest]) -> None:
    policy = next(one for one in manifests if one["metadata"]["name"] == "clients-and-senders")
    policy["spec"]["ingress"][0]["ports"][0]["port"] = "admin"


@pytest.mark.parametrize(
    "spoil", [_lead_to_metrics, _serve_the_admin_port, _take_the_admin_port_away, _let_the_ingress_in]
)
def test_a_way_to_what_operators_ask_is_noticed(spoil: Callable[[list[Manifest]], None]):
    """By a wide path, a Service, a gateway without its second port, or a policy."""
    manifests = copy.deepcopy(rendered("overlays/production"))
    spoil(manifests)
    assert open_to_clients(manifests) != []


def test_prometheus_is_sent_to_the_port_that_shows_metrics():
    """Each service's pods by one monitor, at `admin` where they have it, else at `http`."""
    manifests = rendered("overlays/production")
    seen = {}
    for monitor in (one for one in manifests if one["kind"] == "PodMonitor"):
        selector = monitor["spec"]["selector"]
        names = [*selector.get("matchLabels", {}).values()]
        names += [name for term in selector.get("matchExpressions", []) for name in term["values"]]
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["path"] == "/metrics"
        seen |= dict.fromkeys(names, endpoint["port"])
    ports = {
        name: pod["containers"][0]["ports"][-1]["name"] for name, pod in pods(manifests) if name in SETTINGS
    }
    assert seen == ports


def test_every_pod_is_under_the_policies(overlay: list[Manifest]):
    """They choose by a label that every pod has."""
    for one in overlay:
        if one["kind"] in {"Deployment", "Job"}:
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "baleen", one["metadata"]["name"]


def test_a_pod_may_take_as_long_as_its_service_needs_to_leave(overlay: list[Manifest]):
    """The grace period covers the pause before leaving and the drain."""
    for name, pod in pods(overlay):
        if name not in {"ws-gateway", "alert-bridge"}:
            continue
        container = pod["containers"][0]
        pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        told = {one["name"]: one.get("value") for one in container["env"]}
        drain = float(told.get("WS_GATEWAY_DRAIN_SECONDS") or LEAVE_WITHIN)
        assert pod["terminationGracePeriodSeconds"] > pause + drain + 5


def test_ingest_is_never_autoscaled(overlay: list[Manifest]):
    """Its sockets are what the plan sells; more pods would only wait."""
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]
        for one in overlay
        if one["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}
    }
    assert "uw-ingest" not in scaled


def lists_merged(values: object) -> list[str]:
    """Return the lists under a `merge` of chart values that would replace the chart's own."""
    found = []
    if isinstance(values, dict):
        for key, value in values.items():
            if key == "merge" and isinstance(value, dict):
                lists = {**value, **value.get("spec", {})}
                found += [name for name in lists if name in {"volumes", "volumeMounts", "ports", "env"}]
            found += lists_merged(value)
    return found


def test_the_chart_includes_the_users_of_the_bus():
    """Run `baleen-bus nats-config --only-users > k8s/nats/users.conf` after a change."""
    assert (ROOT / "k8s/nats/users.conf").read_text() == nats_users()
    values = yaml.safe_load((ROOT / "k8s/nats/values.yaml").read_text())
    assert values["config"]["cluster"]["replicas"] == 3
    assert values["config"]["merge"]["00$include"] == "users.conf"
    assert values["container"]["merge"]["envFrom"] == [{"secretRef": {"name": "baleen-nats"}}]
    assert (
        r"configMap.merge.data.users\.conf=k8s/nats/users.conf" in (ROOT / "docs/kubernetes.md").read_text()
    )


def test_the_values_take_nothing_away_that_the_chart_mounts():
    """A merge replaces lists whole; what the chart has of its own would be gone."""
    assert lists_merged(yaml.safe_load((ROOT / "k8s/nats/values.yaml").read_text())) == []
    assert lists_merged({"podTemplate": {"merge": {"spec": {"volumes": []}}}}) == ["volumes"]


def unrestricted(values: dict[str, Any]) -> list[str]:
    """What of the chart's pods a namespace that enforces `restricted` would refuse."""
    pod = values.get("podTemplate", {}).get("merge", {}).get("spec", {}).get("securityContext", {})
    found = [] if pod.get("runAsNonRoot") and pod.get("seccompProfile") else ["pod"]
    for name in ("container", "reloader", "promExporter"):
        context = values.get(name, {}).get("merge", {}).get("securityContext", {})
        if context != {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}:
            found.append(name)
    return found


def test_the_bus_may_live_in_a_namespace_that_is_restricted():
    """Its pods come before the namespace's label does, and have to come back after it."""
    assert unrestricted(yaml.safe_load((ROOT / "k8s/nats/values.yaml").read_text())) == []
    assert unrestricted({}) == ["pod", "container", "reloader", "promExporter"]


def test_the_rules_that_are_shipped_are_sound():
    """A bridge refuses to start with others."""
    text = (ROOT / "k8s/base/rules.yml").read_text()
    assert read_rules(text, name="rules.yml", environ={}, read_file=Path.read_text).routes == ()


def test_the_documented_secrets_are_those_that_pods_name(overlay: list[Manifest]):
    """What the manifests refer to can be made by following the document."""
    text = (ROOT / "docs/kubernetes.md").read_text()
    for _, pod in pods(overlay):
        for variable in pod["containers"][0].get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                assert reference["name"] in text
                assert reference["key"] in text
    assert all(variable in text for variable in PASSWORD_VARIABLES.values())
