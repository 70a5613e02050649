"""Settings: what an operator can set, checked as a whole before anything connects."""

from stream_app.settings import values
from stream_app.settings.checks import Spec
from stream_app.settings.currencies import minor_units
from stream_app.settings.load import CONFIG_VARIABLE, load_settings
from stream_app.settings.model import DEFAULTS, SPECS, Settings, env_name

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULTS",
    "SPECS",
    "Settings",
    "Spec",
    "env_name",
    "load_settings",
    "minor_units",
    "values",
]
