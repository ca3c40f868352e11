#include "base/coding.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace millrace {
namespace {

TEST(Coding, bytes_are_little_endian_varint_and_zigzag) {
  std::string bytes;
  Encoder out(bytes);
  out.u8(0xab);
  out.u32(0x01020304);
  out.u64(0x0102030405060708);
  out.varint(300);  // the example of the Protocol Buffers encoding guide: ac 02
  out.zigzag(-1);
  out.zigzag(1);
  out.boolean(true);
  out.bytes("hey");
  EXPECT_EQ(bytes,
            std::string(
                "\xab\x04\x03\x02\x01\x08\x07\x06\x05\x04\x03\x02\x01\xac\x02\x01\x02\x01\x03hey"));
}

TEST(Coding, every_cut_of_an_encoding_is_noticed) {
  std::string bytes;
  Encoder out(bytes);
  out.u32(7);
  out.varint(~std::uint64_t{0});
  out.bytes("text");
  out.u64(9);
  out.zigzag(INT64_MIN);
  const auto read = [](std::string_view from) {
    Decoder in(from);
    in.u32();
    in.varint();
    in.bytes();
    in.u64();
    in.zigzag();
    return in.finish("sample");
  };
  EXPECT_TRUE(read(bytes).is_ok());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Status status = read(std::string_view(bytes).substr(0, size));
    EXPECT_EQ(status.to_string(), "corrupt: sample: truncated or malformed") << size;
  }
  EXPECT_EQ(read(bytes + "x").message(), "sample: 1 bytes left over");
}

TEST(Coding, after_a_failure_everything_reads_as_nothing) {
  Decoder in(
      std::string_view("\x05"
                       "ab",
                       3));
  EXPECT_EQ(in.bytes(), "");
  EXPECT_TRUE(in.has_failed());
  EXPECT_EQ(in.u8(), 0);
  EXPECT_EQ(in.u64(), 0u);
  EXPECT_EQ(in.varint(), 0u);
  EXPECT_EQ(in.bytes(), "");
  EXPECT_FALSE(in.finish("x").is_ok());
}

TEST(Coding, varints_beyond_64_bits_are_malformed) {
  const std::string largest = std::string(9, '\xff') + '\x01';
  Decoder fits(largest);
  EXPECT_EQ(fits.varint(), ~std::uint64_t{0});
  EXPECT_TRUE(fits.finish("x").is_ok());
  for (const std::string& bytes :
       {std::string(9, '\xff') + '\x02', std::string(10, '\x80') + '\x01',
        std::string(9, '\xff') + '\x81'}) {
    Decoder in(bytes);
    EXPECT_EQ(in.varint(), 0u);
    EXPECT_TRUE(in.has_failed());
  }
  // A length beyond the input must not be added to a pointer.
  Decoder in(largest);
  EXPECT_EQ(in.bytes(), "");
  EXPECT_TRUE(in.has_failed());
}

TEST(Coding, random_sequences_go_there_and_back) {
  constexpr std::uint64_t kSeed = 11;
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::pair<int, std::uint64_t>> items;
    std::string bytes;
    Encoder out(bytes);
    for (int i = 0; i < 20; ++i) {
      const auto kind = static_cast<int>(random.below(6));
      const std::uint64_t value = random.next() >> random.below(64);
      items.emplace_back(kind, value);
      if (kind == 0) out.u8(static_cast<std::uint8_t>(value));
      if (kind == 1) out.u32(static_cast<std::uint32_t>(value));
      if (kind == 2) out.u64(value);
      if (kind == 3) out.varint(value);
      if (kind == 4) out.zigzag(static_cast<std::int64_t>(value));
      if (kind == 5) out.bytes(std::to_string(value));
    }
    Decoder in(bytes);
    for (const auto& [kind, value] : items) {
      if (kind == 0) ASSERT_EQ(in.u8(), static_cast<std::uint8_t>(value));
      if (kind == 1) ASSERT_EQ(in.u32(), static_cast<std::uint32_t>(value));
      if (kind == 2) ASSERT_EQ(in.u64(), value);
      if (kind == 3) ASSERT_EQ(in.varint(), value);
      if (kind == 4) ASSERT_EQ(in.zigzag(), static_cast<std::int64_t>(value));
      if (kind == 5) ASSERT_EQ(in.bytes(), std::to_string(value));
    }
    ASSERT_TRUE(in.finish("items").is_ok()) << "seed " << kSeed;
  }
}

TEST(Bytes, big_endian_and_little_endian_differ_by_order_only) {
  char at[8];
  store_big<std::int32_t>(at, 0x01020304);
  EXPECT_EQ(std::string_view(at, 4), "\x01\x02\x03\x04");
  EXPECT_EQ(load_big<std::int32_t>(at), 0x01020304);
  EXPECT_EQ(load_little<std::int32_t>(at), 0x04030201);
  store_big<std::int16_t>(at, -2);
  EXPECT_EQ(std::string_view(at, 2), "\xff\xfe");
  store_big<std::uint64_t>(at, 1);
  EXPECT_EQ(at[7], 1);
  EXPECT_EQ(load_big<std::uint64_t>(at), 1u);
}

TEST(SharedBytes, a_slice_keeps_its_buffer_alive) {
  SharedBytes slice;
  {
    const SharedBytes whole(std::string(1000, 'x') + "tail");
    slice = whole.slice(1000, 4);
  }
  EXPECT_EQ(slice.view(), "tail");
}

}  // namespace
}  // namespace millrace
