"""The errors of stream-app, one tree.

    StreamAppError
    ├── ConfigurationError     a setting, a rules file or a command-line option is wrong; exit code 2
    ├── ConnectionFailedError  a broker, Redis or a port cannot be had; exit code 2
    ├── StateMismatchError     the changelog was written under another configuration; exit code 2
    ├── QueryError             a figure was asked for with parameters that do not go together
    └── UnansweredError        a census did not get an answer from every source partition; ask again

Every message names the thing, its value and what to do.
"""

from __future__ import annotations


class StreamAppError(Exception):
    """Base of every error that stream-app raises on purpose."""


class ConfigurationError(StreamAppError):
    """A setting, option or rules file is wrong. Operator action: correct what the message names."""


class ConnectionFailedError(StreamAppError):
    """A broker, Redis or port cannot be had. Operator action: start it or correct its address."""


class StateMismatchError(StreamAppError):
    """The stored state belongs to another configuration. Operator action: restore it, or rebuild."""


class QueryError(StreamAppError):
    """A figure was asked for with unknown or incompatible parameters. The message says which are allowed."""


class UnansweredError(StreamAppError):
    """A census had no answer from some source partition in time. It passes, or the message says what to do."""
