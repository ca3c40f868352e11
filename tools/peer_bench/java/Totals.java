// What a window of the job that ./dev bench peers measures adds up.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;

public class Totals {
  public long count;
  public long volume;
  public BigDecimal sum = BigDecimal.ZERO;
  public BigDecimal low;
  public BigDecimal high;

  public Totals() {}

  public Totals add(Tick tick) {
    ++count;
    volume += tick.volume;
    sum = sum.add(tick.price);
    low = low == null ? tick.price : low.min(tick.price);
    high = high == null ? tick.price : high.max(tick.price);
    return this;
  }

  public byte[] result(String ticker, long startMs) {
    BigDecimal average = sum.divide(BigDecimal.valueOf(count), 4, RoundingMode.HALF_EVEN);
    return Tick.bytes(
        Tick.JSON
            .createObjectNode()
            .put("ticker", ticker)
            .put("window_start", startMs)
            .put("count", count)
            .put("min_price", low.toPlainString())
            .put("max_price", high.toPlainString())
            .put("avg_price", average.toPlainString())
            .put("total_volume", volume));
  }

  // For stores that keep bytes.
  byte[] toBytes() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(64);
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.writeLong(count);
      out.writeLong(volume);
      for (BigDecimal one : new BigDecimal[] {sum, low, high}) {
        out.writeUTF(one == null ? "" : one.toString());
      }
    } catch (IOException impossible) {
      throw new IllegalStateException(impossible);
    }
    return bytes.toByteArray();
  }

  static Totals ofBytes(byte[] bytes) {
    Totals totals = new Totals();
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
      totals.count = in.readLong();
      totals.volume = in.readLong();
      totals.sum = new BigDecimal(in.readUTF());
      String low = in.readUTF();
      String high = in.readUTF();
      totals.low = low.isEmpty() ? null : new BigDecimal(low);
      totals.high = high.isEmpty() ? null : new BigDecimal(high);
    } catch (IOException impossible) {
      throw new IllegalStateException(impossible);
    }
    return totals;
  }
}
