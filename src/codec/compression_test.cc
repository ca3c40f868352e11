#include "codec/compression.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace millrace::codec {
namespace {

constexpr std::size_t kPlainBytesMax = 4u << 20;

const std::vector<Compression>& all_compressions() {
  static const std::vector<Compression> all = {Compression::none, Compression::gzip,
                                               Compression::snappy, Compression::lz4,
                                               Compression::zstd};
  return all;
}

std::string packed_form(Compression compression, std::string_view plain) {
  std::string out;
  EXPECT_TRUE(compress(compression, plain, out).is_ok());
  return out;
}

// Half compressible, half not.
std::string mixed_text(std::size_t bytes, Random& random) {
  std::string text;
  while (text.size() < bytes) {
    if (random.one_in(2)) {
      text += "{\"ticker\":\"AMZN\",\"price\":\"223.82\"}";
    } else {
      text += static_cast<char>(random.next());
    }
  }
  text.resize(bytes);
  return text;
}

TEST(Compression, names_are_read_in_any_case_and_written_in_lower_case) {
  EXPECT_EQ(*parse_compression("LZ4"), Compression::lz4);
  EXPECT_EQ(*parse_compression("uncompressed"), Compression::none);
  EXPECT_EQ(*parse_compression("GZip"), Compression::gzip);
  for (const auto compression : all_compressions()) {
    EXPECT_EQ(*parse_compression(to_string(compression)), compression);
  }
  const auto wrong = parse_compression("brotli");
  EXPECT_EQ(wrong.status().code(), StatusCode::invalid);
  EXPECT_EQ(wrong.status().message(),
            "compression \"brotli\" must be one of none, gzip, snappy, lz4, zstd");
}

TEST(Compression, every_size_comes_back) {
  Random random(7);
  Compressor compressor;
  Decompressor decompressor;
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{32768}, std::size_t{32769},
        std::size_t{65536}, std::size_t{200'000}, std::size_t{1'500'000}}) {
    const auto plain = mixed_text(bytes, random);
    for (const auto compression : all_compressions()) {
      ByteBuffer packed;
      ASSERT_TRUE(compressor.compress(compression, plain, packed).is_ok());
      const auto back = decompressor.decompress(compression, packed.view(), kPlainBytesMax);
      ASSERT_TRUE(back.is_ok()) << to_string(compression) << back.status().to_string();
      EXPECT_TRUE(*back == plain) << to_string(compression) << " " << bytes;
    }
  }
}

// https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md: FLG 0x60 is version 01 and
// independent blocks, BD 0x40 is 64 KiB, 0x82 the second byte of XXH32("\x60\x40", 0).
TEST(Compression, lz4_frame_header_is_the_one_kafka_clients_write) {
  const auto packed = packed_form(Compression::lz4, "abc");
  EXPECT_EQ(packed, std::string("\x04\x22\x4d\x18\x60\x40\x82"
                                "\x03\x00\x00\x80"  // one stored block of 3 bytes
                                "abc"
                                "\x00\x00\x00\x00",
                                18));
}

TEST(Compression, snappy_is_xerial_framed) {
  const auto packed = packed_form(Compression::snappy, "abc");
  EXPECT_EQ(packed, std::string("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
                                "\x00\x00\x00\x05"  // a block of 5 bytes
                                "\x03\x08"          // 3 plain bytes, a literal of 3
                                "abc",
                                25));
}

TEST(Compression, raw_snappy_and_little_endian_xerial_versions_are_read) {
  std::string out;
  ASSERT_TRUE(decompress(Compression::snappy,
                         std::string_view("\x03\x08"
                                          "abc",
                                          5),
                         100, out)
                  .is_ok());
  EXPECT_EQ(out, "abc");
  auto packed = packed_form(Compression::snappy, "abc");
  packed.replace(8, 8, std::string_view("\1\0\0\0\1\0\0\0", 8));
  out.clear();
  ASSERT_TRUE(decompress(Compression::snappy, packed, 100, out).is_ok());
  EXPECT_EQ(out, "abc");
}

TEST(Compression, several_members_in_a_row_are_one_text) {
  for (const auto compression : {Compression::gzip, Compression::lz4, Compression::zstd}) {
    std::string out;
    const auto packed = packed_form(compression, "abc") + packed_form(compression, "def");
    ASSERT_TRUE(decompress(compression, packed, 100, out).is_ok()) << to_string(compression);
    EXPECT_EQ(out, "abcdef");
  }
}

TEST(Compression, the_plain_limit_is_exact) {
  const std::string plain(300'000, 'a');
  for (const auto compression : all_compressions()) {
    const auto packed = packed_form(compression, plain);
    std::string out;
    EXPECT_TRUE(decompress(compression, packed, plain.size(), out).is_ok())
        << to_string(compression);
    const auto status = decompress(compression, packed, plain.size() - 1, out);
    EXPECT_EQ(status.code(), StatusCode::corrupt) << to_string(compression);
    EXPECT_EQ(out, plain) << "a failed call appends nothing";
  }
}

TEST(Compression, every_truncation_is_corrupt) {
  Random random(11);
  const auto plain = mixed_text(2000, random);
  for (const auto compression :
       {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    const auto packed = packed_form(compression, plain);
    Decompressor decompressor;
    for (std::size_t bytes = 0; bytes < packed.size(); ++bytes) {
      // An xerial header without blocks is a whole stream of nothing.
      if (compression == Compression::snappy && bytes == 16) continue;
      // A copy of exactly that size, so that reading beyond it is seen by the sanitizer.
      const std::vector<char> cut(packed.begin(), packed.begin() + static_cast<long>(bytes));
      const auto back =
          decompressor.decompress(compression, {cut.data(), cut.size()}, kPlainBytesMax);
      EXPECT_EQ(back.status().code(), StatusCode::corrupt)
          << to_string(compression) << " cut to " << bytes;
    }
  }
}

TEST(Compression, snappy_lengths_that_lie_are_corrupt) {
  std::string out;
  // 4 GiB - 1 plain bytes are claimed; they must not even be allocated.
  const auto bomb = decompress(Compression::snappy, "\xff\xff\xff\xff\x0f", kPlainBytesMax, out);
  EXPECT_EQ(bomb.message(), "snappy: decompresses to more than the limit of 4194304 bytes");
  auto packed = packed_form(Compression::snappy, "abc");
  packed[19] = 6;  // the block has 5 bytes
  EXPECT_EQ(decompress(Compression::snappy, packed, 100, out).message(),
            "snappy: a block is longer than the stream");
}

TEST(Compression, mutated_bytes_never_crash_and_leave_the_decompressor_usable) {
  constexpr std::uint64_t kSeed = 20120621;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  const auto plain = mixed_text(3000, random);
  for (const auto compression :
       {Compression::gzip, Compression::snappy, Compression::lz4, Compression::zstd}) {
    const auto packed = packed_form(compression, plain);
    Decompressor decompressor;
    for (int round = 0; round < 2000; ++round) {
      auto broken = packed;
      for (auto left = 1 + random.below(3); left > 0; --left) {
        broken[random.below(broken.size())] = static_cast<char>(random.next());
      }
      (void)decompressor.decompress(compression, broken, 100'000).is_ok();
    }
    const auto back = decompressor.decompress(compression, packed, kPlainBytesMax);
    ASSERT_TRUE(back.is_ok());
    EXPECT_TRUE(*back == plain);
  }
}

}  // namespace
}  // namespace millrace::codec
