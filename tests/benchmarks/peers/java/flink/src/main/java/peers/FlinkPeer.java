package peers;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.kafka.clients.consumer.ConsumerConfig;

/** Flink in its embedded cluster: one slot, exactly-once checkpoints every second to a local directory. */
public final class FlinkPeer {
    private FlinkPeer() {}

    public static void main(String[] arguments) {
        String backend = System.getProperty("backend", "hashmap");
        Contender.main(
                arguments, RetentionFunction.SPAN, (contender, span, folder) -> run(contender, span, folder, backend));
    }

    private static Contender.Outcome run(Contender contender, Span span, Path folder, String backend)
            throws Exception {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(1, settings(folder, backend));
        DataStream<Activity> activities =
                environment.fromSource(source(contender), WatermarkStrategy.noWatermarks(), "events");
        // `keyBy` would send every event through a serializer and a buffer to another thread, for an eighth more CPU.
        // At a parallelism of 1 every key is where it belongs already.
        KeyedStream<Activity, String> byUser =
                DataStreamUtils.reinterpretAsKeyedStream(activities, activity -> activity.user, Types.STRING);
        byUser.process(new RetentionFunction(contender.events())).returns(Types.VOID).sinkTo(new DiscardingSink<>());
        JobClient job = environment.executeAsync("daily retention");
        Map<Long, Long> matrix = durable(contender, span, job);
        job.cancel().get(60, TimeUnit.SECONDS);
        return new Contender.Outcome(matrix, "a checkpoint with all events in it was completed");
    }

    private static Map<Long, Long> durable(Contender contender, Span span, JobClient job) throws Exception {
        CompletableFuture<Object> first =
                CompletableFuture.anyOf(RetentionFunction.DURABLE, job.getJobExecutionResult());
        while (!first.isDone()) {
            try {
                first.get(1, TimeUnit.SECONDS);
            } catch (TimeoutException notYet) {
                span.mustGoOn(contender.events());
            }
        }
        first.get();
        return RetentionFunction.DURABLE.getNow(null);
    }

    private static KafkaSource<Activity> source(Contender contender) {
        return KafkaSource.<Activity>builder()
                .setBootstrapServers(contender.bootstrap())
                .setGroupId("peer-flink-" + UUID.randomUUID())
                .setTopics(contender.topics())
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setProperty(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed")
                // 500 by default: fewer changes between the fetching thread and the task's, which share the core.
                .setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "5000")
                .setDeserializer(new ActivityReader())
                .build();
    }

    private static Configuration settings(Path folder, String backend) {
        Configuration settings = new Configuration();
        settings.set(StateBackendOptions.STATE_BACKEND, backend);
        // RocksDB stores what changed; the heap backend has no such way and stores all, beside the work.
        settings.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(1));
        settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, folder.resolve("checkpoints").toUri().toString());
        settings.set(CoreOptions.TMP_DIRS, folder.toString());
        // RocksDB's block cache and write buffers; 128 MB by default.
        settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512));
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        // Fails where something would fall back to Kryo.
        settings.set(PipelineOptions.GENERIC_TYPES, false);
        return settings;
    }
}
