#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "app/command_line.h"
#include "app/printing.h"
#include "app/topic_reader.h"
#include "app/verbs.h"
#include "ops/record_json.h"

// Dead letters, read from the topics that the running pipelines write them to.

namespace millrace::app {
namespace {

using Json = nlohmann::ordered_json;

struct Place {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

Result<Place> parse_place(const std::string& text) {
  const auto wrong = [&] {
    return invalid_error(
        "a dead letter is named TOPIC/PARTITION/OFFSET, as `dlq list` prints it, not " + text);
  };
  const auto second = text.rfind('/');
  const auto first =
      second == std::string::npos || second == 0 ? std::string::npos : text.rfind('/', second - 1);
  if (first == std::string::npos || first == 0) return wrong();
  Place place{text.substr(0, first)};
  const auto read = [](std::string_view digits, auto& number) {
    const auto* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, number);
    return parsed.ec == std::errc() && parsed.ptr == end && number >= 0;
  };
  const std::string_view view(text);
  if (!read(view.substr(first + 1, second - first - 1), place.partition)) return wrong();
  if (!read(view.substr(second + 1), place.offset)) return wrong();
  return place;
}

// "ticks@1" -> "ticks"
std::string pipeline_name(const Json& letter) {
  const auto name = letter.value("pipeline", Json());
  if (!name.is_string()) return "";
  const auto text = name.get<std::string>();
  return text.substr(0, text.rfind('@'));
}

// A record that is no letter, of somebody else's, is an empty object.
Json letter_of(const RecordView& record) {
  if (!record.value) return Json::object();
  auto letter = Json::parse(*record.value, nullptr, false);
  const bool is_letter = letter.is_object() && letter.value("error_type", Json()).is_string();
  return is_letter ? std::move(letter) : Json::object();
}

class DeadLetters {
 public:
  explicit DeadLetters(const DlqOptions& options) : options_(options), client_(options.server) {}

  // Topics of the pipelines asked for; `not_found` for an unknown pipeline.
  Result<std::set<std::string>> topics();
  // Visits every letter that the filters let through, partition by partition.
  Status visit(const std::function<void(const std::string& topic, std::int32_t partition,
                                        const RecordView& record, const Json& letter)>& visit);
  Result<Json> list();
  Result<Json> count();
  Result<Json> show();

 private:
  [[nodiscard]] bool is_wanted(const Json& letter) const {
    if (letter.empty()) return false;
    if (!options_.pipeline.empty() && pipeline_name(letter) != options_.pipeline) return false;
    return options_.error_type.empty() || letter.value("error_type", "") == options_.error_type;
  }

  const DlqOptions& options_;
  ApiClient client_;
};

Result<std::set<std::string>> DeadLetters::topics() {
  MR_ASSIGN_OR_RETURN(const auto status, client_.get("/api/v1/status"));
  std::set<std::string> topics;
  std::string known;
  for (const auto& pipeline : status.value("pipelines", Json::array())) {
    const auto name = pipeline.value("pipeline", "");
    known += (known.empty() ? "" : ", ") + name;
    if (!options_.pipeline.empty() && options_.pipeline != name) continue;
    const auto topic = pipeline.value("topics", Json::object()).value("dead_letters", "");
    if (!topic.empty()) topics.insert(topic);
  }
  if (topics.empty() && !options_.pipeline.empty()) {
    return not_found_error("pipeline " + options_.pipeline + " does not run; there are: " + known);
  }
  return topics;
}

Status DeadLetters::visit(const std::function<void(const std::string&, std::int32_t,
                                                   const RecordView&, const Json&)>& visit) {
  MR_ASSIGN_OR_RETURN(const auto names, topics());
  for (const auto& topic : names) {
    MR_ASSIGN_OR_RETURN(const auto partitions, find_partitions(client_, topic));
    for (const auto& range : partitions) {
      PartitionReader reader(client_, topic, range.partition, range.start);
      bool has_more = true;
      while (has_more && reader.position() < range.high_watermark) {
        MR_ASSIGN_OR_RETURN(has_more, reader.read(0, [&](const RecordView& record) {
          const auto letter = letter_of(record);
          if (is_wanted(letter)) visit(topic, range.partition, record, letter);
          return true;
        }));
      }
    }
  }
  return ok_status();
}

// The newest ones, oldest first. Per partition no more than the limit is kept while reading.
Result<Json> DeadLetters::list() {
  std::map<std::string, std::deque<Json>> newest;  // by partition
  const auto status = visit([&](const std::string& topic, std::int32_t partition,
                                const RecordView& record, const Json& letter) {
    const auto where = topic + "/" + std::to_string(partition);
    auto& kept = newest[where];
    kept.push_back({{"letter", where + "/" + std::to_string(record.offset.value)},
                    {"pipeline", letter.value("pipeline", Json())},
                    {"error_type", letter["error_type"]},
                    {"stage", letter.value("stage", Json())},
                    {"error_timestamp", letter.value("error_timestamp", Json())},
                    {"attempted_id", letter.value("attempted_id", Json())},
                    {"original", letter.value("original_topic", "") + "/" +
                                     cell_text(letter.value("original_partition", Json())) + "/" +
                                     cell_text(letter.value("original_offset", Json()))},
                    {"error_message", letter.value("error_message", Json())}});
    if (options_.limit > 0 && kept.size() > options_.limit) kept.pop_front();
  });
  if (!status.is_ok()) return status;
  // Letters of one time stay in the order of their partitions and offsets.
  std::vector<std::tuple<std::string, std::size_t, const Json*>> all;
  for (const auto& [where, kept] : newest) {
    for (const auto& letter : kept) {
      all.emplace_back(cell_text(letter["error_timestamp"]), all.size(), &letter);
    }
  }
  std::sort(all.begin(), all.end());
  if (options_.limit > 0 && all.size() > options_.limit) {
    all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(options_.limit));
  }
  Json letters = Json::array();
  for (const auto& [time, order, letter] : all) letters.push_back(*letter);
  return Json{{"dead_letters", letters}};
}

Result<Json> DeadLetters::count() {
  std::map<std::pair<std::string, std::string>, std::uint64_t> counts;
  const auto status =
      visit([&](const std::string&, std::int32_t, const RecordView&, const Json& letter) {
        ++counts[{pipeline_name(letter), letter.value("error_type", "")}];
      });
  if (!status.is_ok()) return status;
  Json rows = Json::array();
  std::uint64_t total = 0;
  for (const auto& [what, count] : counts) {
    rows.push_back({{"pipeline", what.first}, {"error_type", what.second}, {"count", count}});
    total += count;
  }
  return Json{{"counts", rows}, {"total", total}};
}

Result<Json> DeadLetters::show() {
  MR_ASSIGN_OR_RETURN(const auto place, parse_place(options_.letter));
  PartitionReader reader(client_, place.topic, place.partition, place.offset);
  Json shown;
  auto read = reader.read(0, [&](const RecordView& record) {
    if (record.offset.value != place.offset) return false;
    const auto letter = letter_of(record);
    if (letter.empty()) return false;
    shown = ops::record_json(place.topic, place.partition, record);
    shown.erase("value");
    shown["letter"] = letter;
    return false;
  });
  if (!read.is_ok()) return std::move(read).take_status();
  if (!shown.is_null()) return shown;
  return not_found_error("there is no dead letter at " + options_.letter);
}

void print_letter(const Json& shown) {
  const auto& letter = shown["letter"];
  std::string text;
  for (const auto& [name, value] : letter.items()) {
    if (name == "original_message" || name == "original_message_base64") continue;
    text += name + ": " + cell_text(value) + "\n";
  }
  for (const auto& [name, value] : shown["headers"].items()) {
    text += "header " + name + ": " + cell_text(value) + "\n";
  }
  const bool is_text = letter.contains("original_message");
  const auto original =
      letter.value(is_text ? "original_message" : "original_message_base64", Json());
  text += is_text ? "\noriginal message:\n" : "\noriginal message, which is no UTF-8, as base64:\n";
  text += (original.is_null() ? "(none)" : cell_text(original)) + "\n";
  print_text(text);
}

int print(const DlqOptions& options, const Result<Json>& answer,
          const std::function<void(const Json&)>& print_for_people) {
  if (!answer.is_ok()) return report_failure(answer.status());
  if (options.server.output == OutputFormat::json) {
    print_json(*answer);
  } else {
    print_for_people(*answer);
  }
  return kExitOk;
}

}  // namespace

int run_dlq_list(const DlqOptions& options) {
  return print(options, DeadLetters(options).list(), [](const Json& answer) {
    print_text(format_table({"letter", "pipeline", "error_type", "stage", "error_timestamp",
                             "attempted_id", "error_message"},
                            answer["dead_letters"]));
  });
}

int run_dlq_count(const DlqOptions& options) {
  return print(options, DeadLetters(options).count(), [](const Json& answer) {
    print_text(format_table({"pipeline", "error_type", "count"}, answer["counts"]));
    print_text(cell_text(answer["total"]) + " in all\n");
  });
}

int run_dlq_show(const DlqOptions& options) {
  return print(options, DeadLetters(options).show(), print_letter);
}

}  // namespace millrace::app
