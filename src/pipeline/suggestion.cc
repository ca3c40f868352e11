#include "pipeline/suggestion.h"

#include <algorithm>

#include "base/nearest_name.h"

namespace millrace::pipeline {

std::string suggestion(std::string_view name, std::span<const std::string> known) {
  constexpr std::size_t kListedMax = 20;
  if (known.empty()) return {};
  NearestName nearest(name);
  for (const std::string& candidate : known) nearest.offer(candidate);
  if (!nearest.best().empty()) return "; did you mean `" + std::string(nearest.best()) + "`?";
  std::string out = "; known are ";
  for (std::size_t i = 0; i < std::min(known.size(), kListedMax); ++i) {
    out += (i == 0 ? "`" : ", `") + known[i] + "`";
  }
  return known.size() > kListedMax ? out + " and others" : out;
}

}  // namespace millrace::pipeline
