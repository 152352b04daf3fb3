"""`python -m collectors.hue`: one cycle."""

from collectors import hue
from collectors.kit import cycle

if __name__ == "__main__":
    cycle.main(hue)
