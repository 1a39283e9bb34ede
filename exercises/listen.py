"""A pager to try things out with: prints what Alertmanager sends to webhooks on this machine, until Ctrl-C.

    python -m exercises.listen [--port 5001]

A channel NAME comes here when an overlay makes it ``{type: webhook, secret: "", target:
"http://127.0.0.1:5001/webhook/NAME"}``, as docs/gateways/litellm.md does.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

from exercises.demo import pages, show
from exercises.demo.terminal import Screen
from exercises.receiver import CaptureReceiver, Delivery

PORT: Final = 5001
_POLL_SECONDS: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each notification when it comes."""
    parser = argparse.ArgumentParser(
        prog="python -m exercises.listen", description="Prints what Alertmanager sends to webhooks on this machine."
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"of the loopback (default: {PORT})")
    options = parser.parse_args(arguments)
    try:
        receiver = CaptureReceiver(options.port)
    except (OSError, OverflowError) as error:
        advice = "choose another with --port, and name it in the targets of the overlay"
        sys.exit(f"listen: port {options.port} cannot be used: {error}; {advice}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen, seen = Screen(sys.stdout), 0
    try:
        with receiver:
            screen.line(f"Waiting for notifications at {receiver.url}/webhook/NAME, until Ctrl-C")
            while True:
                for delivery in receiver.deliveries[seen:]:
                    show_delivery(screen, delivery)
                    seen += 1
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        return 0


def show_delivery(screen: Screen, delivery: Delivery) -> None:
    """One notification: what fires in a box, anything else in a line."""
    page = pages.read(delivery)
    if page is None:
        screen.line(f"An unknown message came to {delivery.path}", "dim")
    elif page.status == "firing":
        show.page(screen, page)
    else:
        show.note(screen, page)


if __name__ == "__main__":
    raise SystemExit(main())
