"""The table of the buckets, and what is made of it."""

from pathlib import Path

import pytest

from baleen_bus.buckets import BUCKETS, bucket_configs, buckets_table, lease_ttl
from baleen_bus.permissions import rights_of
from baleen_bus.streams import StreamSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "buckets.md"


def test_the_documents_table_is_the_generated_one():
    """Run `baleen-bus buckets > docs/buckets.md` after a change."""
    assert DOCUMENT.read_text(encoding="utf-8") == buckets_table()


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (StreamSettings(), 6.0),
        (StreamSettings(replicas=3), 15.0),
        (StreamSettings(replicas=3, lease_ttl=2.5), 2.5),
    ],
)
def test_a_lease_lives_longer_in_a_cluster(settings, seconds):
    """Which may be without a leader for eight seconds; a setting wins."""
    (leases,) = (config for config in bucket_configs(settings) if config["name"] == "KV_leases")

    assert lease_ttl(settings) == seconds
    assert leases["max_age"] == seconds * 1e9
    assert leases["duplicate_window"] <= leases["max_age"]


def test_only_the_newest_value_of_a_key_is_kept():
    """In every bucket, and none takes from a stranger what would wipe others' keys."""
    for config in bucket_configs(StreamSettings()):
        assert config["max_msgs_per_subject"] == 1
        assert config["allow_direct"]
        assert config["allow_rollup_hdrs"] is (config["name"] != "KV_demand")


def test_whoever_the_table_names_as_a_writer_may_write_and_nobody_else():
    """The table and the permissions are of one mind."""
    for spec in BUCKETS.values():
        for key in spec.keys:
            for user in ("uw-ingest", "ws-gateway", "alert-bridge", "uw-simulator", "engine", "team"):
                prefixes = tuple(
                    allowed.removesuffix(">")
                    for allowed in rights_of(user).publish
                    if allowed.startswith("$KV.")
                )
                may = f"$KV.{spec.name}.{key.form}".startswith(prefixes) if prefixes else False
                assert may is (user in key.writers), (spec.name, key.form, user)
