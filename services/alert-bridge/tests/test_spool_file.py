"""The spool's file and its thread: what is said to be kept is there after any end, and bounds hold."""

import asyncio
import resource
import sqlite3
import subprocess
import sys

import pytest

from alert_bridge.errors import SpoolFailed, SpoolFull, SpoolUnusable
from alert_bridge.store.spool import open_spool
from alert_bridge.store.spool_file import ROW_BYTES, Row, SpoolFile

MIB = 1 << 20


def row(number, *, size=100, id_=None):
    """One alert of so many bytes."""
    return Row(
        number, id_ or f"alert:{number}", "alert.v1.a._", "2026-01-02T03:04:05+00:00", 5.0, b"x" * size
    )


def numbers_in(path):
    """Which alerts a file has, read as the next process would."""
    file = SpoolFile(path, max_bytes=MIB)
    try:
        return [found.number for found in file.read(0, most=10_000, most_bytes=MIB)]
    finally:
        file.close()


async def test_what_is_kept_is_there_for_the_next_process(tmp_path):
    """Alerts come back in order, whole; what was removed does not."""
    async with open_spool(tmp_path / "spool", max_bytes=MIB) as spool:
        assert all(await asyncio.gather(*(spool.keep(row(number)) for number in range(1, 6))))
        spool.change(lambda file: file.remove([2, 4]))

    async with open_spool(tmp_path / "spool", max_bytes=MIB) as spool:
        assert await spool.read(0, most=10, most_bytes=MIB) == [row(1), row(3), row(5)]
        assert await spool.read(1, most=1, most_bytes=MIB) == [row(3)]
        assert (spool.extent.alerts, spool.extent.size) == (3, 3 * (100 + ROW_BYTES))
        assert (spool.extent.oldest_at, spool.last_number) == (5.0, 5)


async def test_an_id_is_kept_once(tmp_path):
    """The second alert of an id is answered as the repeat that it is, and costs nothing."""
    async with open_spool(tmp_path / "spool", max_bytes=MIB) as spool:
        first, second = await asyncio.gather(spool.keep(row(1, id_="same")), spool.keep(row(2, id_="same")))

        assert (first, second) == (True, False)
        assert spool.extent.alerts == 1


async def test_the_bound_holds_whatever_is_on_its_way(tmp_path):
    """The alert over the bound is refused at once, even while those before it are not written yet."""
    each = 1000 + ROW_BYTES
    async with open_spool(tmp_path / "spool", max_bytes=3 * each) as spool:
        under_way = [spool.keep(row(number, size=1000)) for number in range(3)]
        with pytest.raises(SpoolFull, match="full"):
            spool.keep(row(3, size=1000))
        await asyncio.gather(*under_way)
        with pytest.raises(SpoolFull):
            spool.keep(row(3, size=1000))
        assert spool.full
        gone = asyncio.Event()
        spool.change(lambda file: file.remove([0]), then=gone.set)
        await gone.wait()

        assert not spool.full
        assert await spool.keep(row(3, size=1000))


async def test_many_senders_share_one_write(tmp_path):
    """A thousand alerts at once take a few transactions, not a thousand."""
    async with open_spool(tmp_path / "spool", max_bytes=MIB) as spool:
        commits = 0

        def count(statement):
            nonlocal commits
            commits += statement == "COMMIT"

        spool.change(lambda file: file._db.set_trace_callback(count))
        await asyncio.gather(*(spool.keep(row(number)) for number in range(1000)))

    assert commits < 20


async def test_a_disk_that_takes_no_more_is_said(tmp_path):
    """An alert the disk did not take is never said to be kept; with room again all is well."""
    path = tmp_path / "spool"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with open_spool(path, max_bytes=64 * MIB) as spool:
        assert await spool.keep(row(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        try:
            answers = await asyncio.gather(
                *(spool.keep(row(number, size=50_000)) for number in range(2, 12)), return_exceptions=True
            )
            refused = [
                await asyncio.gather(spool.keep(row(20 + n, size=50_000)), return_exceptions=True)
                for n in range(5)
            ]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        failed = [answer for answer in answers if isinstance(answer, SpoolFailed)]
        assert failed or any(isinstance(answer, SpoolFailed) for [answer] in refused)
        assert await spool.keep(row(99))
        said = [2 + n for n, answer in enumerate(answers) if answer is True]
        said += [20 + n for n, [answer] in enumerate(refused) if answer is True]
        assert spool.problem == ""

    assert numbers_in(path) == [1, *said, 99]


def test_a_full_file_loses_nothing_it_had(tmp_path):
    """Where SQLite has no room, the transaction fails as a whole, and what was counted is as before."""
    file = SpoolFile(tmp_path / "spool", max_bytes=4096)
    with file.transaction():
        file.add(row(1, size=100_000))
    before = file.extent

    def add_too_much():
        with file.transaction():
            file.add(row(2, size=100))
            file.add(row(3, size=3 * MIB))

    with pytest.raises(sqlite3.OperationalError, match="full"):
        add_too_much()

    assert file.extent == before
    assert [found.number for found in file.read(0, most=9, most_bytes=MIB)] == [1]
    file.close()


def test_an_empty_file_becomes_small_again(tmp_path):
    """After an outage the disk gets its room back."""
    file = SpoolFile(tmp_path / "spool", max_bytes=64 * MIB)
    with file.transaction():
        for number in range(400):
            file.add(row(number, size=20_000))
    with file.transaction():
        file.remove(range(400))
    grown = (tmp_path / "spool").stat().st_size + (tmp_path / "spool-wal").stat().st_size
    file.shrink()

    assert grown > 8 * MIB
    assert (tmp_path / "spool").stat().st_size + (tmp_path / "spool-wal").stat().st_size < MIB
    file.close()


def test_what_was_set_aside_is_tried_again_by_the_next_process(tmp_path):
    """An alert the bus refused is out of the way, and stays."""
    file = SpoolFile(tmp_path / "spool", max_bytes=MIB)
    with file.transaction():
        file.add(row(1))
        file.add(row(2))
        file.refuse(1, "denied")
    assert [found.number for found in file.read(0, most=9, most_bytes=MIB)] == [2]
    file.close()

    assert numbers_in(tmp_path / "spool") == [1, 2]


@pytest.mark.parametrize("damage", ["noise", "middle", "strange", "newer"])
def test_a_file_that_is_no_sound_spool_is_refused_and_left_alone(tmp_path, damage):
    """The error names the file and the cure, and not a byte of the file is changed."""
    path = tmp_path / "spool"
    file = SpoolFile(path, max_bytes=MIB)
    with file.transaction():
        for number in range(200):
            file.add(row(number, size=500))
    file.close()
    if damage == "noise":
        path.write_bytes(b"this is no database, and never was" * 100)
    elif damage == "middle":
        whole = path.read_bytes()
        path.write_bytes(whole[:8192] + b"\xff" * 20_000 + whole[28_192:])
    else:
        db = sqlite3.connect(path)
        db.execute("PRAGMA application_id=7" if damage == "strange" else "PRAGMA user_version=9")
        db.commit()
        db.close()
    before = path.read_bytes()

    with pytest.raises(SpoolUnusable, match=str(path)):
        SpoolFile(path, max_bytes=MIB)

    assert path.read_bytes() == before


def test_a_damaged_file_keeps_the_log_beside_it(tmp_path):
    """What a killed process had in the log of changes is not mixed into a file that is damaged."""
    living, path = tmp_path / "living", tmp_path / "spool"
    file = SpoolFile(living, max_bytes=MIB)
    with file.transaction():
        for number in range(200):
            file.add(row(number, size=500))
    file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with file.transaction():
        file.add(row(500))
    for ending in ("", "-wal"):  # as a kill would leave them
        tmp_path.joinpath(f"spool{ending}").write_bytes(tmp_path.joinpath(f"living{ending}").read_bytes())
    file.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * 20_000 + whole[28_192:])
    before = [tmp_path.joinpath(f"spool{ending}").read_bytes() for ending in ("", "-wal")]

    with pytest.raises(SpoolUnusable, match="recover"):
        SpoolFile(path, max_bytes=MIB)

    assert before == [tmp_path.joinpath(f"spool{ending}").read_bytes() for ending in ("", "-wal")]
    assert len(before[1]) > 0


def test_one_process_has_a_file(tmp_path):
    """A second one hears who has it; once the first is gone, however that ended, the file is free."""
    path = tmp_path / "spool"
    script = (
        "import sys\nfrom pathlib import Path\nfrom alert_bridge.store.spool_file import SpoolFile\n"
        "file = SpoolFile(Path(sys.argv[1]), max_bytes=1 << 20)\nprint('open', flush=True)\nsys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(SpoolUnusable, match=rf"process {holder.pid}\b.*ALERT_BRIDGE_SPOOL"):
            SpoolFile(path, max_bytes=MIB)
    finally:
        holder.kill()
        holder.communicate()

    SpoolFile(path, max_bytes=MIB).close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    """A path below a file, as below a read-only folder, refuses the start with the variable's name."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolUnusable, match="ALERT_BRIDGE_SPOOL"):
        SpoolFile(tmp_path / "file" / "spool", max_bytes=MIB)
