package peers;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: exactly_once_v2, RocksDB stores with changelogs, one thread. */
public final class KafkaStreamsPeer {
    private static final Span SPAN = new Span();
    private static final long POLL_MS = 10;

    private KafkaStreamsPeer() {}

    public static void main(String[] arguments) {
        Contender.main(arguments, SPAN, KafkaStreamsPeer::run);
    }

    private static Contender.Outcome run(Contender contender, Span span, Path folder) throws Exception {
        String application = "peer-kafka-streams-" + UUID.randomUUID();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", contender.bootstrap()))) {
            Positions positions = new Positions(admin, application, contender.topics());
            Map<Long, Long> matrix;
            Properties settings = settings(contender, application, folder);
            try (KafkaStreams streams = new KafkaStreams(topology(contender), settings)) {
                streams.setUncaughtExceptionHandler(error -> {
                    failure.set(error);
                    return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
                });
                streams.start();
                while (span.processed() < contender.events() || !positions.committed()) {
                    if (failure.get() != null) {
                        throw new IllegalStateException("Kafka Streams stopped", failure.get());
                    }
                    span.mustGoOn(contender.events());
                    Thread.sleep(POLL_MS);
                }
                span.end();
                matrix = matrix(streams);
                streams.close(Duration.ofSeconds(60));
            }
            positions.forget();
            return new Contender.Outcome(matrix, "the group's committed offsets have reached the topics' ends");
        }
    }

    private static Topology topology(Contender contender) {
        // No cache: a user rarely changes twice within a commit, so keeping and sorting them costs more than it saves.
        var users = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(RetentionProcessor.USERS), Serdes.Bytes(), Serdes.ByteArray());
        // Cells change all the time: once per commit they go to RocksDB and to the changelog.
        var cells = Stores.keyValueStoreBuilder(
                        Stores.persistentKeyValueStore(RetentionProcessor.CELLS), Serdes.Long(), Serdes.Long())
                .withCachingEnabled();
        // One source of both topics: a task reads the same partition of each. Keys stay bytes, as nobody looks inside.
        String[] topics = contender.topics().toArray(String[]::new);
        return new Topology()
                .addSource("events", new BytesDeserializer(), new ByteArrayDeserializer(), topics)
                .addProcessor("retention", () -> new RetentionProcessor(SPAN), "events")
                .addStateStore(users, "retention")
                .addStateStore(cells, "retention");
    }

    private static Properties settings(Contender contender, String application, Path folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, contender.bootstrap());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder.toString());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        // The default for exactly_once_v2 is 100: a commit a second, as the other contenders have, costs least.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        return settings;
    }

    private static Map<Long, Long> matrix(KafkaStreams streams) {
        var cells = streams.store(StoreQueryParameters.fromNameAndType(
                RetentionProcessor.CELLS, QueryableStoreTypes.<Long, Long>keyValueStore()));
        Map<Long, Long> matrix = new HashMap<>();
        try (KeyValueIterator<Long, Long> found = cells.all()) {
            found.forEachRemaining(cell -> matrix.merge(cell.key, cell.value, Long::sum));
        }
        return matrix;
    }
}
