#include "broker/frame_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace millrace::broker {
namespace {

std::string frame_of(const std::string& bytes) {
  std::string out(4, '\0');
  store_big(out.data(), static_cast<std::uint32_t>(bytes.size()));
  return out + bytes;
}

TEST(FrameReader, gives_the_same_frames_however_the_bytes_come) {
  Random random(20'260'801);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> sent;
    std::string stream;
    for (int i = 0; i < 12; ++i) {
      const std::size_t bytes = random.below(3) == 0 ? random.below(600'000) : random.below(300);
      sent.emplace_back(bytes, static_cast<char>('a' + i));
      stream += frame_of(sent.back());
    }
    FrameReader reader(1 << 20);
    std::vector<std::string> got;
    const std::size_t step_max = 1 + random.below(400'000);
    std::string_view left = stream;
    while (true) {
      if (reader.state() == FrameReader::State::frame) {
        EXPECT_EQ(reader.next_frame_bytes(), sent[got.size()].size());
        got.emplace_back(reader.take_frame()->view());
        continue;
      }
      ASSERT_EQ(reader.state(), FrameReader::State::need_more);
      if (left.empty()) break;
      const auto room = reader.room();
      ASSERT_FALSE(room.empty());
      const std::size_t step = std::min({room.size(), left.size(), 1 + random.below(step_max)});
      left.copy(room.data(), step);
      reader.commit(step);
      left.remove_prefix(step);
    }
    EXPECT_EQ(got, sent);
    EXPECT_FALSE(reader.has_begun());
  }
}

TEST(FrameReader, knows_an_impossible_byte_count) {
  for (const std::uint32_t count : {0xffff'ffffu, 0x8000'0000u, 101u}) {
    FrameReader reader(100);
    char bytes[4];
    store_big(bytes, count);
    const auto room = reader.room();
    std::copy(bytes, bytes + 4, room.data());
    reader.commit(4);
    EXPECT_EQ(reader.state(), FrameReader::State::impossible);
  }
}

}  // namespace
}  // namespace millrace::broker
