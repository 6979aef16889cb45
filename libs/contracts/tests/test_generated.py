"""Generated files follow the catalogue."""

from pathlib import Path

import pytest

from baleen_contracts.__main__ import main
from baleen_contracts.generated import differing, generated


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose generated files are fresh."""
    (tmp_path / "libs" / "contracts").mkdir(parents=True)
    assert main(["--root", str(tmp_path), "generate"]) == 0
    return tmp_path


def test_fresh_files_do_not_differ(root: Path):
    """Generating twice changes nothing."""
    assert differing(root) == []
    assert main(["--root", str(root), "check"]) == 0


def test_a_difference_is_named_with_its_cure(root: Path, capsys: pytest.CaptureFixture[str]):
    """A changed, a missing and a left-over file are all found."""
    (root / "docs" / "subjects.md").write_text("by hand", encoding="utf-8")
    (root / "libs/contracts/schemas/price.schema.json").unlink()
    (root / "libs/contracts/schemas/gone.schema.json").write_text("{}", encoding="utf-8")

    assert main(["--root", str(root), "check"]) == 1
    said = capsys.readouterr().out
    assert "docs/subjects.md differs" in said
    assert "price.schema.json differs" in said
    assert "gone.schema.json differs" in said
    assert "baleen_contracts generate" in said


def test_generate_heals_every_difference(root: Path):
    """After it, check is silent."""
    (root / "docs" / "asyncapi.json").write_text("{}", encoding="utf-8")
    (root / "libs/contracts/schemas/gone.schema.json").write_text("{}", encoding="utf-8")

    main(["--root", str(root), "generate"])

    assert differing(root) == []


def test_another_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run at the wrong place it writes nothing and says where to run it."""
    assert main(["--root", str(tmp_path), "generate"]) == 1
    assert "--root" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_texts_end_with_one_newline():
    """Editors and formatters leave them alone."""
    assert all(text.endswith("\n") and not text.endswith("\n\n") for text in generated().values())
