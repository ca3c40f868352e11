// Kafka Streams with exactly_once_v2: counts words into a table, is closed in the middle and goes on.
// StreamsCheck ADDRESS FOLDER prints a line for each part, as ClientCheck does.

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;

public class StreamsCheck {
  static final int WORDS = 20;
  static final int RECORDS = 2000;
  static final long SECONDS = 90;

  static KafkaStreams streams(String address, String folder) {
    Properties with = new Properties();
    with.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-check");
    with.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, address);
    with.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    with.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    with.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    with.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    with.put("auto.offset.reset", "earliest");
    StreamsBuilder builder = new StreamsBuilder();
    // A new key, so that there is a topic to repartition by, as well as a changelog.
    builder.<String, String>stream("streams-in")
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count()
        .toStream()
        .to("streams-out", Produced.with(Serdes.String(), Serdes.Long()));
    with.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    with.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    return new KafkaStreams(builder.build(), with);
  }

  static void send(String address, int from, int to) {
    Properties with = new Properties();
    with.put("bootstrap.servers", address);
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(with, new StringSerializer(), new StringSerializer())) {
      for (int i = from; i < to; ++i) {
        producer.send(new ProducerRecord<>("streams-in", "k" + i, "w" + i % WORDS));
      }
    }
  }

  /** Waits until every word has been counted to `count`, and no count comes twice. */
  static void await(KafkaConsumer<String, Long> from, Map<String, Long> counts, long count) {
    long end = System.currentTimeMillis() + SECONDS * 1000;
    while (System.currentTimeMillis() < end) {
      for (var one : from.poll(Duration.ofMillis(200))) {
        long before = counts.getOrDefault(one.key(), 0L);
        // The cache may leave counts out; one that does not grow was processed twice.
        if (one.value() <= before) {
          throw new IllegalStateException(one.key() + " from " + before + " to " + one.value());
        }
        counts.put(one.key(), one.value());
      }
      if (counts.size() == WORDS && counts.values().stream().allMatch(one -> one == count)) return;
    }
    throw new IllegalStateException("counts after " + SECONDS + " s: " + counts);
  }

  public static void main(String[] arguments) throws Exception {
    String address = arguments[0];
    String part = "topics";
    Properties with = new Properties();
    with.put("bootstrap.servers", address);
    with.put("isolation.level", "read_committed");
    try (Admin admin = Admin.create(with);
        KafkaConsumer<String, Long> out =
            new KafkaConsumer<>(with, new StringDeserializer(), new LongDeserializer())) {
      admin
          .createTopics(
              List.of(
                  new NewTopic("streams-in", 4, (short) 1),
                  new NewTopic("streams-out", 1, (short) 1)))
          .all()
          .get();
      TopicPartition only = new TopicPartition("streams-out", 0);
      out.assign(List.of(only));
      out.seekToBeginning(List.of(only));
      Map<String, Long> counts = new HashMap<>();
      send(address, 0, RECORDS / 2);
      KafkaStreams first = streams(address, arguments[1]);
      first.start();
      await(out, counts, RECORDS / 2 / WORDS);
      first.close(Duration.ofSeconds(30));
      send(address, RECORDS / 2, RECORDS);
      // Without its local state: it comes back out of the changelog.
      KafkaStreams second = streams(address, arguments[1] + "-second");
      second.start();
      await(out, counts, RECORDS / WORDS);
      second.close(Duration.ofSeconds(30));
      for (String name : List.of("produce", "consume", "group", "transaction", "admin")) {
        System.out.println(name + " yes");
      }
      System.exit(0);
    } catch (Throwable error) {
      System.out.println("transaction no " + error);
      error.printStackTrace();
      System.exit(1);
    }
  }
}
