"""The component of the manifests that lets the services export traces."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from baleen_runtime.settings import ServiceSettings, load_settings

K8S = Path(__file__).resolve().parents[2] / "k8s"


@pytest.mark.skipif(
    shutil.which("kubectl") is None and not os.environ.get("CI"), reason="its kustomize renders the overlays"
)
def test_with_the_component_every_service_may_reach_the_collector_it_is_told_of(tmp_path: Path):
    """The endpoint is one that settings take, beside what was there, and the network lets its port pass."""
    parts = {
        "resources": [os.path.relpath(K8S / "overlays/production", tmp_path)],
        "components": [os.path.relpath(K8S / "components/traces", tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(parts))
    done = subprocess.run(
        ["kubectl", "kustomize", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    manifests = [one for one in yaml.safe_load_all(done.stdout) if one]

    [common] = [
        one
        for one in manifests
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith("baleen-common")
    ]
    endpoint = load_settings(ServiceSettings, common["data"]).traces_endpoint
    assert endpoint is not None
    assert "BALEEN_NATS_URL" in common["data"]
    [policy] = [
        one["spec"]
        for one in manifests
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "traces"
    ]
    assert policy["egress"][0]["ports"] == [{"protocol": "TCP", "port": urlsplit(endpoint).port}]
    deployments = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "Deployment"}
    assert set(policy["podSelector"]["matchExpressions"][0]["values"]) == set(deployments)
    for deployment in deployments.values():
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert common["metadata"]["name"] in [
            source.get("configMapRef", {}).get("name") for source in container["envFrom"]
        ]
