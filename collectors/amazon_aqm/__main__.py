"""`python -m collectors.amazon_aqm`: one cycle."""

from collectors import amazon_aqm
from collectors.kit import cycle

if __name__ == "__main__":
    cycle.main(amazon_aqm)
