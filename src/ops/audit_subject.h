#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "ops/audit_scan.h"
#include "ops/known_tasks.h"

namespace millrace::ops {

// The tasks of one pipeline as an audit sees them. One thread.
class AuditSubject {
 public:
  using Reports = std::vector<std::vector<runtime::RunnerReport>>;  // by stage and partition

  virtual ~AuditSubject() = default;

  [[nodiscard]] virtual const KnownPipeline& pipeline() const = 0;
  // As of now: positions, and what was counted up to them.
  virtual Result<Reports> reports() = 0;
  // Whether everything that the reports speak of is durable and can be read.
  virtual bool has_settled(const Reports& reports) = 0;
  // How long an audit waits for something that is about to happen.
  [[nodiscard]] virtual std::int64_t patience_ns() const = 0;

  // On a log that several processes share others may write, too, and what is stored is judged as of
  // the first reports: a later commit has no part in it.
  [[nodiscard]] virtual bool is_shared() const = 0;
  // Whether a task of the stage has committed anything since the first reports.
  virtual Result<bool> has_moved(std::size_t stage) = 0;
};

// Of a log that is in this process alone: the running tasks' own reports.
class RunningTasks final : public AuditSubject {
 public:
  explicit RunningTasks(KnownPipeline pipeline) : pipeline_(std::move(pipeline)) {}

  [[nodiscard]] const KnownPipeline& pipeline() const override { return pipeline_; }
  Result<Reports> reports() override;
  bool has_settled(const Reports& reports) override;
  [[nodiscard]] std::int64_t patience_ns() const override { return 10'000'000'000; }
  [[nodiscard]] bool is_shared() const override { return false; }
  Result<bool> has_moved(std::size_t stage) override;

 private:
  const KnownPipeline pipeline_;
};

// Of a shared log: every task, whoever runs it or should, made again from its snapshot and its log
// up to what its journal says is committed (R3, R8). So whichever process is asked, its answer is
// about all of them, and does not take the owners' word for what they counted.
//
// Memory: that of one task at a time, beside the reports.
class CommittedTasks final : public AuditSubject {
 public:
  // All outlive it.
  CommittedTasks(const ApiContext& context, KnownPipeline pipeline,
                 const IsCancelled& is_cancelled);

  [[nodiscard]] const KnownPipeline& pipeline() const override { return pipeline_; }
  // Waits until the outputs of what was committed can be read. `overloaded` when an open
  // transaction holds them up, or a task has committed nothing yet.
  Result<Reports> reports() override;
  bool has_settled(const Reports&) override { return true; }
  [[nodiscard]] std::int64_t patience_ns() const override { return 60'000'000'000; }
  [[nodiscard]] bool is_shared() const override { return true; }
  Result<bool> has_moved(std::size_t stage) override;

 private:
  struct Known {
    Offset journal_end;
    runtime::RunnerReport report;
  };
  Result<Known> replay(const KnownStage& stage, std::size_t partition);
  Result<runtime::RunnerReport> replay_once(const KnownStage& stage, std::size_t partition);
  Status wait_for_outputs();

  const ApiContext& context_;
  const KnownPipeline pipeline_;
  const IsCancelled& is_cancelled_;
  std::vector<std::vector<Known>> newest_;
  std::vector<std::vector<Offset>> first_ends_;  // of the journals, at the first reports
};

}  // namespace millrace::ops
