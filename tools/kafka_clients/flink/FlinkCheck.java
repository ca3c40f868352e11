// Apache Flink with a source and an exactly-once sink of Kafka, on a local cluster: copies a topic,
// fails in the middle, recovers from its checkpoint, and has written every record once.
// FlinkCheck ADDRESS FOLDER prints a line for each part, as ClientCheck does.

import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class FlinkCheck {
  static final int RECORDS = 20_000;
  static final int PARTITIONS = 2;
  static final long SECONDS = 90;

  /** Lets records through slowly, so that there are checkpoints, and fails once in the middle. */
  public static class FailingOnce implements MapFunction<String, String> {
    static final AtomicInteger COUNT = new AtomicInteger();

    @Override
    public String map(String value) throws Exception {
      int count = COUNT.incrementAndGet();
      if (count % 10 == 0) Thread.sleep(1);
      if (count == RECORDS / 2) throw new IllegalStateException("the failure of the check");
      return value;
    }
  }

  static void run(String address, String folder) throws Exception {
    Configuration with = new Configuration();
    with.setString("execution.checkpointing.interval", "300 ms");
    with.setString("execution.checkpointing.dir", "file://" + folder);
    with.setString("restart-strategy.type", "fixed-delay");
    with.setString("restart-strategy.fixed-delay.attempts", "3");
    with.setString("restart-strategy.fixed-delay.delay", "100 ms");
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.getExecutionEnvironment(with);
    environment.setParallelism(PARTITIONS);
    KafkaSource<String> source =
        KafkaSource.<String>builder()
            .setBootstrapServers(address)
            .setTopics("flink-in")
            .setGroupId("flink-check")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .build();
    KafkaSink<String> sink =
        KafkaSink.<String>builder()
            .setBootstrapServers(address)
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix("flink-check")
            .setProperty("transaction.timeout.ms", "60000")
            .setRecordSerializer(
                KafkaRecordSerializationSchema.<String>builder()
                    .setTopic("flink-out")
                    .setValueSerializationSchema(new SimpleStringSchema())
                    .build())
            .build();
    environment
        .fromSource(source, WatermarkStrategy.noWatermarks(), "in")
        .map(new FailingOnce())
        .sinkTo(sink);
    environment.execute("check");
  }

  public static void main(String[] arguments) throws Exception {
    String address = arguments[0];
    Properties with = new Properties();
    with.put("bootstrap.servers", address);
    with.put("isolation.level", "read_committed");
    try (Admin admin = Admin.create(with);
        KafkaProducer<String, String> to =
            new KafkaProducer<>(with, new StringSerializer(), new StringSerializer());
        KafkaConsumer<String, String> from =
            new KafkaConsumer<>(with, new StringDeserializer(), new StringDeserializer())) {
      NewTopic in = new NewTopic("flink-in", PARTITIONS, (short) 1);
      NewTopic out = new NewTopic("flink-out", 1, (short) 1);
      admin.createTopics(List.of(in, out)).all().get();
      for (int i = 0; i < RECORDS; ++i) {
        to.send(new ProducerRecord<>("flink-in", i % PARTITIONS, null, "v" + i));
      }
      to.flush();
      run(address, arguments[1]);
      if (FailingOnce.COUNT.get() <= RECORDS) throw new IllegalStateException("nothing came twice");
      TopicPartition only = new TopicPartition("flink-out", 0);
      from.assign(List.of(only));
      from.seekToBeginning(List.of(only));
      Set<String> seen = new HashSet<>();
      long end = System.currentTimeMillis() + SECONDS * 1000;
      while (from.position(only) < from.endOffsets(List.of(only)).get(only)) {
        if (System.currentTimeMillis() > end) throw new IllegalStateException("not read in time");
        for (var one : from.poll(Duration.ofMillis(200))) {
          if (!seen.add(one.value())) throw new IllegalStateException(one.value() + " came twice");
        }
      }
      if (seen.size() != RECORDS) throw new IllegalStateException("wrote " + seen.size());
      long committed = 0;
      var offsets = admin.listConsumerGroupOffsets("flink-check").partitionsToOffsetAndMetadata();
      for (var one : offsets.get().values()) committed += one.offset();
      if (committed > RECORDS || committed == 0) throw new IllegalStateException("offsets");
      for (String name : List.of("produce", "consume", "group", "transaction")) {
        System.out.println(name + " yes");
      }
      System.out.println("admin -");
      System.exit(0);
    } catch (Throwable error) {
      System.out.println("transaction no " + error);
      error.printStackTrace();
      System.exit(1);
    }
  }
}
