"""What a newcomer copies works as it is printed."""

import json
import re
import subprocess

from ketbase.local.template import home
from tests.e2e.stack import KEY


def run_shell(script):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_lines_of_the_readme_end_in_counts(stack):
    readme = (home() / "README.md").read_text()
    (block,) = re.findall(r"```sh\n(export KEY=.*?)```", readme, re.DOTALL)
    script = block.replace("qsk_dev_…", KEY).replace("localhost:8000", f"localhost:{stack.port}")
    answer = run_shell(script)
    counts = answer["data"]["counts"]
    assert list(counts)[:2] in (["000", "111"], ["111", "000"])
    assert sum(counts.values()) == 4_096


def test_the_answer_in_the_readme_is_the_answer_of_its_lines(stack):
    readme = (home() / "README.md").read_text()
    shown = json.loads(re.findall(r"```json\n(.*?)```", readme, re.DOTALL)[0].replace("…", ""))
    (block,) = re.findall(r"```sh\n(export KEY=.*?)```", readme, re.DOTALL)
    script = block.replace("qsk_dev_…", KEY).replace("localhost:8000", f"localhost:{stack.port}")
    data = run_shell(script)["data"]
    assert shown["data"]["counts"] == data["counts"]
    provenance = shown["data"]["provenance"]
    assert provenance["method"] == data["provenance"]["method"]
    for part in ("compiled", "calibration"):
        whole = data["provenance"][part]
        assert all(whole[name] == value for name, value in provenance[part].items() if value)


def test_the_lines_that_the_start_prints_end_in_counts(stack):
    printed = stack.log_text()
    lines = [line for line in printed.splitlines() if line.startswith(("CIRCUIT=", "JOB=", "curl "))]
    assert len(lines) == 3
    answer = run_shell("\n".join(lines))
    assert sum(answer["data"]["counts"].values()) == 4_096
