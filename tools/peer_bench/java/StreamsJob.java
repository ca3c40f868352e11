// The job by Kafka Streams, exactly_once_v2. StreamsJob ADDRESS FOLDER runs until it is ended.

import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

public class StreamsJob {
  static final Duration TTL = Duration.ofHours(24);
  static final String SEEN = "seen";
  // Changelogs of window stores are kept by the records' times, which here are past; with the
  // default of a day what is seen is forgotten in the brokers, and a restart lets duplicates through.
  static final long CHANGELOG_KEPT_MS = Duration.ofDays(3650).toMillis();

  public static class EventTime implements TimestampExtractor {
    @Override
    public long extract(ConsumerRecord<Object, Object> record, long newest) {
      // Before a partition's first right event there is no newest one, and records of negative times
      // are dropped.
      return record.value() instanceof Tick tick && tick.isRight()
          ? tick.timeMs
          : Math.max(newest, 0);
    }
  }

  static class Dedup implements FixedKeyProcessor<String, Tick, Tick> {
    private FixedKeyProcessorContext<String, Tick> context;
    private WindowStore<String, Long> seen;

    @Override
    public void init(FixedKeyProcessorContext<String, Tick> context) {
      this.context = context;
      seen = context.getStateStore(SEEN);
    }

    @Override
    public void process(FixedKeyRecord<String, Tick> record) {
      long time = record.timestamp();
      String id = record.value().id;
      try (WindowStoreIterator<Long> earlier =
          seen.fetch(id, time - TTL.toMillis(), time + TTL.toMillis())) {
        if (earlier.hasNext()) return;
      }
      seen.put(id, time, time);
      context.forward(record);
    }
  }

  public static void main(String[] arguments) {
    Properties with = new Properties();
    with.put(StreamsConfig.APPLICATION_ID_CONFIG, "peer-ticks");
    with.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    with.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
    with.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    with.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    with.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    with.put("windowstore.changelog.additional.retention.ms", CHANGELOG_KEPT_MS);
    with.put("auto.offset.reset", "earliest");
    // Without it the brokers wait 45 s for a member that was killed.
    with.put("group.instance.id", "peer-ticks-1");
    with.put("internal.leave.group.on.close", true);

    Serde<Tick> ticks =
        Serdes.serdeFrom(
            (topic, tick) -> tick.isRight() ? tick.enriched() : tick.deadLetter(),
            (topic, bytes) -> Tick.parse(bytes));
    Serde<Totals> totals =
        Serdes.serdeFrom(
            (topic, one) -> one == null ? null : one.toBytes(),
            (topic, bytes) -> bytes == null ? null : Totals.ofBytes(bytes));
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.windowStoreBuilder(
            Stores.persistentWindowStore(SEEN, TTL, TTL, false), Serdes.String(), Serdes.Long()));
    KStream<String, Tick> all =
        builder.stream(
            "input_topic",
            Consumed.with(Serdes.String(), ticks).withTimestampExtractor(new EventTime()));
    all.filterNot((key, tick) -> tick.isRight())
        .to("dlq_topic", Produced.with(Serdes.String(), ticks));
    KStream<String, Tick> first =
        all.filter((key, tick) -> tick.isRight()).processValues(Dedup::new, SEEN);
    first.to("output_topic", Produced.with(Serdes.String(), ticks));
    first
        .groupByKey(Grouped.with(Serdes.String(), ticks))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofMinutes(10)))
        .aggregate(
            Totals::new,
            (key, tick, sum) -> sum.add(tick),
            Materialized.<String, Totals, WindowStore<Bytes, byte[]>>as("totals")
                .withKeySerde(Serdes.String())
                .withValueSerde(totals))
        .toStream()
        .map((at, sum) -> KeyValue.pair(at.key(), sum.result(at.key(), at.window().start())))
        .to("aggregates_topic", Produced.with(Serdes.String(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), with);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
  }
}
