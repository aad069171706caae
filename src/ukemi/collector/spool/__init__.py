"""The spool: the durable hand-over from ingest to digest. See `writer` and `reader`."""
