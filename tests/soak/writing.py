"""Write the lines of one run to the log again and again, as so many runs would: each opens the log and closes it.

    python -m tests.soak.writing LOG_FILE COLLECTOR TIMES < a JSON list of [level, module, message]
"""

import json
import logging
import sys
from pathlib import Path

from config.settings import Logging
from runtime import log


def main() -> None:
    path, collector, times = sys.argv[1:]
    settings, lines = Logging(level="DEBUG", log_file_path=Path(path)), json.load(sys.stdin)
    for _ in range(int(times)):
        log.set_up(settings, collector, log.Redactor())
        for level, module, message in lines:
            logging.getLogger(module).log(logging.getLevelNamesMapping()[level], "%s", message)
        log.shut_down()


if __name__ == "__main__":
    main()
