"""aiokafka reads every compression that Kafka's producers know: some of its codecs are an optional dependency."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_of_every_compression_is_read(codec):
    value = b'{"type":"visit"}' * 10
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], False, -1, -1, -1, 1 << 20)
    for offset in range(100):
        assert builder.append(offset, timestamp=1, key=b"u", value=value, headers=[])
    data = bytes(builder.build())
    assert len(data) < 100 * len(value)
    batch = DefaultRecordBatch(data)
    assert batch.validate_crc()
    assert [record.value for record in batch] == [value] * 100
