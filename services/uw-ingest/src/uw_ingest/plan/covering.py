"""Which channels carry what is wanted: those themselves, or one of all tickers instead of many.

Pure. Upstream asks to be asked for all tickers rather than for many, and allows few joins: so the tickers of
a kind give way to its channel of all when that is wanted anyway, when they are many, or when the joins would
not fit. They come back only when they are clearly few and clearly fit, so that one wish more or less does
not turn the plan over.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from uw_ingest.channels import assumed_weight, kind_of, split
from uw_ingest.plan.wanted import Want

MANY = 10  # tickers of one kind that are still joined one by one
FEW = 7  # to which they must fall to be joined one by one again
SLACK = 9  # one in so many joins must stay free when tickers come back


@dataclass(frozen=True, slots=True)
class Load:
    """A channel to join, for those who want it.

    ``carries`` are the wanted tickers it stands for, ``itself`` whether it is wanted as it is.
    """

    channel: str
    by: tuple[str, ...]
    weight: float
    configured: bool
    carries: tuple[str, ...] = ()
    itself: bool = True


def whole_of(channel: str) -> str | None:
    """Return the channel of all tickers which covers this one, if there is one."""
    kind, (name, ticker) = kind_of(channel), split(channel)
    return name if ticker is not None and kind.whole and kind.by_ticker else None


def loads(
    wants: Iterable[Want], *, room: int, joined: Collection[str], accepted: Collection[str]
) -> list[Load]:
    """Return what to join, the most important first: configured, then by the number of those who wish.

    Args:
        wants: what is wanted, configured ones in their order.
        room: how many joins there may be.
        joined: what is joined already; of equals it goes first.
        accepted: what upstream has accepted; it goes before what is merely joined.
    """
    wanted = {want.channel: want for want in wants}
    tickers: dict[str, list[Want]] = {}
    for want in wanted.values():
        whole = whole_of(want.channel)
        if whole is not None:
            tickers.setdefault(whole, []).append(want)
    covering = _covering(wanted, tickers, room, joined)
    found: dict[str, Load] = {}
    for want in wanted.values():
        whole = whole_of(want.channel) or want.channel
        if whole in covering and whole not in found:
            found[whole] = _whole(whole, wanted.get(whole), tickers[whole])
        elif whole not in covering:
            found[want.channel] = Load(want.channel, want.by, want.weight, want.configured)
    places = {channel: place for place, channel in enumerate(found)}
    return sorted(
        found.values(),
        key=lambda load: (
            not load.configured,
            0 if load.configured else -len(load.by),
            (load.channel not in accepted) + (load.channel not in joined),
            places[load.channel] if load.configured else -len(load.carries),
            load.channel,
        ),
    )


def _covering(
    wanted: Collection[str], tickers: dict[str, list[Want]], room: int, joined: Collection[str]
) -> set[str]:
    """Say of which kinds all tickers are joined."""
    covering = {
        whole
        for whole, wants in tickers.items()
        if whole in wanted or len(wants) > MANY or (whole in joined and len(wants) > FEW)
    }
    joins = len(wanted) - sum(len(tickers[w]) - (w not in wanted) for w in covering)
    rest = sorted(tickers.keys() - covering, key=lambda w: (w not in joined, -len(tickers[w]), w))
    back = [whole for whole in rest if whole in joined]  # each needs a place beside its tickers for a moment
    for whole in rest:
        slack = max(room // SLACK, len(back)) if whole in back else 0
        if len(tickers[whole]) > 1 and joins > room - slack:
            covering.add(whole)
            joins -= len(tickers[whole]) - 1
    return covering


def _whole(whole: str, itself: Want | None, carried: Sequence[Want]) -> Load:
    everybody = [*carried, *([itself] if itself else ())]
    return Load(
        whole,
        tuple(sorted({name for want in everybody for name in want.by})),
        itself.weight if itself else assumed_weight(whole),
        any(want.configured for want in everybody),
        tuple(want.channel for want in carried),
        itself is not None,
    )
