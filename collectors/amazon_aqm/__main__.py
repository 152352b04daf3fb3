"""`python -m collectors.amazon_aqm`: one cycle."""

from collectors import amazon_aqm
from jobs import collect

if __name__ == "__main__":
    collect.main(amazon_aqm)
