"""Channels: places that can be told. Each is one file behind the small interface in `base`."""
