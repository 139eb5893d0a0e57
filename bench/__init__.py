"""Measurements: each module offers `measure(rounds) -> rows`, with the baseline interleaved in the same run."""
