package peers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Where the topics end and how far a group has committed, as the broker says. Offsets of a transaction are not among
 * them before it is committed.
 */
final class Positions {
    private final Admin admin;
    private final String group;
    private final Map<TopicPartition, Long> ends;

    Positions(Admin admin, String group, List<String> topics) throws ExecutionException, InterruptedException {
        this.admin = admin;
        this.group = group;
        this.ends = ends(admin, topics);
    }

    private static Map<TopicPartition, Long> ends(Admin admin, List<String> topics)
            throws ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetSpec> partitions = new HashMap<>();
        for (TopicDescription topic : admin.describeTopics(topics).allTopicNames().get().values()) {
            topic.partitions().forEach(
                    part -> partitions.put(new TopicPartition(topic.name(), part.partition()), OffsetSpec.latest()));
        }
        return admin.listOffsets(partitions).all().get().entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, found -> found.getValue().offset()));
    }

    /** Whether everything up to the topics' ends is committed. */
    boolean committed() throws ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetAndMetadata> found =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream().allMatch(end -> {
            OffsetAndMetadata position = found.get(end.getKey());
            return end.getValue() == 0 || position != null && position.offset() >= end.getValue();
        });
    }

    /** Removes the group and the topics that Kafka Streams made for it: the next run begins on an equal broker. */
    void forget() throws ExecutionException, InterruptedException {
        List<String> own = new ArrayList<>(admin.listTopics().names().get());
        own.removeIf(topic -> !topic.startsWith(group + "-"));
        admin.deleteTopics(own).all().get();
        // Kafka Streams stays in its group when it closes, as if it were about to come back.
        admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get();
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }
}
