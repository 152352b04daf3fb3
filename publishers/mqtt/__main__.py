"""`python -m publishers.mqtt`: one run."""

from jobs import publish
from publishers import mqtt

if __name__ == "__main__":
    publish.main(mqtt)
