#include "app/record_source.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "base/time_text.h"
#include "sys/temporary_folder.h"

namespace millrace::app {
namespace {

std::vector<std::string> read_all(RecordSource& source) {
  std::vector<std::string> values;
  std::string value;
  while (true) {
    const auto has_next = source.next(value);
    EXPECT_TRUE(has_next.is_ok());
    if (!has_next.is_ok() || !*has_next) return values;
    values.push_back(value);
  }
}

std::vector<std::string> read_file(const std::string& name, const std::string& content,
                                   bool is_csv) {
  const sys::TemporaryFolder folder;
  std::ofstream(folder / name, std::ios::binary) << content;
  auto source = open_lines(folder / name, is_csv);
  EXPECT_TRUE(source.is_ok()) << source.status().to_string();
  return read_all(**source);
}

std::string member(const std::string& event, const std::string& name) {
  return KeyReader(name).read(event).value_or("");
}

TEST(RecordSource, lines_are_taken_as_they_are_and_empty_ones_left_out) {
  EXPECT_EQ(read_file("a.jsonl", "{\"a\":1}\n\n{\"a\":2}\r\n no json", false),
            (std::vector<std::string>{"{\"a\":1}", "{\"a\":2}", " no json"}));
}

TEST(RecordSource, a_missing_file_is_named) {
  const auto source = open_lines("/nowhere/at/all.jsonl", false);
  ASSERT_FALSE(source.is_ok());
  EXPECT_NE(source.status().message().find("/nowhere/at/all.jsonl"), std::string::npos);
}

TEST(RecordSource, csv_lines_become_objects_of_the_header) {
  EXPECT_EQ(read_file("a.csv", "id,name,price,count\nx1,\"Miller, \"\"Joe\"\"\",1.50,7\n", true),
            (std::vector<std::string>{
                R"({"id":"x1","name":"Miller, \"Joe\"","price":"1.50","count":7})"}));
}

TEST(RecordSource, only_whole_numbers_without_leading_zeros_become_numbers) {
  EXPECT_EQ(read_file("a.csv", "a,b,c,d,e\n-7,007,0,1e5,\n", true),
            (std::vector<std::string>{R"({"a":-7,"b":"007","c":0,"d":"1e5","e":""})"}));
}

TEST(RecordSource, csv_fields_in_quotes_may_have_lines_and_quotes_only_open_where_a_field_begins) {
  EXPECT_EQ(read_file("a.csv", "a,b\n\"one\r\n\ntwo\",5\"\nx,\"y\"\r\n", true),
            (std::vector<std::string>{R"({"a":"one\n\ntwo","b":"5\""})", R"({"a":"x","b":"y"})"}));
}

TEST(RecordSource, csv_rows_with_too_many_fields_stay_as_they_are_and_short_ones_are_short) {
  EXPECT_EQ(read_file("a.csv", "a,b\n1\n1,\"2\",3\n", true),
            (std::vector<std::string>{R"({"a":1})", "1,\"2\",3"}));
}

TEST(RecordSource, a_byte_order_mark_is_no_part_of_a_csv_name) {
  EXPECT_EQ(read_file("a.csv", "\xEF\xBB\xBF\"a,b\",c\n1,2\n", true),
            (std::vector<std::string>{R"({"a,b":1,"c":2})"}));
}

TEST(RecordSource, csv_that_no_object_could_hold_is_refused_with_its_place) {
  const auto fault = [](const std::string& text) {
    std::string value;
    return std::string(lines_of(text, true)->next(value).status().message());
  };
  EXPECT_NE(fault("a,b,a\n1,2,3\n").find("\"a\" twice"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,\"open\n2,3\n").find("line 2"), std::string::npos);
  EXPECT_NE(fault("a,b\n1,\"" + std::string(2 << 20, 'x') + "\n\"\n").find("line 2"),
            std::string::npos);
}

TEST(RecordSource, gzip_is_unpacked) {
  std::string packed;
  // gzip of "a\nb\n", as `printf 'a\nb\n' | gzip -n` makes it.
  constexpr unsigned char kGzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
                                     0x00, 0x03, 0x4b, 0xe4, 0x4a, 0xe2, 0x02, 0x00,
                                     0x97, 0x2a, 0x57, 0x18, 0x04, 0x00, 0x00, 0x00};
  packed.assign(reinterpret_cast<const char*>(kGzip), sizeof(kGzip));
  EXPECT_EQ(read_file("a.jsonl.gz", packed, false), (std::vector<std::string>{"a", "b"}));
}

GeneratorOptions options_for(const std::string& kind) {
  GeneratorOptions options;
  options.kind = kind;
  options.count = 20'000;
  options.start_ms = 1'340'285'400'000;  // 2012-06-21T13:30:00Z
  return options;
}

TEST(Generator, one_seed_gives_one_sequence) {
  for (const auto* kind : {"ticks", "orders"}) {
    auto options = options_for(kind);
    options.bad_share = options.duplicate_share = options.late_share = 0.1;
    const auto once = read_all(*make_generator(options));
    EXPECT_EQ(once.size(), options.count);
    EXPECT_EQ(read_all(*make_generator(options)), once);
    options.seed = 2;
    EXPECT_NE(read_all(*make_generator(options)), once);
  }
}

TEST(Generator, shares_are_kept) {
  auto options = options_for("ticks");
  options.bad_share = 0.02;
  options.duplicate_share = 0.05;
  options.late_share = 0.01;
  std::map<std::string, int> ids;
  int bad = 0;
  int late = 0;
  for (const auto& event : read_all(*make_generator(options))) {
    ++ids[member(event, "event_id")];
    bad += member(event, "price") == "0.00" ? 1 : 0;
    const auto time = parse_instant(member(event, "timestamp"));
    ASSERT_TRUE(time.has_value());
    late += time->seconds < 1'340'285'400 ? 1 : 0;
  }
  int repeated = 0;
  for (const auto& [id, count] : ids) repeated += count - 1;
  // Five standard deviations of a binomial over 20 000.
  EXPECT_NEAR(bad, 0.95 * 400, 100);
  EXPECT_NEAR(repeated, 1000, 155);
  EXPECT_NEAR(late, 200, 80);
}

TEST(Generator, without_shares_every_event_is_new_and_good) {
  std::set<std::string> ids;
  for (const auto& event : read_all(*make_generator(options_for("orders")))) {
    EXPECT_TRUE(ids.insert(member(event, "order_id")).second);
    EXPECT_NE(member(event, "amount"), "0.00");
  }
}

TEST(KeyReader, finds_a_string_member_and_nothing_else) {
  KeyReader key("k");
  EXPECT_EQ(key.read(R"({"a":1,"k":"va\u0041lue"})"), "vaAlue");
  EXPECT_EQ(key.read(R"({"k":1})"), std::nullopt);
  EXPECT_EQ(key.read(R"({"x":{"k":"inner"}})"), std::nullopt);
  EXPECT_EQ(key.read("[1]"), std::nullopt);
  EXPECT_EQ(key.read("{broken"), std::nullopt);
  EXPECT_EQ(key.read(R"({"k":"again"})"), "again");
}

}  // namespace
}  // namespace millrace::app
