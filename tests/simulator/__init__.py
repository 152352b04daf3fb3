"""The pretend world of the tests, the demo and the long runs: a house, and real servers that show it.

Nothing here imports the product: what the collectors report can so be compared with what the house knows.
"""

from tests.simulator.server import Simulator

__all__ = ["Simulator"]
