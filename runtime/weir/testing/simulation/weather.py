"""How kind the simulated world is at the moment: latencies and rates of faults. A scenario changes it as time passes."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass
class Weather:
    """Rates are probabilities per call or message, delays are seconds."""

    #: Storage: a typical call; now and then one takes much longer.
    storage_delay: float = 0.005
    storage_errors: float = 0.0  #: the call fails and has no effect
    storage_lost: float = 0.0  #: the call has its effect, and fails
    #: Control messages and data frames.
    message_delay: float = 0.002
    slow_messages: float = 0.0  #: share of messages that take up to ``slow_delay``
    slow_delay: float = 0.5
    #: One round of a data thread.
    round_delay: float = 0.001

    def of_storage(self, chance: random.Random) -> float:
        """Seconds until a storage call has its effect, or until its answer is there."""
        typical = chance.expovariate(1.0) * self.storage_delay
        return typical * 20 if chance.random() < 0.02 else typical

    def of_message(self, chance: random.Random) -> float:
        """Seconds that a message is on its way."""
        if self.slow_messages and chance.random() < self.slow_messages:
            return chance.random() * self.slow_delay
        return chance.expovariate(1.0) * self.message_delay

    def of_round(self, chance: random.Random) -> float:
        """Seconds until a busy data thread is at its next round."""
        return chance.expovariate(1.0) * self.round_delay
