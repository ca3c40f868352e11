#pragma once

#include <memory>
#include <string_view>

#include "base/status.h"
#include "codec/compression.h"
#include "lake/file_encoder.h"

namespace millrace::lake {

// One JSON object per line: the record's value as it is, compressed as a whole. Line breaks between
// its tokens become spaces.
std::unique_ptr<FileEncoder> make_json_lines_encoder(codec::Compression compression);

Result<std::uint64_t> count_json_lines(codec::Compression compression, std::string_view bytes);

}  // namespace millrace::lake
