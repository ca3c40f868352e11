#include "pipeline/config.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "codec/json.h"
#include "pipeline/config_check.h"
#include "pipeline/config_keys.h"
#include "pipeline/config_text.h"
#include "pipeline/pipeline.h"
#include "pipeline/suggestion.h"

namespace millrace::pipeline {
namespace {

std::string joined(std::span<const std::string> path) {
  std::string out;
  for (const std::string& name : path) out += (out.empty() ? "" : ".") + name;
  return out;
}

std::string json_of(const Value& value) {
  std::string out;
  codec::append_json(out, value, false);
  return out;
}

std::string json_of(std::string_view text) {
  return json_of(Value::string(text));
}

// A key that some file sets; a later file replaces it.
struct Setting {
  const ConfigKey* key = nullptr;
  std::string name;     // as written
  std::string setting;  // the name that all its aliases share
  std::vector<std::string> path;
  Value value;
  std::size_t file = 0;
  TextPosition place;
};

// How a setting gets into Config and out of it again.
struct Binding {
  std::string_view setting;
  void (*set)(Config&, const Value&);
  std::string (*show)(const Config&);
};

template <auto kMember>
void set_integer(Config& config, const Value& value) {
  using Int = std::remove_reference_t<decltype(config.*kMember)>;
  config.*kMember = static_cast<Int>(value.as_int64());  // within the key's bounds
}
template <auto kMember>
void set_text(Config& config, const Value& value) {
  config.*kMember = value.as_string();
}
template <auto kMember>
void set_word(Config& config, const Value& value) {
  config.*kMember = canonical_word(value.as_string());
}
template <auto kMember>
std::string show_integer(const Config& config) {
  return std::to_string(config.*kMember);
}
template <auto kMember>
std::string show_text(const Config& config) {
  return json_of(config.*kMember);
}
template <auto kMember>
void set_boolean(Config& config, const Value& value) {
  config.*kMember = value.as_boolean();
}
template <auto kMember>
std::string show_boolean(const Config& config) {
  return config.*kMember ? "true" : "false";
}
template <auto kMember>
void set_texts(Config& config, const Value& value) {
  (config.*kMember).clear();
  for (const Value& item : value.as_list()) (config.*kMember).emplace_back(item.as_string());
}
template <auto kMember>
std::string show_texts(const Config& config) {
  std::string out = "[";
  for (const std::string& text : config.*kMember) {
    out += (out.size() == 1 ? "" : ",") + json_of(text);
  }
  return out + "]";
}

template <auto kMember>
constexpr Binding integer_binding(std::string_view setting) {
  return {setting, set_integer<kMember>, show_integer<kMember>};
}
template <auto kMember>
constexpr Binding text_binding(std::string_view setting) {
  return {setting, set_text<kMember>, show_text<kMember>};
}
template <auto kMember>
constexpr Binding boolean_binding(std::string_view setting) {
  return {setting, set_boolean<kMember>, show_boolean<kMember>};
}
template <auto kMember>
constexpr Binding texts_binding(std::string_view setting) {
  return {setting, set_texts<kMember>, show_texts<kMember>};
}
template <auto kMember>
constexpr Binding word_binding(std::string_view setting) {
  return {setting, set_word<kMember>, show_text<kMember>};
}

void set_delivery(Config& config, const Value& value) {
  const std::string word = canonical_word(value.as_string());
  for (const Delivery delivery : {Delivery::local, Delivery::s3, Delivery::aws}) {
    if (to_string(delivery) == word) config.delivery = delivery;
  }
}
std::string show_delivery(const Config& config) {
  return json_of(to_string(config.delivery));
}

std::string show_compression(const Config& config) {
  return json_of(config.compression.empty() ? "zstd for Parquet, gzip for JSON"
                                            : config.compression);
}

// Every setting that is read, but for the topics, whose names are free.
constexpr auto kBindings = std::to_array<Binding>({
    texts_binding<&Config::pipelines>("pipelines"),
    text_binding<&Config::data_folder>("data_folder"),
    text_binding<&Config::process>("process"),
    text_binding<&Config::objects_folder>("objects.folder"),
    text_binding<&Config::log_bootstrap_servers>("log.kafka.bootstrap_servers"),
    text_binding<&Config::log_client_rack>("log.kafka.client_rack"),
    integer_binding<&Config::log_replication_factor>("log.kafka.replication_factor"),
    boolean_binding<&Config::log_append_time>("log.kafka.log_append_time"),
    integer_binding<&Config::log_session_timeout_ms>("log.kafka.session_timeout_ms"),
    word_binding<&Config::log_protocol>("log.kafka.security.protocol"),
    text_binding<&Config::log_ca_file>("log.kafka.security.ca_file"),
    text_binding<&Config::log_certificate_file>("log.kafka.security.certificate_file"),
    text_binding<&Config::log_key_file>("log.kafka.security.key_file"),
    word_binding<&Config::log_sasl_mechanism>("log.kafka.security.sasl_mechanism"),
    text_binding<&Config::log_user>("log.kafka.security.user"),
    text_binding<&Config::log_password_file>("log.kafka.security.password_file"),
    text_binding<&Config::log_token_file>("log.kafka.security.token_file"),
    text_binding<&Config::log_aws_region>("log.kafka.security.region"),
    text_binding<&Config::log_aws_credentials_file>("log.kafka.security.credentials_file"),
    text_binding<&Config::log_aws_profile>("log.kafka.security.profile"),
    {"delivery", set_delivery, show_delivery},
    integer_binding<&Config::kafka_port>("ports.kafka"),
    integer_binding<&Config::http_port>("ports.http"),
    integer_binding<&Config::aws_port>("ports.aws"),
    text_binding<&Config::region>("region"),
    text_binding<&Config::environment>("environment"),
    text_binding<&Config::project>("project.name"),
    integer_binding<&Config::parallelism>("processor.parallelism"),
    integer_binding<&Config::checkpoint_interval_ms>("processor.checkpoint_interval_ms"),
    integer_binding<&Config::dedup_open_ids_max>("processor.dedup_open_ids_max"),
    integer_binding<&Config::dedup_memory_mb>("processor.dedup_memory_mb"),
    integer_binding<&Config::standby>("processor.standby"),
    text_binding<&Config::artifact_bucket_name>("processor.artifact_bucket_name"),
    integer_binding<&Config::broker_count>("kafka.broker_count"),
    integer_binding<&Config::retention_days>("kafka.retention_days"),
    boolean_binding<&Config::auto_create_topics>("kafka.auto_create_topics"),
    integer_binding<&Config::default_partitions>("kafka.default_partitions"),
    integer_binding<&Config::group_initial_rebalance_delay_ms>(
        "kafka.group_initial_rebalance_delay_ms"),
    text_binding<&Config::kafka_listen>("kafka.listen"),
    text_binding<&Config::kafka_advertised>("kafka.advertised"),
    boolean_binding<&Config::allow_insecure_network>("kafka.allow_insecure_network"),
    text_binding<&Config::tls_certificate_file>("kafka.tls.certificate_file"),
    text_binding<&Config::tls_key_file>("kafka.tls.key_file"),
    word_binding<&Config::tls_client_certificates>("kafka.tls.client_certificates"),
    text_binding<&Config::tls_client_ca_file>("kafka.tls.client_ca_file"),
    texts_binding<&Config::sasl_mechanisms>("kafka.sasl.mechanisms"),
    text_binding<&Config::sasl_users_file>("kafka.sasl.users_file"),
    word_binding<&Config::authorization>("kafka.authorization"),
    texts_binding<&Config::super_users>("kafka.super_users"),
    integer_binding<&Config::consumer_session_timeout_ms>("kafka.consumer_session_timeout_ms"),
    integer_binding<&Config::consumer_heartbeat_interval_ms>(
        "kafka.consumer_heartbeat_interval_ms"),
    integer_binding<&Config::buffer_size_mb>("firehose.buffer_size_mb"),
    integer_binding<&Config::buffer_time_seconds>("firehose.buffer_time_seconds"),
    {"firehose.compression", set_word<&Config::compression>, show_compression},
    word_binding<&Config::log_level>("observability.log_level"),
    text_binding<&Config::metrics_namespace>("observability.custom_metrics_namespace"),
});

const Binding* find_binding(std::string_view setting) {
  const auto* found = std::ranges::find(kBindings, setting, &Binding::setting);
  return found == kBindings.end() ? nullptr : found;
}

class Loader {
 public:
  explicit Loader(std::span<const ConfigFile> files) : files_(files) {}

  Result<Config> run() {
    for (std::size_t file = 0; file < files_.size(); ++file) read_file(file);
    Config config;
    if (faults_.empty()) {
      for (const Setting& setting : settings_) apply(config, setting);
      check_delivery(config);
      check_distinct(config);
      check_kafka(config);
      for (const auto& [setting, message] : shared_log_faults(config)) refuse(setting, message);
    }
    if (!faults_.empty()) return invalid_error(fault_text());
    config.lines = lines(config);
    return config;
  }

 private:
  void fault(std::size_t file, TextPosition place, const std::string& message) {
    faults_.push_back(files_[file].name + ":" + std::to_string(place.line) + ":" +
                      std::to_string(place.column) + ": " + message);
  }
  [[nodiscard]] std::string fault_text() const {
    std::string out;
    for (const std::string& one : faults_) out += (out.empty() ? "" : "\n") + one;
    return out;
  }

  void read_file(std::size_t file);
  void read_leaf(std::size_t file, const ConfigLeaf& leaf);
  void refuse_leaf(std::size_t file, const ConfigLeaf& leaf, std::size_t depth);
  void add(Setting setting);
  static void apply(Config& config, const Setting& setting);
  void check_delivery(const Config& config);
  void check_distinct(const Config& config);
  void check_kafka(const Config& config);
  void refuse(std::string_view setting, const std::string& message);
  [[nodiscard]] const Setting* find(std::string_view setting) const;
  [[nodiscard]] std::vector<ConfigLine> lines(const Config& config) const;

  std::span<const ConfigFile> files_;
  Arena arena_;
  std::vector<Setting> settings_;
  std::vector<std::string> faults_;
  std::set<std::pair<std::size_t, std::string>> refused_;  // names said to be unknown, by file
};

void Loader::read_file(std::size_t file) {
  const auto leaves = read_config_text(files_[file].text, arena_);
  if (!leaves.is_ok()) {
    faults_.push_back(files_[file].name + ":" + std::string(leaves.status().message()));
    return;
  }
  for (const ConfigLeaf& leaf : *leaves) read_leaf(file, leaf);
}

void Loader::read_leaf(std::size_t file, const ConfigLeaf& leaf) {
  std::size_t depth = 0;
  const ConfigKey* key = find_config_key(leaf.path, depth);
  if (key == nullptr) {
    const bool is_empty_object = leaf.value.kind() == ValueKind::map;
    if (!is_empty_object || !is_config_object(leaf.path)) refuse_leaf(file, leaf, depth);
    return;
  }
  const std::string name = joined(leaf.path);
  if (const std::string wrong = config_fault(*key, leaf.value); !wrong.empty()) {
    fault(file, leaf.places.back(), name + " " + wrong);
    return;
  }
  add({key, name, key->same_as.empty() ? name : std::string(key->same_as), leaf.path, leaf.value,
       file, leaf.places.back()});
}

// The path is no key: too short, too long, or unknown from name `depth` on.
void Loader::refuse_leaf(std::size_t file, const ConfigLeaf& leaf, std::size_t depth) {
  const std::span<const std::string> path(leaf.path);
  if (depth == path.size()) {
    fault(file, leaf.places.back(),
          joined(path) + " must be an object, but is " + json_of(leaf.value));
    return;
  }
  // One word about a name, however many members hang below it.
  std::size_t known_depth = 0;
  const bool is_below_value =
      depth > 0 && find_config_key(path.first(depth), known_depth) != nullptr;
  const std::string name = joined(path.first(is_below_value ? depth : depth + 1));
  if (!refused_.emplace(file, name).second) return;
  if (is_below_value) {
    fault(file, leaf.places[depth - 1], name + " must be a single value, but is an object");
    return;
  }
  fault(file, leaf.places[depth],
        "unknown key `" + name + "`" + suggestion(path[depth], known_names(path, depth)));
}

void Loader::add(Setting setting) {
  const auto known = std::ranges::find(settings_, setting.setting, &Setting::setting);
  if (known == settings_.end()) {
    settings_.push_back(std::move(setting));
    return;
  }
  if (known->file == setting.file && json_of(known->value) != json_of(setting.value)) {
    fault(setting.file, setting.place,
          setting.name + " is another name of " + known->name + " in line " +
              std::to_string(known->place.line) + " and has another value; keep one of them");
    return;
  }
  *known = std::move(setting);
}

void Loader::apply(Config& config, const Setting& setting) {
  if (const Binding* binding = find_binding(setting.setting); binding != nullptr) {
    binding->set(config, setting.value);
    return;
  }
  const bool is_topic = setting.path.size() == 4 && setting.path[1] == "topics";
  if (!is_topic) {
    MR_CHECK(!setting.key->idle_because.empty());
    return;
  }
  const std::string& id = setting.path[2];
  auto topic = std::ranges::find(config.topics, id, &ConfiguredTopic::id);
  if (topic == config.topics.end()) {
    config.topics.push_back({id, id, 1});
    topic = config.topics.end() - 1;
  }
  if (setting.path[3] == "name") topic->name = setting.value.as_string();
  if (setting.path[3] == "partitions") {
    topic->partitions = static_cast<std::int32_t>(setting.value.as_int64());
  }
}

const Setting* Loader::find(std::string_view setting) const {
  const auto found = std::ranges::find(settings_, setting, &Setting::setting);
  return found == settings_.end() ? nullptr : &*found;
}

// A fault of a setting beside others; a setting that no file mentions is no fault.
void Loader::refuse(std::string_view setting, const std::string& message) {
  const Setting* found = find(setting);
  if (found != nullptr) fault(found->file, found->place, found->name + " " + message);
}

// The limits are those of Amazon Data Firehose (API reference, BufferingHints and
// S3DestinationConfiguration).
void Loader::check_delivery(const Config& config) {
  if (config.delivery != Delivery::aws) return;
  constexpr std::int64_t kBufferMbMax = 128;
  constexpr std::int64_t kBufferSecondsMax = 900;
  if (config.buffer_size_mb > kBufferMbMax) {
    refuse("firehose.buffer_size_mb",
           "must be from 1 to 128 where delivery is aws, but is " +
               std::to_string(config.buffer_size_mb) +
               "; Amazon Data Firehose takes no more (delivery local and s3 do)");
  }
  if (config.buffer_time_seconds > kBufferSecondsMax) {
    refuse("firehose.buffer_time_seconds", "must be from 0 to 900 where delivery is aws, but is " +
                                               std::to_string(config.buffer_time_seconds));
  }
  if (config.compression == "zstd") {
    refuse("firehose.compression",
           "must be gzip, snappy or none where delivery is aws: Amazon Data Firehose has no zstd");
  }
}

void Loader::check_distinct(const Config& config) {
  struct Port {
    std::int32_t number;
    std::string_view name;
  };
  const Port ports[] = {{config.kafka_port, "ports.kafka"},
                        {config.http_port, "ports.http"},
                        {config.aws_port, "ports.aws"}};
  for (const Port& port : ports) {
    const auto* same = std::ranges::find(ports, port.number, &Port::number);
    if (port.number == 0 || same->name == port.name) continue;
    // One of the two may be a default that no file mentions.
    refuse(find(port.name) != nullptr ? port.name : same->name,
           "is " + std::to_string(port.number) + ", as another port is; 0 picks a free one");
  }
  for (const ConfiguredTopic& topic : config.topics) {
    const auto same = std::ranges::find(config.topics, topic.name, &ConfiguredTopic::name);
    if (same->id == topic.id) continue;
    refuse("event_streaming.topics." + topic.id + ".name",
           "is " + topic.name + ", as that of topic " + same->id + " is");
  }
}

void Loader::check_kafka(const Config& config) {
  const bool has_tls = !config.tls_certificate_file.empty();
  if (has_tls && config.tls_key_file.empty()) {
    refuse("kafka.tls.certificate_file", "needs its private key: set kafka.tls.key_file");
  }
  if (!has_tls) {
    for (const auto* setting : {"kafka.tls.key_file", "kafka.tls.client_ca_file"}) {
      refuse(setting, "has no effect without kafka.tls.certificate_file");
    }
  }
  if (config.tls_client_certificates != "none") {
    if (!has_tls) {
      refuse("kafka.tls.client_certificates", "needs TLS: set kafka.tls.certificate_file");
    }
    if (config.tls_client_ca_file.empty()) {
      refuse("kafka.tls.client_certificates",
             "needs to know which authorities to believe: set kafka.tls.client_ca_file");
    }
  }
  constexpr std::string_view kMechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
  for (const std::string& mechanism : config.sasl_mechanisms) {
    if (std::ranges::find(kMechanisms, mechanism) != std::end(kMechanisms)) continue;
    refuse("kafka.sasl.mechanisms",
           "may be PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, but has " + json_of(mechanism));
  }
  if (config.sasl_mechanisms.empty()) {
    refuse("kafka.sasl.users_file", "has no effect without kafka.sasl.mechanisms");
  }
  for (const std::string& user : config.super_users) {
    const auto colon = user.find(':');
    if (colon != std::string::npos && colon != 0 && colon + 1 != user.size()) continue;
    refuse("kafka.super_users", "are principals such as User:admin, but one is " + json_of(user));
  }
}

std::vector<ConfigLine> Loader::lines(const Config& config) const {
  std::vector<ConfigLine> out;
  for (const ConfigKey& key : config_keys()) {
    bool is_set = false;
    for (const Setting& setting : settings_) {
      is_set |= setting.setting == key.path;
      if (setting.key != &key) continue;
      const auto why_idle = idle_because(key, config);
      std::string note(why_idle);
      if (!key.same_as.empty()) {
        note = "another name of " + std::string(key.same_as) +
               (why_idle.empty() ? "" : "; " + std::string(why_idle));
      }
      out.push_back({setting.name, json_of(setting.value),
                     files_[setting.file].name + ":" + std::to_string(setting.place.line),
                     why_idle.empty(), std::move(note)});
    }
    const Binding* binding = key.same_as.empty() ? find_binding(key.path) : nullptr;
    if (is_set || binding == nullptr) continue;
    const auto why_idle = idle_because(key, config);
    out.push_back({std::string(key.path), binding->show(config), "default", why_idle.empty(),
                   std::string(why_idle)});
  }
  return out;
}

}  // namespace

std::string_view to_string(Delivery delivery) {
  switch (delivery) {
    case Delivery::local:
      return "local";
    case Delivery::s3:
      return "s3";
    case Delivery::aws:
      return "aws";
  }
  return "unknown";
}

Result<Config> load_config(std::span<const ConfigFile> files) {
  return Loader(files).run();
}

std::vector<ConfigLine> config_report(const Config& config) {
  return config.lines;
}

}  // namespace millrace::pipeline
