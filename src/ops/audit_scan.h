#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "log/log.h"
#include "model/record.h"

// What the parts of an audit share: reading a partition to its end, and the headers every output
// record carries.

namespace millrace::ops {

using IsCancelled = std::function<bool()>;

// Header millrace-source: "topic/partition/offset". A view into the header.
struct SourceReference {
  std::string_view topic;
  std::int32_t partition = 0;
  Offset offset;
};
std::optional<SourceReference> parse_source_reference(std::string_view text);

// What a record's headers say about where it comes from.
struct Origin {
  bool is_ours = false;  // header millrace-pipeline is NAME@VERSION of the pipeline asked for
  std::int32_t version = 0;
  std::optional<SourceReference> source;  // nullopt: no such header, or unreadable
};
Origin origin_of(const RecordView& record, std::string_view pipeline_name);
std::optional<std::string_view> header_of(const RecordView& record, std::string_view name);

// Calls `visit` for every record in [from, end of what is durable now). `cancelled` when asked to.
Status scan_partition(const log::Log& log, const TopicPartition& source, Offset from,
                      const IsCancelled& is_cancelled,
                      const std::function<void(const RecordView&)>& visit);

class Findings;

// Where the tasks of a stage stood, by partition of their source. What they wrote because of an
// offset below is all there; at the very position it may be of decisions taken before or after.
struct AuditCut {
  std::string source_topic;
  std::vector<Offset> next;

  enum class Side : std::uint8_t { before, at, behind };
  // What is of no source of the stage counts as `before`.
  [[nodiscard]] Side side_of(const SourceReference& source) const;
};

// The largest source offset that outputs name, by partition: one that is not in the source is of
// somebody who wrote it himself.
class NamedSources {
 public:
  // `is_decision_possible`: results can be of the source's end, too.
  NamedSources(std::string topic, bool is_decision_possible)
      : topic_(std::move(topic)), is_decision_possible_(is_decision_possible) {}

  void see(const Origin& origin, const RecordView& record, const TopicPartition& from);
  // After everything was read.
  Status check(const log::Log& log, Findings& findings) const;

 private:
  struct Named {
    Offset source;
    TopicPartition from;
    Offset offset;
  };
  const std::string topic_;
  const bool is_decision_possible_;
  std::map<std::int32_t, Named> largest_;
};

// Collects sentences about what is wrong: the first few in full, the rest as a number.
class Findings {
 public:
  void add(std::string sentence) {
    if (sentences_.size() < kShown) sentences_.push_back(std::move(sentence));
    ++count_;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::size_t kShown = 5;
  std::vector<std::string> sentences_;
  std::uint64_t count_ = 0;
};

}  // namespace millrace::ops
