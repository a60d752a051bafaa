"""The alarm that holds a step to its ceiling ends the process, whatever it does."""

import signal
import subprocess
import sys

BUSY = """
from ketbase.steps.ceiling import process_alarm
with process_alarm({seconds}):
    {work}
print("went on")
"""


def run(seconds, work):
    script = BUSY.format(seconds=seconds, work=work)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_a_process_ends_at_the_alarm_although_it_never_lets_go_of_the_interpreter():
    done = run(0.2, "sum(range(10**12))")
    assert done.returncode == -signal.SIGALRM
    assert done.stdout == ""


def test_a_process_goes_on_when_the_work_was_done_in_time():
    done = run(0.5, "pass\nimport time; time.sleep(0.7)")
    assert (done.returncode, done.stdout) == (0, "went on\n")
