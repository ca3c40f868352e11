#include "lake/json_lines_encoder.h"

#include <algorithm>
#include <string>

namespace millrace::lake {
namespace {

constexpr std::size_t kPlainBytesMax = std::size_t{2} << 30;  // of a file that is counted

class JsonLinesEncoder final : public FileEncoder {
 public:
  explicit JsonLinesEncoder(codec::Compression compression) : compression_(compression) {}

  Status add(const EncoderRow& row) override {
    const auto start = plain_.size();
    plain_ += row.text;
    // JSON has no raw line break within a string (RFC 8259 section 7), so those found are white
    // space.
    std::replace_if(
        plain_.begin() + static_cast<std::ptrdiff_t>(start), plain_.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    plain_ += '\n';
    return ok_status();
  }

  [[nodiscard]] std::size_t buffered_bytes() const override { return plain_.capacity(); }

  Result<std::string> finish() override {
    if (compression_ == codec::Compression::none) return std::move(plain_);
    std::string packed;
    MR_RETURN_IF_ERROR(codec::compress(compression_, plain_, packed));
    return packed;
  }

 private:
  codec::Compression compression_;
  std::string plain_;
};

}  // namespace

std::unique_ptr<FileEncoder> make_json_lines_encoder(codec::Compression compression) {
  return std::make_unique<JsonLinesEncoder>(compression);
}

Result<std::uint64_t> count_json_lines(codec::Compression compression, std::string_view bytes) {
  std::string plain;
  if (compression != codec::Compression::none) {
    MR_RETURN_IF_ERROR(codec::decompress(compression, bytes, kPlainBytesMax, plain));
    bytes = plain;
  }
  if (!bytes.empty() && bytes.back() != '\n') return corrupt_error("the last line has no end");
  return static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

}  // namespace millrace::lake
