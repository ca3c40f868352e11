#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/status.h"
#include "codec/row_decoder.h"
#include "expr/expr.h"
#include "model/record.h"
#include "task/plan.h"
#include "task/source_task.h"

namespace millrace::task {

// What one rule says of a record.
struct ExplainedRule {
  std::string_view name;
  std::string_view expression;
  bool holds = false;
  std::string value;  // as JSON; of an evaluation that failed, why
};

struct ExplainedField {
  std::string_view name;
  std::string value;  // as JSON
};

// The panes of one window that hold a record.
struct ExplainedWindow {
  static constexpr std::size_t kPanesMax = 100;

  const Window* window = nullptr;
  std::string key;
  std::string error;                         // the key cannot be computed: it is in no pane
  std::vector<std::int64_t> pane_starts_us;  // ascending, the first kPanesMax
};

// What the source stage does with a record by the record alone. Whether its id was seen before and
// which panes were closed already depends on the records before it: see the outputs.
struct Explanation {
  struct Refusal {
    std::string error_type;
    std::string stage;
    std::string message;
  };
  std::optional<Refusal> refusal;  // by a row stage; none: it passes, unless it is a duplicate
  std::optional<std::string> id;   // as deduplication sees it
  std::optional<EventTime> event_time;
  std::vector<ExplainedRule> rules;      // where the record can be read
  std::vector<ExplainedField> computed;  // where no stage refuses it
  std::vector<ExplainedWindow> windows;  // the same
  std::string enriched;                  // the event as it leaves; the same
  std::span<const Value> row;            // the same; valid until the next call
};

// Runs the source stage's own code over single records: a fresh task says what becomes of the
// record, the plan's programs say why. Stateless between calls. One thread; `plan` outlives it.
class Explainer {
 public:
  // `in_force`: the table versions to look into.
  Explainer(const SourcePlan& plan, TableProvider tables, std::vector<TableVersionEntry> in_force);
  ~Explainer();

  // `append_time` is that of the record's batch. Any record: the decoder's and the schema's
  // refusals are explanations, too.
  Result<Explanation> explain(const RecordView& record, std::int32_t partition,
                              WallTime append_time);

  // The id as deduplication sees it, as far as the record can be read; without deduplication
  // nothing. The view lives until the next call.
  std::optional<std::string_view> id_of(const RecordView& record);

 private:
  bool decode(const RecordView& record);
  Status run(const RecordView& record, std::int32_t partition, WallTime append_time,
             Explanation& out);
  void read_letter(std::string_view json, Explanation& out);
  void explain_rules(Explanation& out);
  void explain_fields(WallTime append_time, Explanation& out);
  void explain_windows(Explanation& out);
  [[nodiscard]] expr::EvaluateInput input() const { return {row_, tables_, variables_}; }

  const SourcePlan& plan_;
  const TableProvider provider_;
  const std::vector<TableVersionEntry> in_force_;
  codec::RowDecoder decoder_;
  Arena arena_;
  std::vector<Value> row_;
  std::vector<Value> variables_;
  std::vector<std::shared_ptr<const Table>> table_owners_;
  std::vector<const expr::LookupTable*> tables_;
};

}  // namespace millrace::task
