"""What the compose file promises, checked without Docker; and the checks, on files they must reject."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from baleen.plan import TOKEN_VARIABLES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
STACK: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
SERVICES: dict[str, Any] = STACK["services"]


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    """Run the checker that lint runs."""
    program = Path(sys.executable).with_name("check-jsonschema")
    return subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_file_follows_the_compose_specification():
    """Every field is one that Compose knows."""
    checked = check_schema(COMPOSE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_misspelt_field_is_refused(tmp_path: Path):
    """The checker sees what a person overlooks."""
    wrong = tmp_path / "compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:"))
    assert check_schema(wrong).returncode != 0


LOOPBACK = "127.0.0.1"


def exposed(services: dict[str, Any]) -> list[str]:
    """Return the published ports that other machines could reach."""
    return [
        port
        for one in services.values()
        for port in one.get("ports", [])
        if not port.startswith("127.0.0.1:")
    ]


def test_every_port_is_published_on_loopback_only():
    """The data is licensed for one person, and the stack has no authentication on."""
    assert exposed(SERVICES) == []
    assert exposed({"x": {"ports": ["8000:8000"]}}) == ["8000:8000"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str):
    """Nothing may write to its image, gain rights, or keep capabilities."""
    one = SERVICES[name]
    assert one["read_only"] is True
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["cap_drop"] == ["ALL"]


def test_images_base_and_network_can_be_chosen():
    """A machine that reaches no public registry brings its own, by variables."""
    text = COMPOSE.read_text()
    for variable in ("NATS_IMAGE", "PYTHON_IMAGE", "IMAGE_PREFIX", "IMAGE_TAG", "BUILD_NETWORK"):
        assert f"${{{variable}:-" in text
    for variable in ("PROMETHEUS_IMAGE", "NATS_EXPORTER_IMAGE", "GRAFANA_IMAGE"):
        assert f"${{{variable}:-" in text


def unpinned(services: dict[str, Any]) -> list[str]:
    """Return the images whose tag says nothing of what is in them."""
    images = [one["image"].rpartition(":-")[2].removesuffix("}") for one in services.values()]
    return [image for image in images if ":" not in image or image.endswith(":latest")]


def test_every_image_of_others_has_a_version():
    """What comes up tomorrow is what came up today."""
    assert unpinned({name: one for name, one in SERVICES.items() if "build" not in one}) == []
    images = ("${X_IMAGE:-prom/prometheus:latest}", "${X_IMAGE:-prom/prometheus}", "nats:2-alpine")
    assert unpinned({image: {"image": image} for image in images}) == [
        "prom/prometheus:latest",
        "prom/prometheus",
    ]


def test_every_file_that_is_mounted_exists():
    """A misspelt one would be made as an empty folder."""
    for name, one in SERVICES.items():
        for volume in one.get("volumes", []):
            source = volume["source"].rpartition(":-")[2].rstrip("}") if isinstance(volume, dict) else volume
            source = source.split(":")[0]
            assert not source.startswith(".") or (ROOT / source).exists(), (name, source)


def scraped(config: dict[str, Any]) -> set[str]:
    """Return host:port of everything that a configuration of Prometheus scrapes."""
    found = set[str]()
    for job in config["scrape_configs"]:
        found |= {target for group in job.get("static_configs", []) for target in group["targets"]}
        found |= {f"{name}:{by['port']}" for by in job.get("dns_sd_configs", []) for name in by["names"]}
    return found


def test_prometheus_scrapes_every_service_where_it_listens():
    """By the names and ports that the containers have."""
    ports = {
        name: one["ports"][0].rpartition(":")[2]
        for name, one in SERVICES.items()
        if name in ("uw-ingest", "ws-gateway", "alert-bridge")
    }
    config = yaml.safe_load((ROOT / "observability/prometheus/prometheus.yml").read_text())
    expected = {f"{name}:{port}" for name, port in ports.items()}
    assert scraped(config) == expected | {"localhost:9090", "nats-exporter:7777"}
    assert "-port=7777" in SERVICES["nats-exporter"]["command"]


def rooted(services: dict[str, Any], ours: str) -> list[str]:
    """Return what would run as root: others' images without a user, for ours have one."""
    return [
        name
        for name, one in services.items()
        if ours not in one["image"] and one.get("user", "0").partition(":")[0] in {"0", "root"}
    ]


def unlimited(services: dict[str, Any]) -> list[str]:
    """Return what may take all of a machine's memory, processes or disk (by its log)."""
    wanted = {"mem_limit", "pids_limit", "logging"}
    return [name for name, one in services.items() if not wanted <= one.keys()]


def not_awaited(services: dict[str, Any]) -> list[str]:
    """Return what stays, and whose disabled check would fail `docker compose up --wait`."""
    return [
        name
        for name, one in services.items()
        if one["restart"] != "no" and one.get("healthcheck", {}).get("disable")
    ]


def test_nobody_is_root_or_unlimited_and_all_can_be_waited_for():
    """Of ours and of others; and what is not so is noticed."""
    assert rooted(SERVICES, "${IMAGE_PREFIX:-baleen}/") == []
    assert unlimited(SERVICES) == []
    assert not_awaited(SERVICES) == []
    one = {"image": "x:1", "restart": "always", "healthcheck": {"disable": True}, "mem_limit": "1g"}
    wrong = {"x": one, "y": one | {"user": "0:0"}}
    assert rooted(wrong, "baleen/") == ["x", "y"]
    assert unlimited(wrong) == ["x", "y"]
    assert not_awaited(wrong) == ["x", "y"]


def path_with(token: bool) -> str:
    """Return the file that says simulated, as compose reads its name with a token or without one."""
    return re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1" if token else "", STACK["x-simulated"]["path"])


def test_the_token_alone_makes_the_data_live():
    """The file that says simulated is there under its own name, and under none that a token makes of it."""
    assert set(re.findall(r"\$\{(\w+):\+", STACK["x-simulated"]["path"])) == set(TOKEN_VARIABLES)
    assert STACK["x-simulated"]["required"] is False
    assert (ROOT / path_with(token=False)).is_file()
    assert not (ROOT / path_with(token=True)).exists()
    for name in ("uw-ingest", "simulator"):
        assert SERVICES[name]["env_file"][-1] == STACK["x-simulated"]
