"""The judge of the rolling restart is itself judged: by runs that it must reject."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.ledger import Said, audit
from tests.chaos.rolling import Restart, grace_of
from tests.chaos.rolling_judge import Alerts, NativeRecord, OlderRecord, Run, figures, wrong_in_run

SAID = [Said(float(number), "option_trade", f"option_trade:{number}") for number in range(5)]
IDS = [said.message_id for said in SAID]
MARKS = ["a-0", "a-1", "b-0", "a-2"]
ACCOUNT = {"delivered": 4, "in_flight": 0, "unaccounted": 0, "possible_duplicates": 0}
RIGHT = Run(
    restarts=[Restart("uw-ingest ada", code=0, left_within=1.0, ready_within=2.0, grace=30.0)],
    upstream=audit(SAID, IDS, []),
    alerts=Alerts(MARKS, MARKS, [{"deed": "said", "marks": MARKS}], ACCOUNT),
    natives=[NativeRecord(heard={"TAPE": [1, 2, 3]}, wanted={"TAPE": [1, 2, 3]}, away=[0.5])],
    older=[OlderRecord("/flow", heard=[["x", "y"], [], ["z"]], kept=["w", "x", "y", "z"])],
)


def told(*marks: str) -> Alerts:
    """The alerts, said to Discord in this order."""
    return replace(RIGHT.alerts, told=[{"deed": "said", "marks": list(marks)}])


def restarted(**how: float) -> Run:
    """The run, with a restart that went otherwise."""
    return replace(RIGHT, restarts=[replace(RIGHT.restarts[0], **how)])


def heard(*numbers: int, **more: object) -> Run:
    """The run, in which the client heard these."""
    return replace(RIGHT, natives=[replace(RIGHT.natives[0], heard={"TAPE": numbers}, **more)])


WRONG: dict[str, Run] = {
    "ada ended with 1": restarted(code=1),
    "ada left after 31.0 s": restarted(left_within=31.0),
    "lost 1": replace(RIGHT, upstream=audit(SAID, IDS[1:], [])),
    "doubled 1": replace(RIGHT, upstream=audit(SAID, [*IDS, IDS[0]], [])),
    "limit": replace(RIGHT, violations=["four sockets"]),
    "heard twice": heard(1, 2, 2, 3),
    "1 missing, such as 3": heard(1, 2),
    "another order": heard(2, 1, 3),
    "told of a gap": heard(1, 2, 3, gaps=[{"from": 1}]),
    "a position was not taken": heard(1, 2, 3, could_resume=False),
    "a client of /flow": replace(RIGHT, older=[replace(RIGHT.older[0], heard=[["w", "y"]])]),
    "alerts in the stream": replace(RIGHT, alerts=replace(RIGHT.alerts, stored=MARKS[1:])),
    "unheard of 1": replace(RIGHT, alerts=replace(RIGHT.alerts, stored=[*MARKS, "b-1"])),
    "1 alerts were not told, such as a-2": replace(RIGHT, alerts=told(*MARKS[:-1])),
    "told in another order": replace(RIGHT, alerts=told("a-1", "a-0", "b-0", "a-2")),
    "1 alerts repeated": replace(RIGHT, alerts=told(*MARKS, "a-0")),
    "the account of 4 alerts": replace(
        RIGHT, alerts=replace(RIGHT.alerts, account={**ACCOUNT, "in_flight": 1, "delivered": 3})
    ),
    "Discord refused 1": replace(RIGHT, alerts=replace(RIGHT.alerts, refused_by_discord=1)),
}


def test_a_run_that_lost_nothing_is_right() -> None:
    """Nothing to find, and its figures can be told."""
    assert wrong_in_run(RIGHT) == []
    assert "0.50 s at most" in figures(RIGHT)


@pytest.mark.parametrize("words", WRONG)
def test_a_run_that_lost_something_is_rejected(words: str) -> None:
    """One book is falsified at a time, and the finding names it."""
    found = wrong_in_run(WRONG[words])

    assert any(words in finding for finding in found), found


def test_the_grace_is_what_the_manifest_leaves(tmp_path: Path) -> None:
    """What `preStop` waits is gone before SIGTERM comes."""
    pod = {"terminationGracePeriodSeconds": 40, "containers": [{}]}
    waiting = {"lifecycle": {"preStop": {"exec": {"command": ["sleep", "7"]}}}}
    for name, container in (("plain", {}), ("waiting", waiting)):
        spec = {"template": {"spec": {**pod, "containers": [container]}}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"kind": "Deployment", "spec": spec}))

    assert (grace_of("plain", tmp_path), grace_of("waiting", tmp_path)) == (40.0, 33.0)
    assert all(grace_of(service) > 0 for service in ("ws-gateway", "alert-bridge", "uw-ingest"))
