"""The AsyncAPI document is one, by the word of its reference parser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "asyncapi.json"

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parser, installed from its lock into a folder of its own."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("asyncapi")
    for name in ("package.json", "package-lock.json", "validate_asyncapi.mjs"):
        shutil.copy(HERE / name, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, timeout=240, capture_output=True)
    return folder


def _faults(checker: Path, document: Path) -> list[str]:
    command = ["node", "validate_asyncapi.mjs", str(document)]
    done = subprocess.run(command, cwd=checker, check=False, timeout=60, capture_output=True, text=True)
    assert done.stderr == ""
    assert (done.returncode == 1) == bool(done.stdout)
    return done.stdout.splitlines()


def test_the_document_is_valid(checker: Path):
    """Generators of other languages can read it."""
    assert _faults(checker, DOCUMENT) == []


@pytest.mark.parametrize("fault", ["operation", "channel", "schema"])
def test_a_faulty_document_is_refused(checker: Path, tmp_path: Path, fault: str):
    """The checker finds an operation on no channel, an address that is no text, a payload no schema."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    if fault == "operation":
        document["operations"]["price"]["channel"]["$ref"] = "#/channels/prices"
    elif fault == "channel":
        document["channels"]["price"]["address"] = 7
    else:
        document["components"]["messages"]["price"]["payload"]["type"] = "numeral"
    faulty = tmp_path / "faulty.json"
    faulty.write_text(json.dumps(document), encoding="utf-8")

    assert _faults(checker, faulty)
