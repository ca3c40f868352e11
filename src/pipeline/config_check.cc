#include "pipeline/config_check.h"

#include <algorithm>

#include "base/decimal.h"
#include "codec/json.h"

namespace millrace::pipeline {
namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

std::string describe(const Value& value) {
  switch (value.kind()) {
    case ValueKind::list:
      return "a list";
    case ValueKind::map:
      return "an object";
    default:
      break;
  }
  std::string out;
  codec::append_json(out, value, false);
  return out;
}

std::string must_be(std::string_view what, const Value& value) {
  return "must be " + std::string(what) + ", but is " + describe(value);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == separator) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// "us-east-1", "us-gov-west-1"
bool is_region(std::string_view text) {
  const auto parts = split(text, '-');
  if (parts.size() < 3 || parts.front().size() != 2) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool is_last = i + 1 == parts.size();
    const auto is_right = [is_last](char c) { return is_last ? is_digit(c) : is_lower(c); };
    if (parts[i].empty() || !std::ranges::all_of(parts[i], is_right)) return false;
  }
  return true;
}

bool is_environment(std::string_view text) {
  constexpr std::size_t kNameBytesMax = 32;
  return !text.empty() && text.size() <= kNameBytesMax && is_lower(text[0]) &&
         std::ranges::all_of(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_topic(std::string_view text) {
  constexpr std::size_t kNameBytesMax = 249;  // Kafka's
  return !text.empty() && text.size() <= kNameBytesMax && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) {
           return is_lower(c) || is_upper(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

std::string integer_fault(const ConfigKey& key, const Value& value) {
  if (value.kind() == ValueKind::int64 && value.as_int64() >= key.low &&
      value.as_int64() <= key.high) {
    return {};
  }
  return must_be(
      "a whole number from " + std::to_string(key.low) + " to " + std::to_string(key.high), value);
}

std::string amount_fault(const Value& value) {
  std::optional<Decimal> number;
  if (value.kind() == ValueKind::int64) number = Decimal::from_int(value.as_int64());
  if (value.kind() == ValueKind::decimal) number = value.as_decimal();
  if (value.kind() == ValueKind::string) number = Decimal::parse(value.as_string());
  if (number && !number->is_negative()) return {};
  return must_be("an amount such as 0.50", value);
}

std::string word_fault(const ConfigKey& key, const Value& value) {
  const auto words = split(key.words, ' ');
  const bool is_text = value.kind() == ValueKind::string;
  if (is_text && std::ranges::find(words, lowered(value.as_string())) != words.end()) return {};
  std::string known;
  for (const std::string& word : words) known += (known.empty() ? "" : ", ") + word;
  return must_be("one of " + known, value);
}

std::string texts_fault(const Value& value) {
  const auto is_name = [](const Value& item) {
    return item.kind() == ValueKind::string && !item.as_string().empty();
  };
  if (value.kind() == ValueKind::list && std::ranges::all_of(value.as_list(), is_name)) return {};
  if (value.kind() == ValueKind::list) return "must be a list of strings that are not empty";
  return must_be("a list of strings", value);
}

std::string string_fault(const ConfigKey& key, const Value& value) {
  if (value.kind() != ValueKind::string) return must_be("a string", value);
  const std::string_view text = value.as_string();
  switch (key.kind) {
    case ConfigKind::bucket:
      return bucket_name_fault(text);
    case ConfigKind::region:
      return is_region(text) ? "" : must_be("an AWS region such as us-east-1", value);
    case ConfigKind::environment:
      if (is_environment(text)) return {};
      return must_be("a name such as dev, of up to 32 lower-case letters, digits and hyphens",
                     value);
    case ConfigKind::topic:
      if (is_topic(text)) return {};
      return must_be("a topic name of up to 249 letters, digits, dots, hyphens and underscores",
                     value);
    default:
      return text.empty() ? "must not be empty" : "";
  }
}

}  // namespace

std::string bucket_name_fault(std::string_view name) {
  constexpr std::size_t kBytesMin = 3;
  constexpr std::size_t kBytesMax = 63;
  const std::string quoted = "\"" + std::string(name) + "\"";
  if (name.find("YOUR_UNIQUE") != std::string_view::npos) {
    return quoted +
           " is a placeholder; write the name of a bucket of yours, such as "
           "streaming-pipeline-artifacts-acme-4567";
  }
  if (name.size() < kBytesMin || name.size() > kBytesMax) {
    return "must have 3 to 63 characters, but " + quoted + " has " + std::to_string(name.size());
  }
  if (std::ranges::any_of(name, is_upper)) {
    return "must be lower case: \"" + lowered(name) + "\" instead of " + quoted;
  }
  const auto is_right = [](char c) { return is_lower(c) || is_digit(c) || c == '-'; };
  const auto* wrong = std::ranges::find_if_not(name, is_right);
  if (wrong != name.end()) {
    std::string fixed(name);
    std::ranges::replace_if(fixed, [&](char c) { return !is_right(c); }, '-');
    return "must be of lower-case letters, digits and hyphens, but " + quoted + " has a '" +
           std::string(1, *wrong) + "'; \"" + fixed + "\" would be right";
  }
  if (name.front() == '-' || name.back() == '-') {
    return "must start and end with a letter or a digit, but is " + quoted;
  }
  if (name.starts_with("xn--") || name.starts_with("sthree-") || name.ends_with("-s3alias")) {
    return quoted + " has a beginning or an end that S3 keeps for itself";
  }
  return {};
}

std::string canonical_word(std::string_view word) {
  std::string out = lowered(word);
  if (out == "uncompressed") return "none";
  if (out == "warning") return "warn";
  return out;
}

namespace {

using Faults = std::vector<std::pair<std::string, std::string>>;

// Which settings go with which way of logging in.
void check_log_in(const Config& config, Faults& faults) {
  const std::string at = "log.kafka.security.";
  const std::string& mechanism = config.log_sasl_mechanism;
  const bool is_aws = mechanism == "aws_msk_iam";
  const bool is_token = mechanism == "oauthbearer";
  const auto idle = [&](std::initializer_list<const char*> settings, const std::string& of) {
    for (const auto* setting : settings) {
      faults.emplace_back(
          at + setting, "has no effect where sasl_mechanism is " + mechanism + "; it is for " + of);
    }
  };
  if (is_aws || is_token) idle({"user", "password_file"}, "plain and scram-sha-512");
  if (!is_token) idle({"token_file"}, "oauthbearer");
  if (!is_aws) idle({"region", "credentials_file", "profile"}, "aws_msk_iam");
  if (is_aws) {
    if (config.log_protocol != "sasl_ssl") {
      faults.emplace_back(at + "protocol",
                          "must be sasl_ssl for aws_msk_iam: who sees its token "
                          "can log in with it");
    }
  } else if (is_token) {
    if (config.log_token_file.empty()) {
      faults.emplace_back(at + "sasl_mechanism", "oauthbearer needs token_file");
    }
  } else if (mechanism == "none" || config.log_user.empty() || config.log_password_file.empty()) {
    faults.emplace_back(at + "protocol", "needs sasl_mechanism, user and password_file");
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> shared_log_faults(const Config& config) {
  constexpr std::string_view kServers = "log.kafka.bootstrap_servers";
  constexpr std::size_t kProcessBytesMax = 100;
  std::vector<std::pair<std::string, std::string>> faults;
  const auto fault = [&](std::string_view setting, std::string message) {
    faults.emplace_back(setting, std::move(message));
  };
  // Transactional ids are made of it.
  if (!config.process.empty() &&
      (!is_topic(config.process) || config.process.size() > kProcessBytesMax)) {
    fault("process", "must be up to 100 letters, digits, dots, hyphens and underscores, such as " +
                         std::string("worker-1, but is \"") + config.process + "\"");
  }
  if (!config.log_bootstrap_servers.empty() && config.objects_folder.empty()) {
    fault(kServers,
          "needs objects.folder: a folder that all processes of the log share, for snapshots");
  }
  for (const auto& server : split(config.log_bootstrap_servers, ',')) {
    const auto colon = server.rfind(':');
    const bool has_port = colon != std::string::npos && colon > 0 && colon + 1 < server.size() &&
                          std::ranges::all_of(server.substr(colon + 1), is_digit);
    if (has_port || config.log_bootstrap_servers.empty()) continue;
    fault(kServers, "must be like broker-1:9092,broker-2:9092, but has \"" + server + "\"");
  }
  const bool has_tls = config.log_protocol.ends_with("ssl");
  const bool has_sasl = config.log_protocol.starts_with("sasl");
  if (!has_tls) {
    for (const auto* setting : {"ca_file", "certificate_file", "key_file"}) {
      fault("log.kafka.security." + std::string(setting),
            "has no effect where protocol is " + config.log_protocol + "; set ssl or sasl_ssl");
    }
  }
  if (config.log_certificate_file.empty() != config.log_key_file.empty()) {
    const bool lacks_key = config.log_key_file.empty();
    fault(lacks_key ? "log.kafka.security.certificate_file" : "log.kafka.security.key_file",
          lacks_key ? "needs its private key: set key_file" : "needs certificate_file");
  }
  if (!has_sasl) {
    for (const auto* setting : {"sasl_mechanism", "user", "password_file", "token_file", "region",
                                "credentials_file", "profile"}) {
      fault("log.kafka.security." + std::string(setting), "has no effect where protocol is " +
                                                              config.log_protocol +
                                                              "; set sasl_ssl or sasl_plaintext");
    }
  } else {
    check_log_in(config, faults);
  }
  return faults;
}

std::string_view idle_because(const ConfigKey& key, const Config& config) {
  if (!key.idle_because.empty()) return key.idle_because;
  if (config.log_bootstrap_servers.empty()) {
    const bool is_of_shared = key.path.starts_with("log.kafka.") || key.path == "process";
    return is_of_shared ? "is of a shared log: see log.kafka.bootstrap_servers" : "";
  }
  const bool is_of_broker = key.path == "ports.kafka" ||
                            (key.path.starts_with("kafka.") && key.path != "kafka.retention_days");
  return is_of_broker ? "the log is that of log.kafka; no Kafka port is served" : "";
}

std::string config_fault(const ConfigKey& key, const Value& value) {
  switch (key.kind) {
    case ConfigKind::boolean:
      return value.kind() == ValueKind::boolean ? "" : must_be("true or false", value);
    case ConfigKind::integer:
      return integer_fault(key, value);
    case ConfigKind::amount:
      return amount_fault(value);
    case ConfigKind::texts:
      return texts_fault(value);
    case ConfigKind::word:
      return word_fault(key, value);
    case ConfigKind::anything:
      if (value.kind() != ValueKind::list && value.kind() != ValueKind::map) return {};
      return must_be("a string, a number or true or false", value);
    default:
      return string_fault(key, value);
  }
}

}  // namespace millrace::pipeline
