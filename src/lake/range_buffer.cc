#include "lake/range_buffer.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>

#include "base/check.h"
#include "task/dead_letter.h"

namespace millrace::lake {
namespace {

// For JSON only what the folder is made of matters; a column needs a value of its type.
std::uint64_t needed_slots(const WriterConfig& writer, const PartitionPath& path) {
  return writer.format == FileFormat::parquet ? ~std::uint64_t{0} : path.slots();
}

std::string mismatch_message(const RowLayout& layout, std::uint64_t mismatches) {
  std::string message;
  for (std::size_t slot = 0; slot < layout.fields.size(); ++slot) {
    if ((mismatches >> slot & 1) == 0) continue;
    const auto& field = layout.fields[slot];
    message += (message.empty() ? "field " : "; field ") + field.name + " does not fit ";
    message += to_string(field.type);
    if (field.type != FieldType::decimal) continue;
    message += "(" + std::to_string(field.decimal_precision) + ", " +
               std::to_string(field.decimal_scale) + ")";
  }
  return message;
}

std::string twenty_digits(Offset offset) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%020" PRId64, offset.value);
  return text.data();
}

}  // namespace

std::string dead_letter_key(const RangeIdentity& identity, Offset offset) {
  return "dead_letters/" + identity.sink + "/" + identity.sink + "-" +
         std::to_string(identity.source.partition) + "-" + twenty_digits(offset) + ".json";
}

RangeBuffer::RangeBuffer(std::shared_ptr<const WriterConfig> writer, RangeIdentity identity,
                         Offset first_offset, RangeLimits limits)
    : writer_(std::move(writer)),
      identity_(std::move(identity)),
      first_offset_(first_offset),
      next_offset_(first_offset),
      limits_(limits),
      decoder_(writer_->layout, writer_->layout.fields.size()),
      path_(*writer_),
      needed_slots_(needed_slots(*writer_, path_)),
      row_(writer_->layout.fields.size()) {
  MR_CHECK(limits_.files_max > 0);
  MR_CHECK(first_offset_ < limits_.next_offset);
}

Result<bool> RangeBuffer::add(const log::FetchedBatch& batch) {
  MR_CHECK(next_offset_ < limits_.next_offset);
  MR_RETURN_IF_ERROR(reader_.open(batch.bytes.view()));
  if (!first_append_time_) first_append_time_ = batch.append_time;
  if (batch.kind == log::BatchKind::records && !reader_.header().is_control) {
    while (const RecordView* record = reader_.next()) {
      if (record->offset < next_offset_) continue;
      if (record->offset >= limits_.next_offset) break;
      MR_ASSIGN_OR_RETURN(const bool has_room, take(*record, batch.append_time));
      if (!has_room) {
        next_offset_ = record->offset;
        return true;
      }
      next_offset_ = record->offset + 1;
      if (input_bytes_ >= limits_.input_bytes_max ||
          dead_letter_bytes_ >= limits_.dead_letter_bytes_max) {
        return true;
      }
    }
    MR_RETURN_IF_ERROR(reader_.status());
  }
  next_offset_ = std::max(next_offset_, std::min(batch.next_offset, limits_.next_offset));
  return next_offset_ == limits_.next_offset;
}

Result<bool> RangeBuffer::take(const RecordView& record, WallTime append_time) {
  arena_.reset();
  auto row = decode(record);
  if (row.is_ok()) {
    const auto folder = path_.folder_of(row_);
    if (folder.is_ok()) {
      MR_ASSIGN_OR_RETURN(auto* const file, file_for(*folder));
      if (file == nullptr) return false;
      row = file->encoder->add({row_, *record.value, record.offset, append_time});
      if (row.is_ok()) ++file->rows;
    } else {
      row = folder.status();
    }
  }
  input_bytes_ += record.value ? record.value->size() : 0;
  if (row.is_ok()) return true;
  if (row.code() != StatusCode::invalid) return row;
  refuse(record, append_time, row.message());
  return true;
}

Status RangeBuffer::decode(const RecordView& record) {
  if (!record.value) return invalid_error("the record has no value (a tombstone)");
  const auto text = *record.value;
  const auto outcome =
      decoder_.decode(text, reader_.readable_bytes_from(text.data()), arena_, row_);
  if (!outcome.status.is_ok()) {
    return invalid_error("unreadable JSON: " + std::string(outcome.status.message()));
  }
  const auto mismatches = outcome.mismatches & needed_slots_;
  if (mismatches == 0) return ok_status();
  return invalid_error(mismatch_message(writer_->layout, mismatches));
}

Result<RangeBuffer::OpenFile*> RangeBuffer::file_for(std::string_view folder) {
  // Neighbours mostly share their folder.
  if (!files_.empty() && files_[last_file_].folder == folder) return &files_[last_file_];
  const auto known = file_by_folder_.find(std::string(folder));
  if (known != file_by_folder_.end()) {
    last_file_ = known->second;
    return &files_[last_file_];
  }
  if (files_.size() >= limits_.files_max) return static_cast<OpenFile*>(nullptr);
  MR_ASSIGN_OR_RETURN(auto encoder, make_encoder(*writer_, identity_.source));
  last_file_ = files_.size();
  files_.push_back({std::string(folder), std::move(encoder)});
  file_by_folder_.emplace(folder, last_file_);
  return &files_[last_file_];
}

void RangeBuffer::refuse(const RecordView& record, WallTime append_time, std::string_view why) {
  const std::string stage = "lake " + identity_.sink;
  task::DeadLetter letter;
  letter.type = task::ErrorType::sink_error;
  letter.message = why;
  letter.stage = stage;
  letter.pipeline = identity_.pipeline;
  letter.time = append_time;
  letter.source_topic = identity_.source.topic;
  letter.source_partition = identity_.source.partition;
  letter.attempted_id_alias = identity_.dead_letter_id_alias;
  RefusedRow refused;
  refused.offset = record.offset;
  refused.time = append_time;
  if (record.key) refused.key = std::string(*record.key);
  task::append_dead_letter(refused.letter, letter, record);

  const auto message = std::string(why) + "; the whole letter is the object " +
                       dead_letter_key(identity_, record.offset);
  letter.message = message;
  auto without_value = record;
  without_value.value.reset();
  task::append_dead_letter(refused.reference, letter, without_value);
  dead_letter_bytes_ += refused.letter.size() + refused.reference.size();
  refused_.push_back(std::move(refused));
}

std::size_t RangeBuffer::buffered_bytes() const {
  std::size_t bytes = dead_letter_bytes_;
  for (const auto& file : files_) bytes += file.encoder->buffered_bytes();
  return bytes;
}

std::string RangeBuffer::path_of(const OpenFile& file, std::size_t number) const {
  std::string path = identity_.folder + "/";
  if (!file.folder.empty()) path += file.folder + "/";
  path += identity_.sink + "-" + std::to_string(identity_.source.partition) + "-" +
          twenty_digits(first_offset_) + "-" + twenty_digits(next_offset_) + "-" +
          std::to_string(number) + ".";
  path += writer_->extension();
  return path;
}

// A file whose every row was refused by its encoder is none.
std::vector<FrozenFile> RangeBuffer::files() const {
  std::vector<FrozenFile> files;
  for (const auto& file : files_) {
    if (file.rows > 0) files.push_back({path_of(file, files.size()), file.rows});
  }
  return files;
}

Result<std::vector<EncodedFile>> RangeBuffer::finish() {
  std::vector<EncodedFile> encoded;
  for (auto& file : files_) {
    if (file.rows == 0) continue;
    MR_ASSIGN_OR_RETURN(auto bytes, file.encoder->finish());
    encoded.push_back({path_of(file, encoded.size()), std::move(bytes)});
    file.encoder.reset();
  }
  return encoded;
}

}  // namespace millrace::lake
