// What a Java program does with a broker: ClientCheck ADDRESS prints a line for each of its parts,
// `produce yes` or `produce no REASON`.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.AppInfoParser;

public class ClientCheck {
  static final int PARTITIONS = 3;
  static final int RECORDS_PER_CODEC = 1000;
  static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
  static final long SECONDS = 60;

  interface Body {
    void run() throws Exception;
  }

  static String address;
  static boolean allGood = true;

  static void part(String name, Body body) {
    try {
      body.run();
      System.out.println(name + " yes");
    } catch (Throwable error) {
      allGood = false;
      System.out.println(name + " no " + error);
      error.printStackTrace();
    }
  }

  static void require(boolean is, String what) {
    if (!is) throw new IllegalStateException(what);
  }

  static Properties settings(Object... more) {
    Properties out = new Properties();
    out.put("bootstrap.servers", address);
    for (int i = 0; i < more.length; i += 2) out.put(more[i], more[i + 1]);
    return out;
  }

  static KafkaProducer<String, String> producer(Object... more) {
    return new KafkaProducer<>(settings(more), new StringSerializer(), new StringSerializer());
  }

  static KafkaConsumer<String, String> consumer(Object... more) {
    Properties with = settings(more);
    with.putIfAbsent("auto.offset.reset", "earliest");
    with.putIfAbsent("enable.auto.commit", "false");
    return new KafkaConsumer<>(with, new StringDeserializer(), new StringDeserializer());
  }

  static Collection<TopicPartition> partitionsOf(String topic, int count) {
    List<TopicPartition> out = new ArrayList<>();
    for (int i = 0; i < count; ++i) out.add(new TopicPartition(topic, i));
    return out;
  }

  static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> from, int count) {
    List<ConsumerRecord<String, String>> out = new ArrayList<>();
    long end = System.currentTimeMillis() + SECONDS * 1000;
    while (out.size() < count && System.currentTimeMillis() < end) {
      for (ConsumerRecord<String, String> one : from.poll(Duration.ofMillis(200))) out.add(one);
    }
    require(out.size() == count, "read " + out.size() + " records of " + count);
    return out;
  }

  static void make(Admin admin, String topic, int partitions) throws Exception {
    admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
  }

  static void produce() throws Exception {
    for (String codec : CODECS) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      try (KafkaProducer<String, String> to =
          producer("compression.type", codec, "linger.ms", "5", "acks", "all")) {
        for (int i = 0; i < RECORDS_PER_CODEC; ++i) {
          ProducerRecord<String, String> record =
              new ProducerRecord<>("java", i % PARTITIONS, 1_000_000L + i, "k" + i, codec + i);
          record.headers().add("h", codec.getBytes());
          sent.add(to.send(record));
        }
      }
      Map<Integer, Long> last = new HashMap<>();
      for (Future<RecordMetadata> one : sent) {
        RecordMetadata at = one.get();
        Long before = last.put(at.partition(), at.offset());
        require(before == null || at.offset() == before + 1, "offsets do not follow each other");
      }
    }
  }

  static void consume() {
    try (KafkaConsumer<String, String> from = consumer("check.crcs", "true")) {
      from.assign(partitionsOf("java", PARTITIONS));
      from.seekToBeginning(from.assignment());
      int total = CODECS.size() * RECORDS_PER_CODEC;
      Map<Integer, Long> next = new TreeMap<>();
      Set<String> values = new TreeSet<>();
      for (ConsumerRecord<String, String> record : read(from, total)) {
        require(record.offset() == next.getOrDefault(record.partition(), 0L), "order");
        next.put(record.partition(), record.offset() + 1);
        String codec = new String(record.headers().lastHeader("h").value());
        require(record.value().startsWith(codec), "header");
        int number = Integer.parseInt(record.value().substring(codec.length()));
        require(record.timestamp() == 1_000_000L + number, "timestamp");
        require(record.key().equals("k" + number), "key");
        values.add(record.value());
      }
      require(values.size() == total, "values");
      TopicPartition first = new TopicPartition("java", 0);
      OffsetAndTimestamp found = from.offsetsForTimes(Map.of(first, 1_000_600L)).get(first);
      require(found.timestamp() >= 1_000_600L && found.offset() == 200, "offset of a time " + found);
      require(from.endOffsets(List.of(first)).get(first).equals(next.get(0)), "end offset");
    }
  }

  static void group(String assignor) throws Exception {
    Object[] with = {
      "group.id", "java-group-" + assignor.length(), "partition.assignment.strategy", assignor,
      "session.timeout.ms", "10000"
    };
    String name = (String) with[1];
    int total = CODECS.size() * RECORDS_PER_CODEC;
    try (Admin admin = Admin.create(settings());
        KafkaConsumer<String, String> left = consumer(with)) {
      Set<String> seen = new TreeSet<>();
      try (KafkaConsumer<String, String> right = consumer(with)) {
        left.subscribe(List.of("java"));
        right.subscribe(List.of("java"));
        long end = System.currentTimeMillis() + SECONDS * 1000;
        boolean both = false;
        while ((seen.size() < total || !both) && System.currentTimeMillis() < end) {
          for (KafkaConsumer<String, String> one : List.of(left, right)) {
            for (ConsumerRecord<String, String> record : one.poll(Duration.ofMillis(100))) {
              seen.add(record.partition() + ":" + record.offset());
            }
            try {
              one.commitSync();
            } catch (org.apache.kafka.clients.consumer.CommitFailedException
                | org.apache.kafka.common.errors.RebalanceInProgressException rebalanced) {
              // It is read again by whoever has the partition now.
            }
          }
          both = !left.assignment().isEmpty() && !right.assignment().isEmpty();
        }
        require(both, "one consumer of two has no partition");
        require(seen.size() == total, "saw " + seen.size());
        require(left.assignment().size() + right.assignment().size() == PARTITIONS, "assignment");
      }
      long end = System.currentTimeMillis() + SECONDS * 1000;
      while (left.assignment().size() < PARTITIONS && System.currentTimeMillis() < end) {
        left.poll(Duration.ofMillis(100));
      }
      require(left.assignment().size() == PARTITIONS, "the one that stays has not taken over");
      long committed = 0;
      for (OffsetAndMetadata one :
          admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get().values()) {
        committed += one.offset();
      }
      require(committed == total, "committed " + committed);
      require(
          admin.describeConsumerGroups(List.of(name)).all().get().get(name).members().size() == 1,
          "members");
    }
  }

  static Map<TopicPartition, OffsetAndMetadata> positions(KafkaConsumer<String, String> of) {
    Map<TopicPartition, OffsetAndMetadata> out = new HashMap<>();
    for (TopicPartition one : of.assignment()) out.put(one, new OffsetAndMetadata(of.position(one)));
    return out;
  }

  static void transaction() throws Exception {
    Object[] with = {"transactional.id", "java-transaction"};
    try (Admin admin = Admin.create(settings())) {
      make(admin, "java-in", 1);
      make(admin, "java-out", 2);
      try (KafkaProducer<String, String> to = producer()) {
        for (int i = 0; i < 100; ++i) to.send(new ProducerRecord<>("java-in", "k", "v" + i));
      }
      int transactions = 0;
      try (KafkaConsumer<String, String> from =
              consumer("group.id", "java-eos", "max.poll.records", "20");
          KafkaProducer<String, String> to = producer(with)) {
        from.subscribe(List.of("java-in"));
        to.initTransactions();
        int done = 0;
        long end = System.currentTimeMillis() + SECONDS * 1000;
        boolean aborted = false;
        while (done < 100 && System.currentTimeMillis() < end) {
          var records = from.poll(Duration.ofMillis(200));
          if (records.isEmpty()) continue;
          to.beginTransaction();
          for (var one : records) {
            to.send(new ProducerRecord<>("java-out", (int) (one.offset() % 2), "k", one.value()));
          }
          ConsumerGroupMetadata who = from.groupMetadata();
          to.sendOffsetsToTransaction(positions(from), who);
          ++transactions;
          if (!aborted) {
            to.abortTransaction();
            aborted = true;
            for (TopicPartition one : from.assignment()) from.seek(one, 0);
          } else {
            to.commitTransaction();
            done += records.count();
          }
        }
        require(done == 100, "transactions took " + done + " records");
        var offsets = admin.listConsumerGroupOffsets("java-eos").partitionsToOffsetAndMetadata();
        require(offsets.get().get(new TopicPartition("java-in", 0)).offset() == 100, "offsets");
        var state = admin.describeTransactions(List.of("java-transaction")).all().get();
        int epoch = state.get("java-transaction").producerEpoch();
        boolean second = !AppInfoParser.getVersion().startsWith("3.");
        require(epoch == (second ? transactions : 0), "epoch is " + epoch);
        // A second incarnation fences the first, whose transaction is aborted.
        to.beginTransaction();
        to.send(new ProducerRecord<>("java-out", 0, "k", "of a zombie")).get();
        try (KafkaProducer<String, String> next = producer(with)) {
          next.initTransactions();
          next.beginTransaction();
          next.send(new ProducerRecord<>("java-out", 0, "k", "of the next"));
          next.commitTransaction();
        }
        try {
          to.commitTransaction();
          require(false, "the old incarnation committed");
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
          // As it should be.
        }
      }
      try (KafkaConsumer<String, String> from = consumer("isolation.level", "read_committed")) {
        from.assign(partitionsOf("java-out", 2));
        Set<String> values = new TreeSet<>();
        for (var one : read(from, 101)) values.add(one.value());
        require(values.size() == 101 && !values.contains("of a zombie"), "committed values");
        require(from.poll(Duration.ofMillis(500)).isEmpty(), "more than was committed");
      }
      require(admin.listTransactions().all().get().size() == 1, "list of transactions");
    }
  }

  static void admin() throws Exception {
    try (Admin admin = Admin.create(settings())) {
      require(admin.describeCluster().nodes().get().size() == 1, "nodes");
      NewTopic fresh = new NewTopic("java-admin", Optional.of(2), Optional.of((short) 3));
      admin.createTopics(List.of(fresh.configs(Map.of("retention.ms", "60000")))).all().get();
      require(admin.listTopics().names().get().contains("java-admin"), "list");
      var described = admin.describeTopics(List.of("java-admin")).allTopicNames().get();
      require(described.get("java-admin").partitions().size() == 2, "partitions");
      ConfigResource of = new ConfigResource(ConfigResource.Type.TOPIC, "java-admin");
      AlterConfigOp op =
          new AlterConfigOp(new ConfigEntry("retention.ms", "70000"), AlterConfigOp.OpType.SET);
      admin.incrementalAlterConfigs(Map.of(of, List.of(op))).all().get();
      var config = admin.describeConfigs(List.of(of)).all().get().get(of);
      require(config.get("retention.ms").value().equals("70000"), "configuration");
      admin.createPartitions(Map.of("java-admin", NewPartitions.increaseTo(4))).all().get();
      TopicPartition first = new TopicPartition("java-admin", 0);
      try (KafkaProducer<String, String> to = producer()) {
        for (int i = 0; i < 10; ++i) to.send(new ProducerRecord<>("java-admin", 0, "k", "v")).get();
      }
      admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4))).all().get();
      var begin = admin.listOffsets(Map.of(first, OffsetSpec.earliest())).all().get();
      require(begin.get(first).offset() == 4, "begin after deleting records");
      var end = admin.listOffsets(Map.of(first, OffsetSpec.latest())).all().get();
      require(end.get(first).offset() == 10, "end");
      var newest = admin.listOffsets(Map.of(first, OffsetSpec.maxTimestamp())).all().get();
      require(newest.get(first).offset() == 9, "newest timestamp " + newest);
      Map<TopicPartition, OffsetAndMetadata> reset = Map.of(first, new OffsetAndMetadata(7, "why"));
      admin.alterConsumerGroupOffsets("java-admin-group", reset).all().get();
      var offsets = admin.listConsumerGroupOffsets("java-admin-group");
      var at = offsets.partitionsToOffsetAndMetadata().get().get(first);
      require(at.offset() == 7 && at.metadata().equals("why"), "offsets of the group");
      require(
          admin.listConsumerGroups().all().get().stream()
              .anyMatch(one -> one.groupId().equals("java-admin-group")),
          "list of groups");
      admin.deleteConsumerGroupOffsets("java-admin-group", Set.of(first)).all().get();
      admin.deleteConsumerGroups(List.of("java-admin-group")).all().get();
      var dirs = admin.describeLogDirs(Collections.singleton(1)).allDescriptions().get().get(1);
      require(
          dirs.values().stream().anyMatch(one -> one.replicaInfos().containsKey(first)),
          "log folders");
      require(
          admin.describeProducers(List.of(first)).all().get().get(first) != null, "producers");
      var features = admin.describeFeatures().featureMetadata().get().finalizedFeatures();
      require(features.get("transaction.version").maxVersionLevel() == 2, "features");
      admin.deleteTopics(List.of("java-admin")).all().get();
      require(!admin.listTopics().names().get().contains("java-admin"), "deleted");
    }
  }

  public static void main(String[] arguments) throws Exception {
    address = arguments[0];
    try (Admin admin = Admin.create(settings())) {
      make(admin, "java", PARTITIONS);
    }
    part("produce", ClientCheck::produce);
    part("consume", ClientCheck::consume);
    part(
        "group",
        () -> {
          group("org.apache.kafka.clients.consumer.RangeAssignor");
          group(CooperativeStickyAssignor.class.getName());
        });
    part("transaction", ClientCheck::transaction);
    part("admin", ClientCheck::admin);
    System.exit(allGood ? 0 : 1);
  }
}
