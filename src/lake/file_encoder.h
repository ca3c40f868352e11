#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "lake/writer_config.h"
#include "model/topic.h"
#include "model/value.h"

namespace millrace::lake {

// One row on its way into a file. Views need to live only during `add`.
struct EncoderRow {
  std::span<const Value> values;  // by slot of the layout
  std::string_view text;          // the record's value, a JSON object
  Offset offset;
  WallTime append_time;
};

// Collects the rows of one file in memory. The bytes are a function of the rows alone. One thread.
class FileEncoder {
 public:
  virtual ~FileEncoder() = default;

  // `invalid`: the row does not fit the columns, and nothing of it is in the file. Any other error:
  // the encoder is of no further use.
  virtual Status add(const EncoderRow& row) = 0;
  // Memory held, about.
  [[nodiscard]] virtual std::size_t buffered_bytes() const = 0;
  // The whole file. Once, as the last call.
  virtual Result<std::string> finish() = 0;
};

// `config` has passed check_writer and outlives the encoder.
Result<std::unique_ptr<FileEncoder>> make_encoder(const WriterConfig& config,
                                                  const TopicPartition& source);

// Rows in a finished file, told by the extension of its path. `corrupt` when it is no such file.
Result<std::uint64_t> count_rows(std::string_view path, std::string_view bytes);

}  // namespace millrace::lake
