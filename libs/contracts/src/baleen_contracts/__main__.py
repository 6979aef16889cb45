"""``python -m baleen_contracts generate | check | compat | release``, run at the root of the repository."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from baleen_contracts.compatibility import judge
from baleen_contracts.generated import as_text, differing, write
from baleen_contracts.schemas import MAJOR, schemas

RELEASED = f"libs/contracts/released/{MAJOR}"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 when all is well, 1 when something must be done, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m baleen_contracts", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="root of the repository (default: here)")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, told in (
        ("generate", generate, "write the generated files"),
        ("check", check, "say which generated files differ from the catalogue"),
        ("compat", compat, "refuse what breaks a released schema"),
        ("release", release, "make today's schemas the ones that later changes must keep"),
    ):
        command = commands.add_parser(name, help=told, description=told)
        command.set_defaults(run=run)
        if name == "compat":
            command.add_argument("--against", type=Path, default=Path(RELEASED), help=f"default: {RELEASED}")
    asked = parser.parse_args(arguments)
    chosen: Callable[[argparse.Namespace], int] = asked.run
    if not (asked.root / "libs" / "contracts").is_dir():
        return _say(
            1,
            f"{asked.root.resolve()} is not the root of the repository: run it there or name it with --root",
        )
    return chosen(asked)


def generate(asked: argparse.Namespace) -> int:
    """Writes every generated file that differs."""
    for path in write(asked.root):
        _say(0, f"wrote {path}")
    return 0


def check(asked: argparse.Namespace) -> int:
    """Compares every generated file with the catalogue."""
    wrong = differing(asked.root)
    for path in wrong:
        _say(1, f"{path} differs from the catalogue")
    return _say(1, "cure: python -m baleen_contracts generate, and commit the result") if wrong else 0


def compat(asked: argparse.Namespace) -> int:
    """Compares today's schemas with the released ones of the same major."""
    released = sorted((asked.root / asked.against).glob("*.schema.json"))
    if not released:
        return _say(1, f"no released schemas in {asked.against}: name the folder with --against")
    current = schemas()
    refused = 0
    for path in released:
        name = path.name.removesuffix(".schema.json")
        for how in judge(json.loads(path.read_text(encoding="utf-8")), current.get(name)):
            refused = _say(1, f"{name}: {how.value}")
    cure = "cure: inside a major only add optional fields; for more, add a new model under the next major"
    return _say(1, cure) if refused else 0


def release(asked: argparse.Namespace) -> int:
    """Keeps today's schemas as released, unless they break what was released before."""
    asked.against = Path(RELEASED)
    folder = asked.root / RELEASED
    if folder.exists() and compat(asked):
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.schema.json").write_text(as_text(schema), encoding="utf-8")
    return 0


def _say(code: int, sentence: str) -> int:
    sys.stdout.write(f"{sentence}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
