"""The embedded broker where its program is missing or unfit: one message that says what to do."""

import asyncio
import os

import pytest

from stream_app.demo.broker import EmbeddedBroker
from stream_app.domain.errors import ConnectionFailedError


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


async def failure(broker):
    with pytest.raises(ConnectionFailedError) as caught:
        await broker.start()
    assert broker.pid is None
    assert "--kafka HOST:PORT" in str(caught.value)
    return str(caught.value)


async def test_a_home_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file, so that nothing can be created below it")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CALF_TANSU_BIN", raising=False)
    message = await failure(EmbeddedBroker())
    assert str(tmp_path / "home" / ".calfkit" / "bin") in message
    assert "CALF_TANSU_BIN" in message


async def test_a_wrong_path_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("CALF_TANSU_BIN", "/nowhere/tansu")
    assert "/nowhere/tansu" in await failure(EmbeddedBroker())


async def test_a_program_of_another_machine_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setenv("CALF_TANSU_BIN", program(tmp_path / "tansu", "\x7fELF not of this machine"))
    assert "does not run on this machine" in await failure(EmbeddedBroker())


async def test_a_program_that_ends_at_once_has_its_last_words_quoted(tmp_path, monkeypatch):
    monkeypatch.setenv("CALF_TANSU_BIN", program(tmp_path / "tansu", "#!/bin/sh\necho glibc too old >&2\nexit 3\n"))
    message = await failure(EmbeddedBroker())
    assert "ended by itself" in message
    assert "glibc too old" in message


async def test_a_program_that_never_answers_is_given_up_and_ended(tmp_path, monkeypatch):
    pid_file = tmp_path / "pid"
    script = f"#!/bin/sh\necho $$ > {pid_file}.new && mv {pid_file}.new {pid_file}\nexec sleep 60\n"
    monkeypatch.setenv("CALF_TANSU_BIN", program(tmp_path / "tansu", script))
    assert "did not answer within 1 s" in await failure(EmbeddedBroker(timeout=1))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.setenv("CALF_TANSU_BIN", program(tmp_path / "tansu", "#!/bin/sh\nexec sleep 60\n"))
    broker = EmbeddedBroker()
    start = asyncio.create_task(broker.start())
    async with asyncio.timeout(5):
        while (pid := broker.pid) is None:
            await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_stopping_what_never_started_is_harmless():
    broker = EmbeddedBroker()
    await broker.stop()
    await broker.watch()
