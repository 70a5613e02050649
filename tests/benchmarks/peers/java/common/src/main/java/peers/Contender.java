package peers;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The command line and the result file that contenders share.
 *
 * @param bootstrap Kafka's address
 * @param topics visits and purchases, with as many partitions each, keyed by user
 * @param events records in both
 * @param result where to write the result; beside it, a folder for local state while the contender runs
 */
public record Contender(String bootstrap, List<String> topics, long events, Path result) {
    /** Users by cell (see Cell), and how it was seen that all is durable. */
    public record Outcome(Map<Long, Long> matrix, String note) {}

    /** A contender's work; the folder is removed afterwards. */
    @FunctionalInterface
    public interface Job {
        Outcome run(Contender contender, Span span, Path folder) throws Exception;
    }

    /** Runs a job, writes its result and ends the process: with 0, or with 1 and a message. */
    public static void main(String[] arguments, Span span, Job job) {
        int code = 1;
        Path folder = null;
        try {
            Contender contender = of(arguments);
            folder = Files.createTempDirectory(contender.result.toAbsolutePath().getParent(), "peer-");
            Outcome outcome = job.run(contender, span, folder);
            if (span.processed() != contender.events) {
                throw new IllegalStateException(
                        "the topics hold " + span.processed() + " events, not " + contender.events);
            }
            contender.write(span, outcome);
            code = 0;
        } catch (Throwable error) {
            error.printStackTrace();
            System.err.println("failed: " + root(error));
        }
        remove(folder);
        // Halts what the frameworks leave running; hooks have nothing more to do.
        Runtime.getRuntime().halt(code);
    }

    private static Throwable root(Throwable error) {
        return error.getCause() == null ? error : root(error.getCause());
    }

    private static Contender of(String[] arguments) {
        if (arguments.length != 5) {
            throw new IllegalArgumentException("arguments: BOOTSTRAP VISITS_TOPIC PURCHASES_TOPIC EVENTS RESULT_FILE");
        }
        List<String> topics = List.of(arguments[1], arguments[2]);
        return new Contender(arguments[0], topics, Long.parseLong(arguments[3]), Path.of(arguments[4]));
    }

    private void write(Span span, Outcome outcome) throws IOException {
        Path part = result.resolveSibling(result.getFileName() + ".part");
        try (JsonGenerator json = new JsonFactory().createGenerator(part.toFile(), JsonEncoding.UTF8)) {
            json.writeStartObject();
            json.writeNumberField("events", span.processed());
            json.writeNumberField("seconds", span.seconds());
            json.writeNumberField("cpu", span.cpu());
            json.writeNumberField("peak", peakMemory());
            json.writeArrayFieldStart("matrix");
            for (Map.Entry<Long, Long> cell : new TreeMap<>(outcome.matrix).entrySet()) {
                if (cell.getValue() != 0) {
                    long[] row = {Cell.cohort(cell.getKey()), Cell.index(cell.getKey()), cell.getValue()};
                    json.writeArray(row, 0, row.length);
                }
            }
            json.writeEndArray();
            json.writeStringField("note", outcome.note);
            json.writeEndObject();
        }
        Files.move(part, result, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Bytes, as Linux counts them: heap, and what RocksDB and the JVM itself take beside it. */
    private static long peakMemory() throws IOException {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            String line = lines.filter(text -> text.startsWith("VmHWM:")).findFirst().orElseThrow();
            return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
        }
    }

    private static void remove(Path folder) {
        if (folder == null) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException | UncheckedIOException error) {
            // Flink removes its files, too, while it ends: one may be gone between being found and being removed.
            System.err.println("not removed: " + folder + ": " + error);
        }
    }
}
