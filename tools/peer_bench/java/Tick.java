// One event of the job that ./dev bench peers measures, for Kafka Streams and for Flink: how it is
// read, what makes it wrong, and its enriched form. The same rules as pipelines/peer_ticks.yaml.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.List;

/** With public fields and without arguments, so that Flink's own serializer takes it. */
public class Tick {
  static final ObjectMapper JSON = new ObjectMapper();
  static final BigDecimal FEE = new BigDecimal("0.0001");
  static final List<String> SECTORS =
      List.of("tech", "energy", "health", "finance", "retail", "industry", "utility", "media");

  public String id;
  public String timestamp;
  public String ticker;
  public String source;
  public BigDecimal price;
  public long volume;
  public long timeMs;
  public byte[] original; // of a wrong event only
  public String fault; // null: a right event

  public Tick() {}

  public boolean isRight() {
    return fault == null;
  }

  static Tick wrong(byte[] original, String fault) {
    Tick tick = new Tick();
    tick.original = original;
    tick.fault = fault;
    tick.timeMs = Long.MIN_VALUE;
    return tick;
  }

  static String text(JsonNode event, String name) {
    JsonNode value = event.get(name);
    if (value == null || !value.isTextual()) throw new IllegalArgumentException(name);
    return value.textValue();
  }

  public static Tick parse(byte[] bytes) {
    Tick tick = new Tick();
    try {
      JsonNode event = JSON.readTree(bytes);
      tick.id = text(event, "event_id");
      tick.timestamp = text(event, "timestamp");
      tick.ticker = text(event, "ticker");
      tick.source = text(event, "source");
      tick.price = new BigDecimal(text(event, "price"));
      tick.timeMs = Instant.parse(tick.timestamp).toEpochMilli();
      JsonNode volume = event.get("volume");
      if (volume == null || !volume.isIntegralNumber()) return wrong(bytes, "SCHEMA_INVALID");
      tick.volume = volume.longValue();
    } catch (IOException | IllegalArgumentException | DateTimeException | NullPointerException e) {
      return wrong(bytes, "SCHEMA_INVALID");
    }
    if (tick.price.signum() <= 0 || tick.volume < 0 || !isSymbol(tick.ticker)) {
      return wrong(bytes, "BUSINESS_RULE_VIOLATION");
    }
    return tick;
  }

  static boolean isSymbol(String text) {
    for (int i = 0; i < text.length(); ++i) {
      if (text.charAt(i) < 'A' || text.charAt(i) > 'Z') return false;
    }
    return !text.isEmpty() && text.length() <= 10;
  }

  static byte[] bytes(ObjectNode node) {
    try {
      return JSON.writeValueAsBytes(node);
    } catch (IOException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  public byte[] enriched() {
    int letters = ticker.charAt(0) + ticker.charAt(ticker.length() - 1);
    BigDecimal fee = price.multiply(BigDecimal.valueOf(volume)).multiply(FEE);
    return bytes(
        JSON.createObjectNode()
            .put("event_id", id)
            .put("timestamp", timestamp)
            .put("ticker", ticker)
            .put("price", price.toPlainString())
            .put("volume", volume)
            .put("source", source)
            .put("sector", SECTORS.get(letters % SECTORS.size()))
            .put("fee", fee.setScale(4, RoundingMode.HALF_EVEN).toPlainString()));
  }

  public byte[] deadLetter() {
    return bytes(
        JSON.createObjectNode()
            .put("original_message", new String(original, StandardCharsets.UTF_8))
            .put("error_type", fault)
            .put("error_timestamp", Instant.now().toString()));
  }
}
