#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "codec/record_batch.h"
#include "codec/row_decoder.h"
#include "task/dedup.h"
#include "task/source_task.h"
#include "task/source_window.h"
#include "task/watermark.h"

namespace millrace::task {

// One task of the source stage. A record passes the steps in this order; the first that refuses it
// writes the dead letter and ends its way:
//
//   decode -> schema -> key -> rules -> time -> dedup -> enrich -> (enriched outputs) -> windows
//
// An event that a window refuses as late has already left to the enriched outputs (R15).
class SourceTask final : public Task {
 public:
  SourceTask(const SourcePlan& plan, std::int32_t partition, TableProvider tables);

  void start_at(Offset offset) override;
  Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) override;
  Status apply_event(const JournalEvent& event, WallTime wall_time, Outputs& outputs) override;
  [[nodiscard]] Offset next_offset() const override { return next_offset_; }
  void snapshot(std::string& out) const override;
  Status restore(std::string_view bytes) override;
  [[nodiscard]] TaskReport report() const override;

 private:
  struct Refusal {
    ErrorType type = ErrorType::schema_invalid;
    std::string_view stage;
    std::string message;
  };
  // Stands for a table without any version in force: a replay of what came before a pipeline
  // version that brought the table.
  class NoTable final : public expr::LookupTable {
   public:
    [[nodiscard]] Value find(const Value&) const override { return Value::null(); }
  };
  enum class Step : std::uint8_t { go_on, refused, dropped };

  void process(const RecordView& record, WallTime time, Outputs& outputs);
  Step decode(const RecordView& record);
  Step check_document(std::string_view text, std::uint64_t unknown_count);
  Step check_key(const RecordView& record);
  Step check_rules();
  Step check_time(WallTime time);
  Step check_duplicate();
  Step compute(WallTime time);
  Step refuse(ErrorType type, std::string_view stage, std::string message);
  void write_enriched(const RecordView& record, WallTime time, Outputs& outputs);
  void write_dead_letter(const RecordView& record, WallTime time, Outputs& outputs);
  void add_to_windows(const RecordView& record, WallTime time, Outputs& outputs);
  void move_watermark(bool has_moved, const Cause& cause, Outputs& outputs);
  void send_watermark(const Cause& cause, Outputs& outputs);
  Cause cause(WallTime time);
  [[nodiscard]] expr::EvaluateInput input() const;
  Status use_table(const std::string& table, const Hash128& content);

  const SourcePlan& plan_;
  const std::int32_t partition_;
  const TableProvider provider_;
  const std::string source_prefix_;

  // State: everything that snapshot() writes.
  Offset next_offset_;
  Watermark watermark_;
  EventTime sent_watermark_ = kNoWatermark;  // last one sent to the merging tasks
  std::unique_ptr<Dedup> dedup_;             // null without deduplication
  std::vector<SourceWindow> windows_;
  std::vector<Hash128> table_versions_;  // per plan_.tables
  TaskCounters counters_;                // .windows stays empty: each SourceWindow has its own

  // Scratch, dead between records.
  codec::BatchReader reader_;
  codec::RowDecoder decoder_;
  Arena arena_;
  std::vector<Value> row_;
  std::vector<Value> variables_;
  std::vector<std::shared_ptr<const Table>> table_owners_;
  NoTable no_table_;
  std::vector<const expr::LookupTable*> tables_;
  std::vector<codec::SchemaViolation> violations_;
  Refusal refusal_;
  std::string value_;
  std::string source_;  // of the record at source_offset_
  Offset source_offset_{-1};
  EventTime event_time_;
};

}  // namespace millrace::task
