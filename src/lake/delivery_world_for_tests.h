#pragma once

// What the tests of deliveries share. Only for tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/json.h"
#include "lake/delivery.h"
#include "lake/manifest.h"
#include "lake/memory_log_for_tests.h"
#include "lake/memory_store_for_tests.h"

namespace millrace::lake {

inline const TopicPartition kSource{"output_topic", 0};
inline const TopicPartition kJournal{"millrace.ticks.lake.ticks.journal", 0};
inline const TopicPartition kDeadLetters{"dlq_topic", 0};
inline const std::string kGroup = "millrace.ticks.lake.ticks";
inline constexpr std::size_t kEvents = 120;

inline WriterConfig make_writer(FileFormat format, std::vector<std::string> partition_by) {
  WriterConfig writer;
  writer.format = format;
  writer.compression =
      format == FileFormat::parquet ? codec::Compression::zstd : codec::Compression::none;
  writer.partition_by = std::move(partition_by);
  writer.layout.fields = {{"event_id", FieldType::string},
                          {"timestamp", FieldType::timestamp},
                          {"ticker", FieldType::string},
                          {"price", FieldType::decimal, true, false, 18, 4},
                          {"volume", FieldType::int64}};
  writer.event_time_slot = 1;
  return writer;
}

// Event i; every 40th has a price with too many digits for its column.
inline std::string make_event(std::size_t i) {
  const bool is_too_fine = i % 40 == 39;
  return R"({"event_id":"e)" + std::to_string(i) + R"(","timestamp":"2012-06-21T1)" +
         std::to_string(3 + i / 50) + R"(:30:00.017460Z","ticker":")" +
         (i % 3 == 0 ? "AMZN" : "BRK/B") + R"(","price":")" +
         (is_too_fine ? "223.82001" : "223.82") + R"(","volume":)" + std::to_string(i) + "}";
}

// A world with one topic of events, of which everything but memory survives restart().
class World {
 public:
  explicit World(FileFormat format, std::int64_t roll_bytes = 2000) : log(faults, clock) {
    for (const auto& topic : {kSource, kJournal, kDeadLetters}) {
      MR_CHECK(log.create_topic(topic.topic, {}).is_ok());
    }
    options.pipeline = "ticks";
    options.identity.sink = "ticks";
    options.identity.folder = "lake/ticks";
    options.identity.pipeline = "ticks@1";
    options.identity.source = kSource;
    options.journal = kJournal;
    options.group = kGroup;
    options.writer = format == FileFormat::parquet ? make_writer(format, {"hour"})
                                                   : make_writer(format, {"hour", "ticker"});
    options.dead_letters.topic = kDeadLetters.topic;
    options.roll_bytes = roll_bytes;
  }

  // Batches of 1 to 7 events, always the same.
  void produce(std::size_t begin, std::size_t end) {
    Random random(7);
    while (begin < end) {
      const auto stop = std::min(end, begin + 1 + random.below(7));
      codec::RecordBatchBuilder builder;
      for (; begin < stop; ++begin) builder.append(WallTime(1000), "key", make_event(begin), {});
      std::string bytes;
      builder.finish(bytes);
      MR_CHECK(log::append_and_wait(log, {kSource.topic, 0, std::move(bytes)}).is_ok());
    }
  }

  std::unique_ptr<Delivery> make_delivery() {
    return std::make_unique<Delivery>(DeliveryServices{&log, &store, &clock}, options);
  }
  // Attaches and delivers everything; the first error.
  Status deliver_all(Delivery& delivery) {
    if (!delivery.is_attached()) MR_RETURN_IF_ERROR(delivery.attach());
    return delivery.flush([] { return false; });
  }
  [[nodiscard]] ManifestSource manifest() const {
    return {"ticks", "lake/ticks", kGroup, kSource, kJournal};
  }

  // Whether every check is ok; else what is wrong.
  std::string faults_found() {
    std::string text;
    for (const auto& check : verify_manifest(log, store, manifest(), [] { return false; })) {
      if (!check.is_ok) text += check.name + ": " + check.detail + "\n";
    }
    return text;
  }

  FaultPlan faults;
  ManualClock clock;
  MemoryLog log;
  MemoryStore store{faults};
  DeliveryOptions options;
};

// What a run left behind that anybody outside can see.
struct Outcome {
  std::map<std::string, std::string> objects;
  std::vector<std::string> dead_letters;
  Offset group_offset{-1};
  bool operator==(const Outcome&) const = default;
};

inline Outcome outcome_of(World& world) {
  Outcome outcome{world.store.objects(), read_values(world.log, kDeadLetters), Offset(-1)};
  const auto offsets = world.log.group_offsets(kGroup);
  if (!offsets.empty()) outcome.group_offset = offsets.front().next_offset;
  return outcome;
}

// The event ids in all JSON files, in the order of the files' names.
inline std::multiset<std::string> ids_in_files(World& world) {
  std::multiset<std::string> ids;
  for (const auto& [key, bytes] : world.store.objects()) {
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      Arena arena;
      const auto event = codec::parse_json(rest.substr(0, end), arena);
      MR_CHECK(event.is_ok());
      ids.emplace(event->as_map()[0].value.as_string());
      rest.remove_prefix(end + 1);
    }
  }
  return ids;
}

inline Outcome undisturbed(FileFormat format) {
  World world(format);
  world.produce(0, kEvents);
  const auto delivery = world.make_delivery();
  const auto status = world.deliver_all(*delivery);
  EXPECT_TRUE(status.is_ok()) << status.to_string();
  EXPECT_EQ(world.faults_found(), "");
  return outcome_of(world);
}

}  // namespace millrace::lake
