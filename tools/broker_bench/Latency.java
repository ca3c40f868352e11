import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

// Latency ADDRESS TOPIC RECORDS WARM_UP_RECORDS RECORD_BYTES
//
// From send() (acks=all, no linger) to a consumer that waits for records in a thread of its own,
// one record at a time, in microseconds. Kafka's EndToEndLatency counts the Java machine's first
// seconds, too, in whole milliseconds, and its consumer asks only after the acknowledgement.
public class Latency {
  private final long[] sent;
  private final long[] acknowledged;
  private final long[] arrived;

  private Latency(int count) {
    sent = new long[count];
    acknowledged = new long[count];
    arrived = new long[count];
  }

  public static void main(String[] words) throws InterruptedException {
    int warmUp = Integer.parseInt(words[3]);
    Latency latency = new Latency(Integer.parseInt(words[2]) + warmUp);
    latency.run(words[0], new TopicPartition(words[1], 0), Integer.parseInt(words[4]));
    show("consumed", latency.sent, latency.arrived, warmUp);
    show("acknowledged", latency.sent, latency.acknowledged, warmUp);
  }

  private void run(String address, TopicPartition source, int recordBytes)
      throws InterruptedException {
    Map<String, Object> consuming = Map.of("bootstrap.servers", address);
    Map<String, Object> producing =
        Map.of("bootstrap.servers", address, "acks", "all", "linger.ms", 0);
    try (KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(
                consuming, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer())) {
      consumer.assign(List.of(source));
      consumer.seekToEnd(List.of(source));
      consumer.position(source);
      Semaphore mayGoOn = new Semaphore(0);
      Thread reader = new Thread(() -> read(consumer, mayGoOn));
      reader.start();
      byte[] value = new byte[recordBytes];
      for (int i = 0; i < sent.length; i++) {
        int number = i;
        sent[i] = System.nanoTime();
        producer.send(
            new ProducerRecord<>(source.topic(), value),
            (metadata, error) -> acknowledged[number] = System.nanoTime());
        mayGoOn.acquire();
      }
      reader.join();
      producer.flush();
    }
  }

  private void read(KafkaConsumer<byte[], byte[]> consumer, Semaphore mayGoOn) {
    for (int count = 0; count < arrived.length; ) {
      for (ConsumerRecord<byte[], byte[]> ignored : consumer.poll(Duration.ofSeconds(1))) {
        arrived[count++] = System.nanoTime();
        mayGoOn.release();
      }
    }
  }

  private static void show(String what, long[] from, long[] to, int warmUp) {
    long[] took = new long[from.length - warmUp];
    for (int i = 0; i < took.length; i++) {
      took[i] = (to[warmUp + i] - from[warmUp + i]) / 1000;
    }
    Arrays.sort(took);
    System.out.printf(
        "%s p50=%d p99=%d p99.9=%d%n",
        what,
        took[took.length / 2],
        took[(int) (took.length * 0.99)],
        took[(int) (took.length * 0.999)]);
  }
}
