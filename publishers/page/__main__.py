"""`python -m publishers.page`: write the page once."""

import jobs.publish
from publishers import page

if __name__ == "__main__":
    jobs.publish.main(page)
