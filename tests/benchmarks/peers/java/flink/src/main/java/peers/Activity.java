package peers;

/** A user was active on a day. Public fields and constructor: Flink serializes it as a POJO, without Kryo. */
public final class Activity {
    public String user;
    /** Days since 1970-01-01. */
    public int day;
}
