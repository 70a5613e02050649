package peers;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A user's days as keyed state, the matrix as operator state.
 *
 * <p>Counting cells downstream, keyed by cell, would send every change through one more exchange. A map that each
 * checkpoint stores saves that; counters add up, so the state may be dealt out anew when the parallelism changes.
 */
final class RetentionFunction extends KeyedProcessFunction<String, Activity, Void>
        implements CheckpointedFunction, CheckpointListener {
    /** The matrix of the first checkpoint that has all events in it. The job runs in this JVM. */
    static final CompletableFuture<Map<Long, Long>> DURABLE = new CompletableFuture<>();

    static final Span SPAN = new Span();

    private final long events;
    private transient ValueState<byte[]> users;
    private transient ListState<Tuple2<Long, Long>> stored;
    private transient Map<Long, Long> cells;
    private transient Cell.Change change;
    private transient TreeMap<Long, Long> counted;

    RetentionFunction(long events) {
        this.events = events;
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        stored = context.getOperatorStateStore()
                .getListState(new ListStateDescriptor<>("cells", Types.TUPLE(Types.LONG, Types.LONG)));
        cells = new HashMap<>();
        change = (cell, by) -> cells.merge(cell, by, Long::sum);
        counted = new TreeMap<>();
        for (Tuple2<Long, Long> cell : stored.get()) {
            change.accept(cell.f0, cell.f1);
        }
    }

    @Override
    public void open(OpenContext context) {
        users = getRuntimeContext()
                .getState(new ValueStateDescriptor<>(
                        "users", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Activity activity, Context context, Collector<Void> out) throws IOException {
        SPAN.count();
        byte[] before = users.value();
        byte[] after = ActiveDays.with(before, activity.day, change);
        if (after != before) {
            users.update(after);
        }
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        List<Tuple2<Long, Long>> copy = new ArrayList<>(cells.size());
        cells.forEach((cell, users) -> copy.add(Tuple2.of(cell, users)));
        stored.update(copy);
        counted.put(context.getCheckpointId(), SPAN.processed());
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) {
        Map.Entry<Long, Long> covered = counted.floorEntry(checkpoint);
        counted.headMap(checkpoint, true).clear();
        if (covered != null && covered.getValue() >= events && !DURABLE.isDone()) {
            SPAN.end();
            DURABLE.complete(new HashMap<>(cells));
        }
    }
}
