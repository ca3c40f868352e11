#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "codec/record_batch.h"
#include "codec/row_decoder.h"
#include "task/cause.h"
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
//
// A batch is worked through in chunks, each in two passes: the first does what needs no state, up
// to the hash of the id, whose place in the deduplication is then on its way into the cache when
// the second one asks for it. Where a chunk ends never matters.
class SourceTask final : public Task {
 public:
  SourceTask(const SourcePlan& plan, std::int32_t partition, TableProvider tables);

  void start_at(Offset offset) override;
  Status apply(std::string_view batch, WallTime append_time, Outputs& outputs) override;
  void skip_to(Offset next) override { next_offset_ = std::max(next_offset_, next); }
  Status apply_event(const JournalEvent& event, WallTime wall_time, Outputs& outputs) override;
  [[nodiscard]] Offset next_offset() const override { return next_offset_; }
  void snapshot(std::string& out) const override;
  Status restore(std::string_view bytes) override;
  Result<TakenOver> take_over(std::string_view bytes) override;
  void begin_windows(EventTime merged_from) override;
  [[nodiscard]] Dedup* dedup() override { return dedup_.get(); }
  [[nodiscard]] TaskReport report() const override;

 private:
  enum class Step : std::uint8_t { go_on, refused, dropped, failed };

  struct Refusal {
    ErrorType type = ErrorType::schema_invalid;
    std::string stage;
    std::string message;
  };
  // One record of a chunk, between the two passes.
  struct Event {
    RecordView record;     // headers in the arena
    std::span<Value> row;  // in rows_
    expr::EvaluateInput input;
    EventTime event_time;
    std::string_view id;  // with deduplication
    Hash128 id_hash;
    Step step = Step::go_on;
    Refusal refusal;  // when refused
  };
  // Stands for a table without any version in force: a replay of what came before a pipeline
  // version that brought the table.
  class NoTable final : public expr::LookupTable {
   public:
    [[nodiscard]] Value find(const Value&) const override { return Value::null(); }
  };
  // First pass: what depends on the record alone.
  void prepare(Event& event, const RecordView& record, WallTime time);
  Step decode(Event& event);
  [[nodiscard]] std::string message_of_violations() const;
  Step check_document(Event& event, std::uint64_t unknown_count);
  Step check_key(Event& event);
  Step check_rules(Event& event);
  Step check_time(Event& event, WallTime time);
  Step find_id(Event& event);
  // Second pass: what depends on the state, in the order of the records.
  Status process(Event& event, WallTime time, Outputs& outputs);
  Step check_duplicate(Event& event);
  Step compute(Event& event, WallTime time);
  static Step refuse(Event& event, ErrorType type, std::string_view stage, std::string message);
  void write_enriched(const Event& event, WallTime time, Outputs& outputs);
  void write_dead_letter(const Event& event, WallTime time, Outputs& outputs);
  void add_to_windows(Event& event, WallTime time, Outputs& outputs);
  void move_watermark(bool has_moved, const Cause& cause, Outputs& outputs);
  void send_watermark(const Cause& cause, Outputs& outputs);
  const Cause& cause(WallTime time) { return causes_.at(next_offset_, time); }
  Status use_table(const std::string& table, const Hash128& content);
  // With `taken_over` for the state of another plan, of which not everything fits.
  Status restore_state(Decoder& from, TakenOver* taken_over);
  Status restore_tables(Decoder& from, bool is_other_plan);
  Status restore_windows(Decoder& from, TakenOver* taken_over);
  Status restore_dedup(Decoder& from, TakenOver* taken_over);
  // Of what the ids depend on, but for the installation's secret, which Dedup itself compares.
  [[nodiscard]] std::uint64_t dedup_definition() const;

  const SourcePlan& plan_;
  const std::int32_t partition_;
  const TableProvider provider_;
  std::vector<std::string> member_names_;  // ,"name": of plan_.computed

  // State: everything that snapshot() writes.
  Offset next_offset_;
  Watermark watermark_;
  EventTime sent_watermark_ = kNoWatermark;  // last one sent to the merging tasks
  std::unique_ptr<Dedup> dedup_;             // null without deduplication
  std::vector<SourceWindow> windows_;
  std::vector<bool> is_beginning_;  // per window: taken over with nothing, begin_windows() is due
  std::vector<Hash128> table_versions_;  // per plan_.tables
  TaskCounters counters_;                // .windows stays empty: each SourceWindow has its own

  // Scratch, dead between batches.
  codec::BatchReader reader_;
  codec::RowDecoder decoder_;
  Arena arena_;  // of a chunk
  std::vector<Event> events_;
  std::vector<Value> rows_;
  std::vector<Value> variables_;
  std::vector<std::shared_ptr<const Table>> table_owners_;
  NoTable no_table_;
  std::vector<const expr::LookupTable*> tables_;
  std::vector<codec::SchemaViolation> violations_;
  Status failure_;  // of Step::failed
  std::string value_;
  CauseWriter causes_;
};

}  // namespace millrace::task
