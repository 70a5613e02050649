"""Settings from their sources: command line before environment before file before default."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from stream_app.domain.errors import ConfigurationError
from stream_app.settings.checks import listed, problem, resolve
from stream_app.settings.model import DEFAULTS, ENV_PREFIX, SPECS, Settings, env_name

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"
# Kubernetes sets these in every pod beside a service whose name begins with "stream-app": a service
# stream-app-web gives STREAM_APP_WEB_PORT=tcp://10.0.0.7:8000, which is not the setting web_port.
_KUBERNETES_NAME = re.compile(r"(_SERVICE_HOST|_SERVICE_PORT(_\w+)?|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$")
_KUBERNETES_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")

_NAMES = [name for name, spec in SPECS.items() if not spec.internal]


class _Sources:
    """Collects raw values by name, where each came from, and what is wrong with the sources themselves."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.origins: dict[str, str] = {}
        self.problems: list[str] = []

    def put(self, name: str, value: object, origin: str) -> None:
        self.values[name] = value
        self.origins[name] = origin

    def read_file(self, path: Path, origin: str) -> None:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.problems.append(f"config: {str(path)!r} ({origin}) cannot be read: {reason}; correct the path")
            return
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            if isinstance(node, yaml.MappingNode):
                self._read_mapping(path, loader, node)
            elif node is not None:
                what = "is not a mapping; write lines such as 'timezone: Europe/Berlin'"
                self.problems.append(f"config: {path} {what}")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f" line {mark.line + 1}" if mark else ""
            what = getattr(error, "problem", None) or str(error)
            self.problems.append(f"config: {path}{place} is not YAML: {what}; correct it there")

    def _read_mapping(self, path: Path, loader: yaml.SafeLoader, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            name, line = str(key_node.value), key_node.start_mark.line + 1
            origin = f"{path} line {line}"
            if name not in _NAMES:
                self.problems.append(f"{name}: ({origin}) is not a setting{_suggestion(name, _NAMES)}")
                continue
            if name in lines:
                self.problems.append(f"{name}: ({origin}) is set twice; keep one, the other is line {lines[name]}")
                continue
            lines[name] = line
            try:
                value: Any = loader.construct_object(value_node, deep=True)
            except ValueError as error:  # a date that does not exist, for one
                self.problems.append(f"{name}: {value_node.value!r} ({origin}) is not a value: {error}")
                continue
            if name == "rules" and isinstance(value, str) and value.strip():
                value = path.parent / Path(value).expanduser()
            self.put(name, value, origin)

    def read_environment(self, env: Mapping[str, str]) -> None:
        by_variable = {env_name(name): name for name in _NAMES}
        for variable, value in env.items():
            if not variable.startswith(ENV_PREFIX) or variable == CONFIG_VARIABLE or not value.strip():
                continue  # set to nothing is not set: Compose and CI write it so
            if _KUBERNETES_NAME.search(variable) or _KUBERNETES_VALUE.fullmatch(value):
                continue
            if variable in by_variable:
                self.put(by_variable[variable], value, f"environment variable {variable}")
            else:
                what = _suggestion(variable, [*by_variable, CONFIG_VARIABLE], ENV_PREFIX)
                self.problems.append(f"{variable}: this environment variable is not a setting{what}")

    def check_rules_file(self) -> None:
        rules = self.values.get("rules")
        if isinstance(rules, str | Path) and str(rules).strip() and not Path(rules).expanduser().is_file():
            what = "is not a file; correct the path or create it"
            self.problems.append(problem("rules", SPECS["rules"], rules, self.origins["rules"], what))


def _suggestion(name: str, known: list[str], prefix: str = "") -> str:
    """What was probably meant; a prefix that all have makes nothing alike."""
    by_lower = {k.removeprefix(prefix).lower(): k for k in known}
    close = difflib.get_close_matches(name.removeprefix(prefix).replace("-", "_").lower(), by_lower, 1, 0.6)
    return f"; did you mean {by_lower[close[0]]}?" if close else "; docs/settings.md lists them all"


def load_settings(
    file: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from command line, environment, file and defaults, the earlier before the later.

    Args:
        file: a YAML file; without one, that of the environment variable STREAM_APP_CONFIG, if set.
            A relative path of the rules within it is meant from the file's directory.
        env: environment variables, `STREAM_APP_<NAME>`; one set to nothing counts as not set.
        overrides: values by name from the command line; None is not given.

    Raises:
        ConfigurationError: with every problem of every source at once.
    """
    env = env or {}
    sources = _Sources()
    if file is not None:
        sources.read_file(Path(file), "option --config")
    elif env.get(CONFIG_VARIABLE, "").strip():
        sources.read_file(Path(env[CONFIG_VARIABLE]), f"environment variable {CONFIG_VARIABLE}")
    sources.read_environment(env)
    for name, value in (overrides or {}).items():
        if value is not None:
            sources.put(name, value, f"option {SPECS[name].option or name}")
    sources.check_rules_file()
    parsed, problems = resolve(SPECS, DEFAULTS | sources.values, sources.origins)
    if sources.problems or problems:
        raise ConfigurationError(listed(sources.problems + problems))
    return Settings(**parsed)
