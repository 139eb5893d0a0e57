"""How long to wait before the next attempt; pure, randomness is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Exponential pauses in seconds between `initial` and `maximum`, each ± 20 %."""

    initial: float
    maximum: float
    factor: float = 1.5
    attempts: int = 0

    def pause(self, random: float) -> float:
        """The pause before the next attempt; `random` is in [0, 1)."""
        pause = min(self.maximum, self.initial * self.factor ** min(self.attempts, 64))
        self.attempts += 1
        return pause * (0.8 + 0.4 * random)

    def reset(self) -> None:
        """After a success."""
        self.attempts = 0


def replay_pause(attempt: int, random: float) -> float:
    """Seconds before a refused batch is sent again: none twice, then 0.5 s growing by 1.1 to 1 s, each ± 50 % (as Bento)."""
    if attempt < 2:
        return 0.0
    return float(min(1.0, 0.5 * 1.1 ** min(attempt - 2, 64)) * (0.5 + random))
