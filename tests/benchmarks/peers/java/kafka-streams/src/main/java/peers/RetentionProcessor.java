package peers;

import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * One user's event at a time: its days in one store, the matrix of its partition in another.
 *
 * <p>The DSL would count cells by a second aggregation, over a topic in between: every change written, read and
 * committed once more. Counting in the processor that knows the user saves that; the matrix is then the sum over the
 * partitions.
 */
final class RetentionProcessor implements Processor<Bytes, byte[], Void, Void> {
    static final String USERS = "users";
    static final String CELLS = "cells";

    private final Span span;
    private final Cell.Change change = this::change;
    private KeyValueStore<Bytes, byte[]> users;
    private KeyValueStore<Long, Long> cells;

    RetentionProcessor(Span span) {
        this.span = span;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        users = context.getStateStore(USERS);
        cells = context.getStateStore(CELLS);
    }

    @Override
    public void process(Record<Bytes, byte[]> event) {
        span.count();
        byte[] before = users.get(event.key());
        byte[] after = ActiveDays.with(before, EventDay.of(event.value()), change);
        if (after != before) {
            users.put(event.key(), after);
        }
    }

    private void change(long cell, long by) {
        Long before = cells.get(cell);
        cells.put(cell, before == null ? by : before + by);
    }
}
