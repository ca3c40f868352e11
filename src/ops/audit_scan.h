#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
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
