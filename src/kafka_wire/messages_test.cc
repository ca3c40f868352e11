// What must hold of every message in every version: the bytes of another implementation, round
// trips of random messages, and that no bytes whatever do harm.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "kafka_wire/all_messages.h"
#include "kafka_wire/message_text_for_tests.h"
#include "kafka_wire/random_message_for_tests.h"

namespace millrace::kafka_wire {
namespace {

struct Decoded {
  Status status;
  std::string text;   // of what was decoded
  std::string bytes;  // encoded again
};
struct RandomBody {
  std::string text;
  std::string bytes;
};

// One message type without its type.
struct Probe {
  MessageInfo info;
  std::function<Decoded(std::string_view, std::int16_t)> decode;
  std::function<RandomBody(std::uint64_t seed, std::int16_t)> random;

  [[nodiscard]] std::string kind() const {
    return std::string(info.api_key < 0 ? "data" : info.kind);
  }
};

// The copy ends where its memory ends, so that a read beyond it is seen.
template <class M>
Decoded decode_and_encode(std::string_view bytes, std::int16_t version) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  M message;
  Decoded decoded{decode({exact.data(), exact.size()}, version, message), "", ""};
  if (!decoded.status.is_ok()) return decoded;
  decoded.text = text_of(message, version);
  decoded.bytes = encoded(message, version);
  return decoded;
}

template <class M>
RandomBody random_message(std::uint64_t seed, std::int16_t version) {
  RandomFiller filler(seed, version);
  M message;
  filler.fill(message);
  return {text_of(message, version), encoded(message, version)};
}

const std::vector<Probe>& all_probes() {
  static const auto probes = [] {
    std::vector<Probe> made;
    for_each_message(AllMessages(), [&made]<class M>(MessageType<M>) {
      made.push_back({M::kInfo, decode_and_encode<M>, random_message<M>});
    });
    return made;
  }();
  return probes;
}

struct Vector {
  std::string head;  // "Fetch 12 response full"
  std::string name;
  std::int16_t version = 0;
  std::string kind;
  std::string bytes;
  std::string text;
};

std::string bytes_of_hex(std::string_view hex) {
  std::string bytes;
  if (hex == "-") return bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

const std::vector<Vector>& golden_vectors() {
  static const auto vectors = [] {
    std::vector<Vector> read;
    const std::filesystem::path folder = MILLRACE_SOURCE_DIR "/src/kafka_wire/testdata";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().stem() == "headers") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        if (line.starts_with('#')) continue;
        std::istringstream words(line);
        Vector vector;
        std::string filling;
        std::string hex;
        words >> vector.name >> vector.version >> vector.kind >> filling >> hex;
        std::getline(words >> std::ws, vector.text);
        vector.head =
            vector.name + " " + std::to_string(vector.version) + " " + vector.kind + " " + filling;
        vector.bytes = bytes_of_hex(hex);
        read.push_back(std::move(vector));
      }
    }
    return read;
  }();
  return vectors;
}

const Probe* probe_of(const Vector& vector) {
  for (const Probe& probe : all_probes()) {
    if (probe.info.name == vector.name && probe.kind() == vector.kind) return &probe;
  }
  return nullptr;
}

TEST(KafkaMessages, DecodeAndEncodeTheBytesOfAnotherImplementation) {
  for (const Vector& vector : golden_vectors()) {
    SCOPED_TRACE(vector.head);
    const Probe* const probe = probe_of(vector);
    ASSERT_NE(probe, nullptr);
    const Decoded decoded = probe->decode(vector.bytes, vector.version);
    ASSERT_TRUE(decoded.status.is_ok()) << decoded.status.to_string();
    EXPECT_EQ(decoded.text, vector.text);
    EXPECT_EQ(hex_text(decoded.bytes), hex_text(vector.bytes));
  }
}

TEST(KafkaMessages, HaveGoldenBytesInEveryVersion) {
  std::set<std::string> heads;
  for (const Vector& vector : golden_vectors()) heads.insert(vector.head);
  std::size_t expected = 0;
  for (const Probe& probe : all_probes()) {
    for (int version = probe.info.min_version; version <= probe.info.max_version; ++version) {
      for (const char* filling : {" full", " bare"}) {
        const std::string head = std::string(probe.info.name) + " " + std::to_string(version) +
                                 " " + probe.kind() + filling;
        EXPECT_TRUE(heads.contains(head)) << head;
        ++expected;
      }
    }
  }
  EXPECT_EQ(heads.size(), expected);
}

TEST(KafkaMessages, AreRefusedWhenCutAnywhere) {
  for (const Vector& vector : golden_vectors()) {
    const Probe* const probe = probe_of(vector);
    ASSERT_NE(probe, nullptr);
    for (std::size_t length = 0; length < vector.bytes.size(); ++length) {
      const auto cut =
          probe->decode(std::string_view(vector.bytes).substr(0, length), vector.version);
      ASSERT_EQ(cut.status.code(), StatusCode::invalid) << vector.head << " cut to " << length;
      ASSERT_THAT(std::string(cut.status.message()),
                  testing::StartsWith(vector.name + " v" + std::to_string(vector.version) + " "));
    }
    const auto longer = probe->decode(vector.bytes + '\0', vector.version);
    if (probe->info.kind == "request") {
      EXPECT_TRUE(longer.status.is_ok()) << vector.head;
    } else {
      EXPECT_THAT(longer.status.to_string(), testing::HasSubstr("1 bytes behind its end"))
          << vector.head;
    }
  }
}

TEST(KafkaMessages, SurviveARoundTripWithRandomValues) {
  for (const Probe& probe : all_probes()) {
    for (auto version = probe.info.min_version; version <= probe.info.max_version; ++version) {
      for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(std::string(probe.info.name) + " " + probe.kind() + " v" +
                     std::to_string(version) + ", seed " + std::to_string(seed));
        const RandomBody random = probe.random(seed, version);
        const Decoded decoded = probe.decode(random.bytes, version);
        ASSERT_TRUE(decoded.status.is_ok()) << decoded.status.to_string();
        ASSERT_EQ(decoded.text, random.text);
        ASSERT_EQ(decoded.bytes, random.bytes);
      }
    }
  }
}

// What a decoder accepts need not be what an encoder writes (a bool of 7, a long varint), but it
// means the same.
void expect_harmless(const Probe& probe, const std::string& bytes, std::int16_t version) {
  const Decoded first = probe.decode(bytes, version);
  if (!first.status.is_ok()) {
    ASSERT_EQ(first.status.code(), StatusCode::invalid);
    return;
  }
  const Decoded second = probe.decode(first.bytes, version);
  ASSERT_TRUE(second.status.is_ok()) << second.status.to_string();
  ASSERT_EQ(second.text, first.text);
}

TEST(KafkaMessages, DoNoHarmWhenTheirBytesAreChanged) {
  Random random(20240607);
  for (const Vector& vector : golden_vectors()) {
    const Probe* const probe = probe_of(vector);
    ASSERT_NE(probe, nullptr);
    for (int round = 0; round < 60 && !vector.bytes.empty(); ++round) {
      SCOPED_TRACE(vector.head + ", round " + std::to_string(round));
      std::string bytes = vector.bytes;
      for (auto changes = 1 + random.below(3); changes > 0; --changes) {
        constexpr unsigned char kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        const auto value = random.one_in(2) ? kEdges[random.below(sizeof kEdges)]
                                            : static_cast<unsigned char>(random.next());
        bytes[random.below(bytes.size())] = static_cast<char>(value);
      }
      ASSERT_NO_FATAL_FAILURE(expect_harmless(*probe, bytes, vector.version));
    }
  }
}

TEST(KafkaMessages, DoNoHarmWhenTheyAreNoise) {
  Random random(7);
  for (const Probe& probe : all_probes()) {
    for (auto version = probe.info.min_version; version <= probe.info.max_version; ++version) {
      for (int round = 0; round < 20; ++round) {
        std::string bytes(random.below(64), '\0');
        for (char& c : bytes) c = random.one_in(3) ? '\0' : static_cast<char>(random.next());
        ASSERT_NO_FATAL_FAILURE(expect_harmless(probe, bytes, version))
            << probe.info.name << " v" << version << ", round " << round;
      }
    }
  }
}

TEST(KafkaMessages, AreOfKnownVersionsOnly) {
  for (const Probe& probe : all_probes()) {
    for (const int version : {probe.info.min_version - 1, probe.info.max_version + 1}) {
      const auto status = probe.decode("", static_cast<std::int16_t>(version)).status;
      EXPECT_EQ(status.code(), StatusCode::unsupported) << probe.info.name << " v" << version;
    }
  }
}

}  // namespace
}  // namespace millrace::kafka_wire
