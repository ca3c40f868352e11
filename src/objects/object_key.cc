#include "objects/object_key.h"

#include <string>

namespace millrace::objects {
namespace {

// What is wrong with the segment; nullptr if nothing is.
const char* find_fault(std::string_view segment) {
  if (segment.empty()) return "a segment between slashes must not be empty";
  if (segment.size() > kSegmentBytesMax) return "a segment has at most 255 bytes";
  if (segment == "." || segment == "..") return "\".\" and \"..\" are not segments";
  if (segment.starts_with(kUploadsName)) return "segments starting with \".uploads\" are reserved";
  for (const char byte : segment) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7f) return "control characters are not allowed";
  }
  return nullptr;
}

}  // namespace

Status validate_key(std::string_view key) {
  const auto refuse = [key](const char* why) {
    return invalid_error("object key \"" + std::string(key.substr(0, kKeyBytesMax)) + "\": " + why);
  };
  if (key.empty()) return refuse("a key has at least one byte");
  if (key.size() > kKeyBytesMax) return refuse("a key has at most 1024 bytes");
  for (std::string_view rest = key;;) {
    const auto slash = rest.find('/');
    if (const char* fault = find_fault(rest.substr(0, slash))) return refuse(fault);
    if (slash == std::string_view::npos) return ok_status();
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace millrace::objects
