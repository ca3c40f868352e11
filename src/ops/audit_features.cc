#include "ops/audit_features.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>

#include "base/hash.h"

namespace millrace::ops {
namespace {

constexpr int kCutAttempts = 100;
constexpr std::uint64_t kSeed = 0x6175646974666561;

struct HashOfHash {
  std::size_t operator()(const Hash128& hash) const { return hash.low; }
};
using Counts = boost::unordered_flat_map<Hash128, std::int64_t, HashOfHash>;

struct Sum {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t count = 0;
  bool operator==(const Sum&) const = default;
  void add(const Hash128& hash) {
    low += hash.low;
    high += hash.high;
    ++count;
  }
  void add(const Sum& other) {
    low += other.low;
    high += other.high;
    count += other.count;
  }
};
// Results of sources in front of the cut, and of the very position where it is.
struct Sums {
  Sum before;
  Sum at;
};

using Visit = std::function<void(const TopicPartition&, const RecordView&, const SourceReference&)>;

class FeaturesAudit {
 public:
  FeaturesAudit(const log::Log& log, const AuditedFeature& audited, std::string pipeline_name,
                const IsCancelled& is_cancelled)
      : log_(log),
        audited_(audited),
        pipeline_name_(std::move(pipeline_name)),
        is_cancelled_(is_cancelled) {}

  Result<FeaturesReport> run() {
    MR_RETURN_IF_ERROR(cut());
    is_end_judged_ = has_cut_ || static_cast<bool>(audited_.has_moved);
    MR_ASSIGN_OR_RETURN(auto result_sums, sum(audited_.results_topic));
    MR_ASSIGN_OR_RETURN(auto feature_sums, sum(audited_.feature_topic));
    if (audited_.has_moved) {
      MR_ASSIGN_OR_RETURN(const bool has_moved, audited_.has_moved());
      is_end_judged_ = !has_moved;
    }
    if (is_end_judged_) {
      result_sums.before.add(result_sums.at);
      feature_sums.before.add(feature_sums.at);
    }
    const auto& results = result_sums.before;
    const auto& features = feature_sums.before;
    report_.records = results.count;
    if (!is_whole_ || results == features) return std::move(report_);
    MR_RETURN_IF_ERROR(tell_apart(results.count, features.count));
    return std::move(report_);
  }

 private:
  // Ends of all partitions at one moment: what is durable is one number of the log, so ends that
  // were read while it stood still belong together, and a commit is in both topics or in none.
  Status cut() {
    for (int attempt = 0; attempt < kCutAttempts; ++attempt) {
      const auto before = log_.durable_sequence();
      ends_.clear();
      for (const auto* topic : {&audited_.results_topic, &audited_.feature_topic}) {
        MR_ASSIGN_OR_RETURN(const auto info, log_.topic(*topic));
        for (std::int32_t p = 0; p < info.config.partition_count; ++p) {
          MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets({*topic, p}));
          ends_[{*topic, p}] = offsets.last_stable;
        }
      }
      if (audited_.has_moved) break;  // that sequence is of this process' own commits
      has_cut_ = log_.durable_sequence() == before;
      if (has_cut_) break;
    }
    return ok_status();
  }

  Status visit_all(const std::string& topic, const Visit& visit) {
    MR_ASSIGN_OR_RETURN(const auto info, log_.topic(topic));
    for (std::int32_t p = 0; p < info.config.partition_count; ++p) {
      const TopicPartition at{topic, p};
      MR_ASSIGN_OR_RETURN(const auto offsets, log_.offsets(at));
      if (offsets.start.value > 0 && is_whole_) {
        is_whole_ = false;
        report_.notes.push_back(at.to_string() + " is retained from offset " +
                                std::to_string(offsets.start.value) + " on only");
      }
      MR_RETURN_IF_ERROR(
          scan_partition(log_, at, Offset(0), is_cancelled_, [&](const RecordView& record) {
            const auto origin = origin_of(record, pipeline_name_);
            if (!origin.is_ours || !is_judged(origin)) return;
            const bool is_bounded = has_cut_ || static_cast<bool>(audited_.has_moved);
            if (is_bounded && record.offset >= ends_.at(at)) return;
            visit(at, record, *origin.source);
          }));
    }
    return ok_status();
  }

  [[nodiscard]] bool is_judged(const Origin& origin) const {
    if (!origin.source || origin.source->topic != audited_.cut.source_topic) return false;
    const auto partition = static_cast<std::size_t>(origin.source->partition);
    if (partition >= audited_.cut.next.size()) return false;
    // Without a cut the position stands for one; of what decisions made at it nothing is known.
    const auto side = audited_.cut.side_of(*origin.source);
    return has_cut_ || side == AuditCut::Side::before ||
           (side == AuditCut::Side::at && is_end_judged_);
  }

  Hash128 hash_of(const RecordView& record) {
    text_.assign(header_of(record, "millrace-source").value_or(""));
    text_ += '\0';
    text_ += record.key.value_or("");
    text_ += '\0';
    text_ += record.value.value_or("");
    return hash128(text_, kSeed);
  }

  Result<Sums> sum(const std::string& topic) {
    Sums sums;
    MR_RETURN_IF_ERROR(visit_all(
        topic, [&](const TopicPartition&, const RecordView& record, const SourceReference& source) {
          const bool is_at = !has_cut_ && audited_.cut.side_of(source) == AuditCut::Side::at;
          (is_at ? sums.at : sums.before).add(hash_of(record));
        }));
    return sums;
  }

  Status tell_apart(std::uint64_t results, std::uint64_t features) {
    if (results > kFeatureRecordsMax) {
      report_.findings.add(audited_.results_topic + " has " + std::to_string(results) +
                           " results, " + audited_.feature_topic + " " + std::to_string(features) +
                           ", and not the same ones; too many to tell which");
      return ok_status();
    }
    Counts counts;
    MR_RETURN_IF_ERROR(visit_all(audited_.results_topic,
                                 [&](const TopicPartition&, const RecordView& record,
                                     const SourceReference&) { ++counts[hash_of(record)]; }));
    MR_RETURN_IF_ERROR(
        visit_all(audited_.feature_topic,
                  [&](const TopicPartition& at, const RecordView& record, const SourceReference&) {
                    const auto known = counts.find(hash_of(record));
                    if (known != counts.end() && known->second-- > 0) return;
                    add(at, record, audited_.results_topic);
                  }));
    return visit_all(audited_.results_topic, [&](const TopicPartition& at, const RecordView& record,
                                                 const SourceReference&) {
      const auto left = counts.find(hash_of(record));
      if (left == counts.end() || left->second <= 0) return;
      --left->second;
      add(at, record, audited_.feature_topic);
    });
  }

  void add(const TopicPartition& at, const RecordView& record, const std::string& missing_in) {
    report_.findings.add(at.to_string() + " offset " + std::to_string(record.offset.value) +
                         ", of " + std::string(header_of(record, "millrace-source").value_or("")) +
                         ", is not in " + missing_in);
  }

  const log::Log& log_;
  const AuditedFeature& audited_;
  const std::string pipeline_name_;
  const IsCancelled& is_cancelled_;
  std::string text_;
  bool is_whole_ = true;
  bool has_cut_ = false;
  // What is of the very cut counts as well; until that is known, it is visited.
  bool is_end_judged_ = false;
  std::map<TopicPartition, Offset> ends_;
  FeaturesReport report_;
};

}  // namespace

Result<FeaturesReport> audit_features(const log::Log& log, const AuditedFeature& audited,
                                      const std::string& pipeline_name,
                                      const IsCancelled& is_cancelled) {
  return FeaturesAudit(log, audited, pipeline_name, is_cancelled).run();
}

}  // namespace millrace::ops
