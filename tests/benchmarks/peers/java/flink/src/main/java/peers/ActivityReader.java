package peers;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Kafka's record to what the job needs of it; always in the same object, as object reuse allows. */
final class ActivityReader implements KafkaRecordDeserializationSchema<Activity> {
    private transient Activity activity;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> event, Collector<Activity> out) {
        if (activity == null) {
            activity = new Activity();
        }
        activity.user = new String(event.key(), StandardCharsets.UTF_8);
        activity.day = EventDay.of(event.value());
        out.collect(activity);
    }

    @Override
    public TypeInformation<Activity> getProducedType() {
        return TypeInformation.of(Activity.class);
    }
}
