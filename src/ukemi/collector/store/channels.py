"""How the channels do: since when one fails, and until when it is left alone."""

import msgspec
import sqlalchemy as sa

from ukemi.collector.store import schema
from ukemi.collector.store.database import Tx, upsert

MAX_ERROR = 500


class ChannelState(msgspec.Struct, frozen=True):
    """A row of the table; `schema.channel_state` says what each field means."""

    channel: str
    failures: int = 0
    failing_since_us: int | None = None
    is_refusing: bool = False
    closed_until_us: int | None = None
    last_error: str = ""
    delivered_us: int | None = None
    tried_us: int | None = None


_COLUMNS = [schema.channel_state.c[name] for name in ChannelState.__struct_fields__]


def states(tx: Tx) -> dict[str, ChannelState]:
    """By channel, those that something was sent through."""
    return {row["channel"]: ChannelState(**row) for row in tx.execute(sa.select(*_COLUMNS)).mappings()}


def state(tx: Tx, channel: str) -> ChannelState:
    row = tx.execute(sa.select(*_COLUMNS).where(schema.channel_state.c.channel == channel)).mappings().first()
    return ChannelState(**row) if row else ChannelState(channel)


def put(tx: Tx, new: ChannelState) -> None:
    row = msgspec.structs.asdict(msgspec.structs.replace(new, last_error=new.last_error[:MAX_ERROR]))
    upsert(tx, schema.channel_state, [row], replace=[name for name in row if name != "channel"])
