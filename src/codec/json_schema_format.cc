#include "codec/json_schema_format.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/check.h"
#include "base/time_text.h"

namespace millrace::codec {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Two digits at `at`; -1 when there are none.
int two_digits(std::string_view text, std::size_t at) {
  if (at + 2 > text.size() || !is_digit(text[at]) || !is_digit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  std::string midnight(text);
  midnight += "T00:00:00Z";
  return parse_instant(midnight).has_value();
}

// RFC 3339 full-time. Second 60 only where it is 23:59:60 in UTC.
bool is_time(std::string_view text) {
  const int hour = two_digits(text, 0);
  const int minute = two_digits(text, 3);
  const int second = two_digits(text, 6);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  if (text[2] != ':' || text[5] != ':') return false;
  std::string_view rest = text.substr(8);
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    if (rest.empty() || !is_digit(rest[0])) return false;
    while (!rest.empty() && is_digit(rest[0])) rest.remove_prefix(1);
  }
  int offset_minutes = 0;
  if (rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':') {
    const int offset_hour = two_digits(rest, 1);
    const int offset_minute = two_digits(rest, 4);
    if (offset_hour < 0 || offset_hour > 23 || offset_minute < 0 || offset_minute > 59)
      return false;
    offset_minutes = (offset_hour * 60 + offset_minute) * (rest[0] == '+' ? 1 : -1);
  } else if (rest != "Z" && rest != "z") {
    return false;
  }
  if (second < 60) return true;
  constexpr int kDayMinutes = 24 * 60;
  return (hour * 60 + minute - offset_minutes + kDayMinutes) % kDayMinutes == kDayMinutes - 1;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_hyphen_place = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    if (is_hyphen_place ? c != '-' : !is_hex_digit(c)) return false;
  }
  return true;
}

// Four decimal numbers without leading zeros (RFC 2673 section 3.2).
bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (!text.starts_with('.')) return false;
      text.remove_prefix(1);
    }
    std::size_t count = 0;
    int value = 0;
    while (count < text.size() && count < 4 && is_digit(text[count])) {
      value = value * 10 + (text[count] - '0');
      ++count;
    }
    if (count == 0 || count > 3 || value > 255 || (count > 1 && text[0] == '0')) return false;
    text.remove_prefix(count);
  }
  return text.empty();
}

bool is_letter_or_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Labels of letters, digits and inner hyphens (RFC 1123 section 2.1).
bool is_host_name(std::string_view text) {
  constexpr std::size_t kHostBytesMax = 253;
  constexpr std::size_t kLabelBytesMax = 63;
  if (text.empty() || text.size() > kHostBytesMax) return false;
  while (true) {
    const std::size_t dot = std::min(text.find('.'), text.size());
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > kLabelBytesMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (!std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; })) {
      return false;
    }
    if (dot == text.size()) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_ipv6(std::string_view text) {
  int groups = 0;
  bool has_gap = false;
  if (text.starts_with("::")) {
    has_gap = true;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (text.find('.') != std::string_view::npos && text.find(':') == std::string_view::npos) {
      if (!is_ipv4(text)) return false;
      groups += 2;
      break;
    }
    std::size_t count = 0;
    while (count < text.size() && is_hex_digit(text[count])) {
      ++count;
    }
    if (count == 0 || count > 4) return false;
    ++groups;
    text.remove_prefix(count);
    if (text.empty()) break;
    if (text.starts_with("::")) {
      if (has_gap) return false;
      has_gap = true;
      text.remove_prefix(2);
    } else if (text[0] == ':' && text.size() > 1) {
      text.remove_prefix(1);
    } else {
      return false;
    }
  }
  return has_gap ? groups < 8 : groups == 8;
}

bool is_quoted_local_part(std::string_view local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return false;
  local = local.substr(1, local.size() - 2);
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '"') return false;
    if (local[i] == '\\' && ++i == local.size()) return false;
  }
  return true;
}

// RFC 5321 section 4.1.2: a mailbox, without comments.
bool is_email(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  const std::string_view local = text.substr(0, at);
  std::string_view domain = text.substr(at + 1);
  if (!is_quoted_local_part(local)) {
    constexpr std::string_view kAtomCharacters = "!#$%&'*+-/=?^_`{|}~.";
    if (local.front() == '.' || local.back() == '.') return false;
    if (local.find("..") != std::string_view::npos) return false;
    for (const char c : local) {
      if (!is_letter_or_digit(c) && kAtomCharacters.find(c) == std::string_view::npos) return false;
    }
  }
  if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
    domain = domain.substr(1, domain.size() - 2);
    return domain.starts_with("IPv6:") ? is_ipv6(domain.substr(5)) : is_ipv4(domain);
  }
  return is_host_name(domain);
}

struct FormatName {
  std::string_view name;
  TextFormat format;
  std::string_view description;
};
constexpr std::array<FormatName, 7> kFormats{{
    {"date-time", TextFormat::date_time, "a date-time such as 2012-06-21T13:30:00Z"},
    {"date", TextFormat::date, "a date such as 2012-06-21"},
    {"time", TextFormat::time, "a time with an offset such as 13:30:00Z"},
    {"uuid", TextFormat::uuid, "a UUID such as 123e4567-e89b-12d3-a456-426614174000"},
    {"ipv4", TextFormat::ipv4, "an IPv4 address such as 192.0.2.1"},
    {"email", TextFormat::email, "an e-mail address such as name@example.com"},
    {"decimal", TextFormat::decimal, "a decimal number such as 223.82"},
}};

}  // namespace

TextFormat text_format(std::string_view name) {
  for (const FormatName& known : kFormats) {
    if (known.name == name) return known.format;
  }
  return TextFormat::none;
}

std::string_view describe(TextFormat format) {
  for (const FormatName& known : kFormats) {
    if (known.format == format) return known.description;
  }
  return "anything";
}

bool has_format(TextFormat format, std::string_view text) {
  switch (format) {
    case TextFormat::none:
      return true;
    case TextFormat::date_time:
      return parse_instant(text).has_value();
    case TextFormat::date:
      return is_date(text);
    case TextFormat::time:
      return is_time(text);
    case TextFormat::uuid:
      return is_uuid(text);
    case TextFormat::ipv4:
      return is_ipv4(text);
    case TextFormat::email:
      return is_email(text);
    case TextFormat::decimal:
      return Decimal::parse(text).has_value();
  }
  return true;
}

bool fits_decimal(const Decimal& number, int precision, int scale) {
  MR_CHECK(precision >= 1 && precision <= Decimal::kDigitsMax);
  MR_CHECK(scale >= 0 && scale <= precision);
  if (number.scale() > scale) [[unlikely]] {
    const Decimal short_form = number.normalized();
    return short_form.scale() <= scale && fits_decimal(short_form, precision, scale);
  }
  // |unscaled| * 10^(scale - own scale) < 10^precision, without the multiplication that could
  // overflow.
  const int digits = precision - (scale - number.scale());
  const __int128 limit = power_of_ten(digits);
  return number.unscaled() < limit && number.unscaled() > -limit;
}

}  // namespace millrace::codec
