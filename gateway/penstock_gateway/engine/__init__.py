"""The engine: connects, reads, processes, writes, acknowledges, replays, drains; written once for every component."""
