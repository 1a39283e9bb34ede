from __future__ import annotations

import threading
import time

from runtime.fair_lock import FairLock


def test_whoever_waits_gets_it_before_a_holder_that_takes_it_again_at_once() -> None:
    lock, served = FairLock(), threading.Event()
    rounds = 0

    def scrape() -> None:
        with lock:
            served.set()

    thread = threading.Thread(target=scrape)
    with lock:
        thread.start()
        while not lock._waiting:  # until it waits
            time.sleep(0.001)
    while not served.is_set():  # a reader: it gives the lock up and takes it again without a pause
        with lock:
            rounds += 1
    thread.join()
    assert rounds <= 1


def test_it_serves_in_the_order_of_arrival() -> None:
    lock = FairLock()
    order: list[int] = []

    def wait(number: int) -> None:
        with lock:
            order.append(number)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(5)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            while len(lock._waiting) <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_it_excludes_and_is_free_after_an_exception() -> None:
    lock, counts = FairLock(), [0]

    def count() -> None:
        for _ in range(500):
            with lock:
                before = counts[0]
                time.sleep(0)
                counts[0] = before + 1

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2000]
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    with lock:
        pass
