"""template.yaml as the tests read it: globals applied, intrinsic functions left as they are."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, in their long form."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _long_form)


@dataclass(frozen=True, slots=True)
class Function:
    """A function as Lambda gets it.

    Attributes:
        name: the logical id.
        domain: the first part of its folder, `action` the second.
        properties: of the resource, globals included.
        environment: the variables whose values the template spells out.
    """

    name: str
    domain: str
    action: str
    properties: dict[str, Any]

    @property
    def folder(self) -> str:
        return f"{self.domain}/{self.action}"

    @property
    def image(self) -> bool:
        return self.properties.get("PackageType") == "Image"

    @property
    def handler(self) -> str:
        return self.properties["ImageConfig"]["Command"][0] if self.image else self.properties["Handler"]

    @property
    def timeout_s(self) -> int:
        return int(self.properties["Timeout"])

    @property
    def memory_mb(self) -> int:
        size = self.properties["MemorySize"]
        return size if isinstance(size, int) else 3008

    @property
    def environment(self) -> dict[str, str]:
        variables = self.properties["Environment"]["Variables"]
        return {name: str(value) for name, value in variables.items() if not isinstance(value, dict)}

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event["Type"], event["Properties"]) for event in self.properties.get("Events", {}).values()]

    @property
    def routes(self) -> list[str]:
        return [f"{event['Method']} {event['Path']}" for kind, event in self.events if kind == "HttpApi"]


@functools.cache
def template() -> dict[str, Any]:
    """The whole document."""
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # built on SafeLoader


@functools.cache
def functions() -> dict[str, Function]:
    """The functions by logical id."""
    found = {}
    for name, resource in template()["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            skipped = resource.get("IgnoreGlobals", [])
            defaults = {k: v for k, v in template()["Globals"]["Function"].items() if k not in skipped}
            properties = _merge(defaults, resource["Properties"])
            path = properties.get("CodeUri") or properties["ImageConfig"]["Command"][0].replace(".", "/")
            _, domain, action, *_ = path.split("/")
            found[name] = Function(name, domain, action, properties)
    return found


def _merge(defaults: Any, own: Any) -> Any:
    if isinstance(defaults, dict) and isinstance(own, dict):
        return {**defaults, **{name: _merge(defaults.get(name), value) for name, value in own.items()}}
    if isinstance(defaults, list) and isinstance(own, list):
        return [*defaults, *own]
    return own
