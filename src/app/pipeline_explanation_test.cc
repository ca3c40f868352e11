#include "app/pipeline_explanation.h"

#include <gmock/gmock.h>

#include "app/pipeline_files.h"
#include "pipeline/yaml_document.h"
#include "sys/file_system.h"

namespace millrace::app {
namespace {

using testing::Contains;
using testing::HasSubstr;

PipelineExplanation explain(const std::string& name) {
  sys::PosixFileSystem files;
  const auto file = read_pipeline_file(files, MILLRACE_SOURCE_DIR "/pipelines/" + name);
  EXPECT_TRUE(file.is_ok());
  const auto outcome = build_pipeline_file(*file, {});
  EXPECT_NE(outcome.pipeline, nullptr);
  std::vector<pipeline::Diagnostic> errors;
  const auto document = pipeline::YamlDocument::parse(file->text, errors);
  return explain_pipeline(
      pipeline::read_spec(document->value(), [](const std::string&, std::string) {}),
      *outcome.pipeline);
}

const std::vector<std::string>& lines_of(const PipelineExplanation& explained,
                                         const std::string& title) {
  static const std::vector<std::string> kNone;
  for (const auto& stage : explained.stages) {
    if (stage.title == title) return stage.lines;
  }
  return kNone;
}

TEST(PipelineExplanation, tells_local_windows_from_repartitioned_ones) {
  EXPECT_THAT(lines_of(explain("ticks.yaml"), "window ticks_1m"), Contains(HasSubstr("Local: ")));
  EXPECT_THAT(lines_of(explain("orders.yaml"), "window orders_5m"),
              Contains(HasSubstr("Repartitioned: the key is not the source's key (customer_id)")));
}

TEST(PipelineExplanation, says_what_every_topic_is_for) {
  for (const auto* name : {"ticks.yaml", "orders.yaml"}) {
    for (const auto& topic : explain(name).topics) {
      EXPECT_NE(topic.purpose, "internal") << topic.topic;
      EXPECT_GT(topic.partitions, 0) << topic.topic;
    }
  }
}

TEST(PipelineExplanation, durations_have_the_largest_unit_that_fits) {
  EXPECT_EQ(duration_text(90'000'000), "90s");
  EXPECT_EQ(duration_text(3'600'000'000), "1h");
  EXPECT_EQ(duration_text(86'400'000'000), "24h");
  EXPECT_EQ(duration_text(2 * std::int64_t{86'400'000'000}), "2d");
  EXPECT_EQ(duration_text(1'500'000), "1500ms");
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(7), "7us");
}

}  // namespace
}  // namespace millrace::app
