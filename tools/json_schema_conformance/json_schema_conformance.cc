// Runs the cases of JSON-Schema-Test-Suite (draft 7) against codec::JsonSchema.
//
//   json_schema_conformance DIR     DIR is the suite's tests/draft7
//
// Prints every failed and every skipped case with the reason, then the counts. Status 0 when none
// failed.

#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "codec/json_schema.h"

namespace millrace::codec {
namespace {

struct Counts {
  int passed = 0;
  int failed = 0;
  std::map<std::string, int> skipped;  // by reason
};

// The files of optional/format that are run; other formats are annotations here.
constexpr std::string_view kRunFormats[] = {"date-time", "date",  "time",   "uuid",
                                            "ipv4",      "email", "unknown"};

std::string skip_reason(const Status& status) {
  const std::string message(status.message());
  if (message.find("remote references") != std::string::npos) return "remote reference";
  if (message.find("$schema must be") != std::string::npos) return "schema of another draft";
  if (message.find("look-around") != std::string::npos)
    return "look-around in a regular expression";
  if (message.find("back-references") != std::string::npos)
    return "back-reference in a regular expression";
  if (message.find("digits") != std::string::npos) return "number of more than 38 digits";
  return {};
}

class Runner {
 public:
  // The suite is read with another parser, so that a number which ours refuses costs one case only.
  void run_file(const std::filesystem::path& path, const std::string& name) {
    const auto text = simdjson::padded_string::load(path.string()).value();
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(text).value();
    for (auto group : document.get_array()) run_group(read_group(group.get_object().value()), name);
  }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Case {
    std::string description;
    std::string data;
    bool is_valid;
  };
  struct Group {
    std::string description;
    std::string schema;
    std::vector<Case> cases;
  };

  static Group read_group(simdjson::ondemand::object object) {
    Group group;
    group.description = std::string_view(object["description"]);
    group.schema = simdjson::to_json_string(object["schema"]).value();
    for (auto test : object["tests"].get_array()) {
      Case& read = group.cases.emplace_back();
      read.description = std::string_view(test["description"]);
      read.data = simdjson::to_json_string(test["data"]).value();
      read.is_valid = bool(test["valid"]);
    }
    return group;
  }

  void run_group(const Group& group, const std::string& file) {
    const std::string name = file + ": " + group.description;
    const int case_count = static_cast<int>(group.cases.size());
    const std::string format_file = "optional/format/";
    if (file.starts_with(format_file)) {
      const std::string format = file.substr(format_file.size());
      if (std::ranges::find(kRunFormats, format) == std::end(kRunFormats)) {
        skip(name, "format is an annotation here", case_count);
        return;
      }
    }
    if (file == "optional/content") {
      skip(name, "contentEncoding and contentMediaType are annotations here", case_count);
      return;
    }
    const auto schema = JsonSchema::compile(group.schema);
    if (!schema.is_ok()) {
      const std::string reason = skip_reason(schema.status());
      if (reason.empty()) {
        std::printf("FAILED   %s: does not compile: %s\n", name.c_str(),
                    std::string(schema.status().message()).c_str());
        counts_.failed += case_count;
      } else {
        skip(name, reason, case_count);
      }
      return;
    }
    for (const Case& test : group.cases) run_case(*schema, test, name);
  }

  void run_case(const JsonSchema& schema, const Case& test, const std::string& group) {
    Arena arena;
    const std::string name = group + ": " + test.description;
    const auto data = parse_json(test.data, arena);
    if (!data.is_ok()) {
      skip(name, "the parser refuses the document: " + skip_reason(data.status()), 1);
      return;
    }
    std::vector<SchemaViolation> violations;
    const bool is_valid = schema.validate(*data, violations);
    if (is_valid == test.is_valid && is_valid == violations.empty()) {
      ++counts_.passed;
      return;
    }
    ++counts_.failed;
    std::printf("FAILED   %s: %s\n", name.c_str(),
                violations.empty() ? "accepted" : violations[0].message.c_str());
  }

  void skip(const std::string& name, const std::string& reason, int count) {
    std::printf("skipped  %s (%d): %s\n", name.c_str(), count, reason.c_str());
    counts_.skipped[reason] += count;
  }

  Counts counts_;
};

int run(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  Runner runner;
  for (const auto& file : files) {
    runner.run_file(file, file.lexically_relative(folder).replace_extension().generic_string());
  }
  int skipped = 0;
  for (const auto& [reason, count] : runner.counts().skipped) skipped += count;
  std::printf("passed %d, failed %d, skipped %d\n", runner.counts().passed, runner.counts().failed,
              skipped);
  for (const auto& [reason, count] : runner.counts().skipped) {
    std::printf("  %4d %s\n", count, reason.c_str());
  }
  return runner.counts().failed == 0 && runner.counts().passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::codec

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: json_schema_conformance DIR (the suite's tests/draft7)\n");
    return 2;
  }
  return millrace::codec::run(argv[1]);
}
