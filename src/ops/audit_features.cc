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
};

using Visit = std::function<void(const TopicPartition&, const RecordView&, const Hash128&)>;

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
    MR_ASSIGN_OR_RETURN(const auto results, sum(audited_.results_topic));
    MR_ASSIGN_OR_RETURN(const auto features, sum(audited_.feature_topic));
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
          ends_[{*topic, p}] = offsets.high_watermark;
        }
      }
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
            if (has_cut_ && record.offset >= ends_.at(at)) return;
            visit(at, record, hash_of(record));
          }));
    }
    return ok_status();
  }

  [[nodiscard]] bool is_judged(const Origin& origin) const {
    if (!origin.source || origin.source->topic != audited_.source_topic) return false;
    const auto partition = static_cast<std::size_t>(origin.source->partition);
    // Without a cut the position stands for one; of what decisions made at it nothing is known.
    return partition < audited_.source_next.size() &&
           (has_cut_ || origin.source->offset < audited_.source_next[partition]);
  }

  Hash128 hash_of(const RecordView& record) {
    text_.assign(header_of(record, "millrace-source").value_or(""));
    text_ += '\0';
    text_ += record.key.value_or("");
    text_ += '\0';
    text_ += record.value.value_or("");
    return hash128(text_, kSeed);
  }

  Result<Sum> sum(const std::string& topic) {
    Sum sum;
    MR_RETURN_IF_ERROR(
        visit_all(topic, [&](const TopicPartition&, const RecordView&, const Hash128& hash) {
          sum.low += hash.low;
          sum.high += hash.high;
          ++sum.count;
        }));
    return sum;
  }

  Status tell_apart(std::uint64_t results, std::uint64_t features) {
    if (results > kFeatureRecordsMax) {
      report_.findings.add(audited_.results_topic + " has " + std::to_string(results) +
                           " results, " + audited_.feature_topic + " " + std::to_string(features) +
                           ", and not the same ones; too many to tell which");
      return ok_status();
    }
    Counts counts;
    MR_RETURN_IF_ERROR(visit_all(
        audited_.results_topic,
        [&](const TopicPartition&, const RecordView&, const Hash128& hash) { ++counts[hash]; }));
    MR_RETURN_IF_ERROR(
        visit_all(audited_.feature_topic,
                  [&](const TopicPartition& at, const RecordView& record, const Hash128& hash) {
                    const auto known = counts.find(hash);
                    if (known != counts.end() && known->second-- > 0) return;
                    add(at, record, audited_.results_topic);
                  }));
    return visit_all(audited_.results_topic,
                     [&](const TopicPartition& at, const RecordView& record, const Hash128& hash) {
                       const auto left = counts.find(hash);
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
