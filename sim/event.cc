#include "sim/event.h"

#include <cstdio>

#include "base/check.h"
#include "base/time_text.h"

namespace millrace::sim {

std::string cents_text(std::int64_t cents) {
  MR_CHECK(cents >= 0);
  char text[32];
  std::snprintf(text, sizeof text, "%lld.%02lld", static_cast<long long>(cents / 100),
                static_cast<long long>(cents % 100));
  return text;
}

std::string event_text(const Event& event) {
  std::string head = "{\"id\":\"" + event.id + "\",\"at\":\"" +
                     format_event_time(EventTime(event.time_us)) + "\",\"key\":\"" + event.key +
                     "\"";
  switch (event.kind) {
    case Event::Kind::unreadable:
      return head;
    case Event::Kind::incomplete:
      return head + ",\"price\":" + cents_text(event.cents) + "}";
    case Event::Kind::good:
    case Event::Kind::against_rule:
      break;
  }
  return head + ",\"price\":" + cents_text(event.cents) +
         ",\"count\":" + std::to_string(event.count) + "}";
}

const std::string& EventBook::add(const Event& event) {
  return by_text_.try_emplace(event_text(event), event).first->first;
}

const Event* EventBook::find(const std::string& text) const {
  const auto at = by_text_.find(text);
  return at == by_text_.end() ? nullptr : &at->second;
}

}  // namespace millrace::sim
