"""The commands of an exporter: run it, and ask it who a pseudonym is."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Literal

from exporters.pseudonym_lookup import who as accounts_of
from exporters.run import export

log = logging.getLogger("tocsin")


def run(config: Path) -> int:
    """Serve /metrics until SIGINT or SIGTERM; the exit status.

    Raises:
        TocsinError: the configuration, the state or the rules cannot be used.
        OSError: an address cannot be listened on, or a file not be read or written.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    export(config, ready=lambda address: log.info("metrics are at http://%s:%d/metrics", *address))
    return 0


def who(config: Path, pseudonym: str, *, form: Literal["text", "json"]) -> int:
    """Print who an exporter shows under a pseudonym; the exit status: 1 if nobody.

    Raises:
        TocsinError: the configuration or the state cannot be used.
        OSError: a file cannot be read or written.
    """
    found = accounts_of(config, pseudonym)
    if form == "json":
        print(json.dumps({"pseudonym": pseudonym, "accounts": found}))
    elif found:
        print("\n".join(found))
    else:
        print("tocsin: no account has this pseudonym: it was evicted, or belongs to another exporter", file=sys.stderr)
    return int(not found)
