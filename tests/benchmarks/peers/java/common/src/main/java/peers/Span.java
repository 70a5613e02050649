package peers;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.atomic.AtomicLong;

/** What is measured: from the first record processed until all are durable. One thread counts, another may look. */
public final class Span {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final long PATIENCE_NANOS = 120_000_000_000L;

    private final AtomicLong processed = new AtomicLong();
    private volatile long startNanos = System.nanoTime();
    private volatile long startCpuNanos;
    private volatile long endNanos;
    private volatile long endCpuNanos;
    private long seen;
    private long seenNanos = System.nanoTime();

    /** One more record; called before the work on it. */
    public void count() {
        long before = processed.getPlain();
        if (before == 0) {
            startCpuNanos = SYSTEM.getProcessCpuTime();
            startNanos = System.nanoTime();
        }
        // Not `incrementAndGet`: the only writer needs no atomic instruction for each record.
        processed.lazySet(before + 1);
    }

    /** Records so far. */
    public long processed() {
        return processed.get();
    }

    /** All records are durable at this moment. */
    public void end() {
        endNanos = System.nanoTime();
        endCpuNanos = SYSTEM.getProcessCpuTime();
    }

    public double seconds() {
        return (endNanos - startNanos) / 1e9;
    }

    /** CPU seconds of the whole process: garbage collector, compiler and background threads included. */
    public double cpu() {
        return (endCpuNanos - startCpuNanos) / 1e9;
    }

    /**
     * Called again and again by who waits.
     *
     * @throws IllegalStateException when for two minutes no record was processed
     */
    public void mustGoOn(long events) {
        if (processed() != seen) {
            seen = processed();
            seenNanos = System.nanoTime();
        } else if (System.nanoTime() - seenNanos > PATIENCE_NANOS) {
            throw new IllegalStateException("no progress for two minutes after " + seen + " of " + events + " events");
        }
    }
}
