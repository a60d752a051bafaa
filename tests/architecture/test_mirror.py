"""Folder, event, function and route say the same."""

import importlib.util
import json
import re
from collections import Counter

import pytest

from tests.template import ROOT, Function, functions

FOLDERS = sorted(str(path.parent.relative_to(ROOT / "functions")) for path in ROOT.glob("functions/*/*/app.py"))
BY_FOLDER = {function.folder: function for function in functions().values()}


def test_each_function_folder_is_a_function_of_the_template_and_has_an_event() -> None:
    events = sorted(str(path.relative_to(ROOT / "events").with_suffix("")) for path in ROOT.glob("events/*/*.json"))
    assert sorted(BY_FOLDER) == FOLDERS
    assert events == FOLDERS


def test_a_functions_name_is_its_folder() -> None:
    for function in functions().values():
        words = [*function.domain.split("_"), *function.action.split("_")]
        assert function.name == "".join(word.capitalize() for word in words) + "Function"


def test_nothing_lives_in_functions_and_events_but_their_files() -> None:
    strange = [
        str(path.relative_to(ROOT))
        for top, shape in (("functions", r"\w+/\w+/app\.py"), ("events", r"\w+/\w+\.json"))
        for path in (ROOT / top).rglob("*")
        if path.is_file()
        and path.parent.name != "__pycache__"
        and not re.fullmatch(shape, str(path.relative_to(ROOT / top)))
    ]
    assert strange == []


def test_no_two_functions_serve_one_route() -> None:
    routes = Counter(route for function in functions().values() for route in function.routes)
    assert [route for route, times in routes.items() if times > 1] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_template_routes_to_what_the_function_serves(folder: str) -> None:
    assert served(BY_FOLDER[folder]) == BY_FOLDER[folder].routes


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_event_is_one_that_wakes_the_function(folder: str) -> None:
    event = json.loads((ROOT / "events" / f"{folder}.json").read_text())
    function = BY_FOLDER[folder]
    kinds = {kind for kind, _ in function.events}
    if function.routes:
        assert event["version"] == "2.0"
        assert [event["routeKey"]] == function.routes
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", function.routes[0].split(" ")[1])
        matched = re.fullmatch(pattern, event["rawPath"])
        assert matched is not None
        assert matched.groupdict() == event.get("pathParameters", {})
    elif "Records" in event:
        assert "SQS" in kinds
    elif event.get("source") == "aws.scheduler":
        assert "ScheduleV2" in kinds
    elif "ScheduleV2" in kinds:
        inputs = [json.loads(each["Input"]) for kind, each in function.events if kind == "ScheduleV2"]
        assert event in inputs
    else:
        assert kinds == set()
        assert {"organization_id", "job_id"} <= set(event)


def served(function: Function) -> list[str]:
    """The routes of a function's router, or none where it is a pipeline step."""
    spec = importlib.util.spec_from_file_location(
        f"mirror.{function.domain}.{function.action}", ROOT / "functions" / function.folder / "app.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    router = getattr(module, "router", None)
    if router is None:
        return []
    return [f"{method} {route.path}" for route in router.routes for method in route.methods]
