"""Reads template.yaml: which functions there are, what wakes each, and which state machines call them."""

import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

_FOLDER = re.compile(r"functions[./](\w+)[./](\w+)")
_RATE = re.compile(r"^rate\((\d+) (second|minute|hour|day)s?\)$")
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, each read as the name of its tag and its value."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {suffix: loader.construct_mapping(node, deep=True)}
    raise TypeError(f"no YAML node: {node!r}")


_Loader.add_multi_constructor("!", _tag)


_SCHEDULED = {"source": "aws.scheduler", "detail-type": "Scheduled Event"}
"""What a schedule sends that has no input of its own."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What calls a function again and again.

    Attributes:
        every_s: the seconds between two calls.
        event: what the function is called with.
    """

    every_s: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the template.

    Attributes:
        name: the logical id, such as `CircuitsCreateFunction`.
        path: of its `app.py`.
        route: whether it serves HTTP.
        image: whether it runs in the image, that is, may need the quantum room and long time.
        timeout_s: how long a call may take, in seconds.
        schedules: what calls it again and again.
        on_doorbell: whether the doorbell wakes it.
    """

    name: str
    path: Path
    route: bool
    image: bool
    timeout_s: int
    schedules: tuple[Schedule, ...]
    on_doorbell: bool

    @property
    def domain(self) -> str:
        """The domain it belongs to, such as `circuits`."""
        return self.path.parent.parent.name

    def load(self) -> ModuleType:
        """Import the function's module, under a name of its own."""
        module_name = f"functions.{self.domain}.{self.path.parent.name}.app"
        spec = importlib.util.spec_from_file_location(module_name, self.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.path} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def handler(self) -> Callable[[Any, Any], Any]:
        """Import the function and return its handler."""
        handler: Callable[[Any, Any], Any] = self.load().handler
        return handler


@dataclass(frozen=True, slots=True)
class Template:
    """What the local stack takes from template.yaml.

    Attributes:
        functions: by logical id.
        workflows: the state machines' definitions by name, with the functions' logical ids put in.
    """

    functions: dict[str, Function]
    workflows: dict[str, str]


def home() -> Path:
    """The folder that holds template.yaml, functions/ and infra/: that of the source checkout."""
    folder = Path(__file__).resolve().parents[3]
    if not (folder / "template.yaml").is_file():
        raise FileNotFoundError(f"there is no template.yaml in {folder}; `ketbase up` runs from a checkout")
    return folder


def read_template(folder: Path) -> Template:
    """Read a checkout's template."""
    document = yaml.load((folder / "template.yaml").read_text(), _Loader)  # noqa: S506 (built on SafeLoader)
    defaults = document.get("Globals", {}).get("Function", {})
    functions: dict[str, Function] = {}
    workflows: dict[str, str] = {}
    for name, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            functions[name] = _function(folder, name, properties, defaults)
        elif resource["Type"] == "AWS::Serverless::StateMachine":
            path = Path(properties["DefinitionUri"])
            workflows[path.name.split(".")[0]] = _definition(folder / path, properties)
    return Template(functions, workflows)


def _function(folder: Path, name: str, properties: dict[str, Any], defaults: dict[str, Any]) -> Function:
    where = properties.get("CodeUri") or properties["ImageConfig"]["Command"][0]
    found = _FOLDER.search(where)
    if found is None:
        raise ValueError(f"{name}: {where!r} names no folder functions/<domain>/<action>")
    events = list(properties.get("Events", {}).values())
    return Function(
        name=name,
        path=folder / "functions" / found.group(1) / found.group(2) / "app.py",
        route=any(event["Type"] == "HttpApi" for event in events),
        image=properties.get("PackageType") == "Image",
        timeout_s=int(properties.get("Timeout", defaults.get("Timeout", 30))),
        schedules=tuple(_schedule(event["Properties"]) for event in events if event["Type"].startswith("Schedule")),
        on_doorbell=any(event["Type"] == "SQS" for event in events),
    )


def _schedule(properties: dict[str, Any]) -> Schedule:
    text = properties.get("Input")
    event = _SCHEDULED if text is None else json.loads(text) if isinstance(text, str) else None
    if not isinstance(event, dict):
        raise ValueError(f"{text!r}: the input of a schedule is the text of a JSON object")
    return Schedule(_seconds(properties["ScheduleExpression"]), event)


def _seconds(schedule: str) -> int:
    rate = _RATE.match(schedule)
    if rate is None:
        raise ValueError(f"{schedule!r}: the local scheduler knows schedules such as rate(5 minutes)")
    return int(rate.group(1)) * _SECONDS[rate.group(2)]


def _definition(path: Path, properties: dict[str, Any]) -> str:
    """Put each function's logical id where the definition names a substitution that refers to it."""
    text = path.read_text()
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{key}}}", _referred(value))
    json.loads(text)
    return text


def _referred(value: Any) -> str:
    if isinstance(value, dict):
        ((_, inner),) = value.items()
        value = inner[0] if isinstance(inner, list) else inner
    return str(value).split(".")[0]
