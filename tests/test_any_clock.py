"""What has to do with time passes at other times, in other zones and locales, and while the clock is set."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime

import pytest

from tests.clocks import IN_EVERY_RUN, UNDER_LEAPS, pytest_run
from tests.conftest import RealServer
from tests.support.clock import MOMENTS, Moment, at
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_time_and_place_decide_nothing(moment: Moment, real_server: RealServer) -> None:
    done = pytest_run(["-q", "-n0", *IN_EVERY_RUN], at(moment, real_server("libfaketime")), quiet=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


def test_a_clock_that_is_set_meanwhile_does_no_harm() -> None:
    done = pytest_run(["-q", "-n0", "-p", "tests.support.leaps", *UNDER_LEAPS[:1]], os.environ, quiet=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_the_moments_are_what_they_are_called(moment: Moment, real_server: RealServer) -> None:
    """Or the tests above would prove nothing, where the library does nothing."""
    code = "import time; print(time.time()); print(time.tzname[0])"
    environment = at(moment, real_server("libfaketime"))
    told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE).stdout
    now, zone = told.decode().split()
    assert abs(float(now) - datetime.fromisoformat(moment.utc).timestamp()) < PATIENCE
    assert zone != "UTC"
