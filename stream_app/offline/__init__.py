"""The figures of a file of events: what `stream-app analyze` does."""

from stream_app.offline.file import EventFile, read
from stream_app.offline.mapping import fields
from stream_app.offline.progress import Bar
from stream_app.offline.records import FORMATS, Reading
from stream_app.offline.run import analyze

__all__ = ["FORMATS", "Bar", "EventFile", "Reading", "analyze", "fields", "read"]
