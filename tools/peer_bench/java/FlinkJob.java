// The job by Flink in one process, exactly once. FlinkJob ADDRESS CHECKPOINT_MS FOLDER [CHECKPOINT]
// begins, or goes on from a checkpoint, and runs until it is ended.

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.StateTtlConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

public class FlinkJob {
  static final OutputTag<Tick> WRONG =
      new OutputTag<>("wrong", TypeInformation.of(Tick.class)) {};

  /** A record to write. */
  public static class Out {
    public byte[] key;
    public byte[] value;

    public Out() {}

    static Out of(String key, byte[] value) {
      Out out = new Out();
      out.key = key == null ? null : key.getBytes(StandardCharsets.UTF_8);
      out.value = value;
      return out;
    }
  }

  public static class Read implements KafkaRecordDeserializationSchema<Tick> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tick> to) {
      to.collect(Tick.parse(record.value()));
    }

    @Override
    public TypeInformation<Tick> getProducedType() {
      return TypeInformation.of(Tick.class);
    }
  }

  public static class Split extends ProcessFunction<Tick, Tick> {
    @Override
    public void processElement(Tick tick, Context context, Collector<Tick> to) {
      if (tick.isRight()) to.collect(tick);
      else context.output(WRONG, tick);
    }
  }

  public static class Dedup extends KeyedProcessFunction<String, Tick, Tick> {
    private transient MapState<String, Boolean> seen;

    @Override
    public void open(OpenContext context) {
      var description = new MapStateDescriptor<>("seen", Types.STRING, Types.BOOLEAN);
      description.enableTimeToLive(StateTtlConfig.newBuilder(Duration.ofHours(24)).build());
      seen = getRuntimeContext().getMapState(description);
    }

    @Override
    public void processElement(Tick tick, Context context, Collector<Tick> to) throws Exception {
      if (seen.contains(tick.id)) return;
      seen.put(tick.id, true);
      to.collect(tick);
    }
  }

  public static class Sum implements AggregateFunction<Tick, Totals, Totals> {
    @Override
    public Totals createAccumulator() {
      return new Totals();
    }

    @Override
    public Totals add(Tick tick, Totals totals) {
      return totals.add(tick);
    }

    @Override
    public Totals getResult(Totals totals) {
      return totals;
    }

    @Override
    public Totals merge(Totals a, Totals b) {
      throw new UnsupportedOperationException("tumbling windows are not merged");
    }
  }

  public static class Emit extends ProcessWindowFunction<Totals, Out, String, TimeWindow> {
    @Override
    public void process(String key, Context at, Iterable<Totals> totals, Collector<Out> to) {
      to.collect(Out.of(key, totals.iterator().next().result(key, at.window().getStart())));
    }
  }

  static KafkaSink<Out> sink(String address, String topic) {
    KafkaRecordSerializationSchema<Out> records =
        (out, context, time) -> new ProducerRecord<>(topic, out.key, out.value);
    return KafkaSink.<Out>builder()
        .setBootstrapServers(address)
        .setRecordSerializer(records)
        .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
        .setTransactionalIdPrefix("peer-ticks-" + topic)
        // The default of an hour is above the brokers' maximum.
        .setProperty("transaction.timeout.ms", "600000")
        .build();
  }

  public static void main(String[] arguments) throws Exception {
    String address = arguments[0];
    Configuration with = new Configuration();
    with.setString("state.backend.type", "rocksdb");
    with.setString("execution.checkpointing.incremental", "true");
    with.setString("execution.checkpointing.interval", arguments[1] + " ms");
    with.setString("execution.checkpointing.dir", Path.of(arguments[2]).toUri().toString());
    with.setString(
        "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
    with.setString("taskmanager.memory.managed.size", "512m");
    with.setString("taskmanager.numberOfTaskSlots", "2");
    with.setString("pipeline.object-reuse", "true");
    if (arguments.length > 3) with.setString("execution.state-recovery.path", arguments[3]);
    var environment = StreamExecutionEnvironment.getExecutionEnvironment(with);
    environment.setParallelism(2);
    KafkaSource<Tick> source =
        KafkaSource.<Tick>builder()
            .setBootstrapServers(address)
            .setTopics("input_topic")
            .setGroupId("peer-ticks")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new Read())
            .build();
    SingleOutputStreamOperator<Tick> right =
        environment
            .fromSource(
                source,
                WatermarkStrategy.<Tick>forBoundedOutOfOrderness(Duration.ofSeconds(30))
                    .withTimestampAssigner((tick, time) -> tick.timeMs),
                "in")
            .process(new Split());
    right
        .getSideOutput(WRONG)
        .map(tick -> Out.of(null, tick.deadLetter()))
        .returns(Out.class)
        .sinkTo(sink(address, "dlq_topic"));
    SingleOutputStreamOperator<Tick> first = right.keyBy(tick -> tick.ticker).process(new Dedup());
    first
        .map(tick -> Out.of(tick.ticker, tick.enriched()))
        .returns(Out.class)
        .sinkTo(sink(address, "output_topic"));
    first
        .keyBy(tick -> tick.ticker)
        .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
        .allowedLateness(Duration.ofMinutes(10))
        .aggregate(new Sum(), new Emit())
        .sinkTo(sink(address, "aggregates_topic"));
    environment.execute("peer-ticks");
  }
}
