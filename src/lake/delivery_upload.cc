#include <array>
#include <tuple>

#include "base/check.h"
#include "lake/delivery.h"

// The way of a frozen range into the object store.

namespace millrace::lake {
namespace {

constexpr std::size_t kPartBytes = std::size_t{8} << 20;  // S3 wants at least 5 MiB
// A letter beyond this goes into the object store, and a reference to it into the topic (R10).
constexpr std::size_t kLetterBytesMax = std::size_t{1} << 20;

}  // namespace

Status Delivery::deliver(const FreezeEntry& freeze, RangeBuffer& range, bool is_retry) {
  MR_ASSIGN_OR_RETURN(const auto files, range.finish());
  MR_CHECK(files.size() == freeze.files.size());
  FileBytes file_bytes(files.size());
  if (is_retry) {
    MR_ASSIGN_OR_RETURN(file_bytes, find_files(freeze));
  }
  std::vector<Upload> uploads;
  if (auto status = start_uploads(freeze, file_bytes, uploads); !status.is_ok()) {
    abandon(freeze, uploads);
    return status;
  }
  for (const auto& started : uploads) {
    const auto& file = files[started.file];
    MR_CHECK(file.path == freeze.files[started.file].path);
    std::uint64_t bytes = 0;
    MR_RETURN_IF_ERROR(upload(file, started, bytes));
    file_bytes[started.file] = bytes;
  }
  DoneEntry done;
  done.range = freeze.range;
  for (const auto& bytes : file_bytes) {
    MR_CHECK(bytes.has_value());
    done.file_bytes.push_back(*bytes);
  }
  return finish_range(freeze, range, std::move(done));
}

// Only spares work: what comes between this look and the completion is found by the completion.
Result<Delivery::FileBytes> Delivery::find_files(const FreezeEntry& freeze) {
  FileBytes file_bytes(freeze.files.size());
  for (std::size_t i = 0; i < freeze.files.size(); ++i) {
    const auto known = services_.objects->head(freeze.files[i].path);
    if (known.is_ok()) {
      file_bytes[i] = known->bytes;
    } else if (known.status().code() != StatusCode::not_found) {
      return known.status();
    }
  }
  return file_bytes;
}

// Starts an upload for every file that is not there, and journals them before the first byte is
// sent.
Status Delivery::start_uploads(const FreezeEntry& freeze, const FileBytes& known,
                               std::vector<Upload>& uploads) {
  UploadsEntry entry;
  entry.range = freeze.range;
  for (std::size_t i = 0; i < freeze.files.size(); ++i) {
    if (known[i]) continue;
    MR_ASSIGN_OR_RETURN(auto id, services_.objects->start_upload(freeze.files[i].path));
    entry.uploads.push_back({i, id});
    uploads.push_back({i, std::move(id)});
  }
  return uploads.empty() ? ok_status() : append({std::move(entry)}, {});
}

// Uploads that may not be in the journal would never be aborted by anybody else.
void Delivery::abandon(const FreezeEntry& freeze, const std::vector<Upload>& uploads) {
  for (const auto& upload : uploads) {
    std::ignore = services_.objects->abort_upload(freeze.files[upload.file].path, upload.id);
  }
}

Status Delivery::upload(const EncodedFile& file, const Upload& upload, std::uint64_t& file_bytes) {
  auto& store = *services_.objects;
  std::vector<objects::UploadPart> parts;
  const std::string_view bytes = file.bytes;
  for (std::size_t at = 0; at < bytes.size(); at += kPartBytes) {
    MR_ASSIGN_OR_RETURN(auto part,
                        store.put_part(file.path, upload.id, static_cast<int>(parts.size()) + 1,
                                       bytes.substr(at, kPartBytes)));
    parts.push_back(std::move(part));
  }
  const auto completed = store.complete_upload(file.path, upload.id, parts, true);
  file_bytes = bytes.size();
  if (completed.is_ok()) return ok_status();
  // The name is taken: by an earlier attempt, whose completion came through without its answer. The
  // name holds the range, so the file is the same; its bytes are not compared (R18).
  if (completed.code() == StatusCode::exists) {
    MR_RETURN_IF_ERROR(store.abort_upload(file.path, upload.id));
  } else if (completed.code() != StatusCode::not_found) {
    return completed;
  }
  auto known = store.head(file.path);
  if (!known.is_ok()) return completed;
  file_bytes = known->bytes;
  return ok_status();
}

Status Delivery::append_dead_letters(const RangeBuffer& range, log::Commit& commit) {
  if (range.refused().empty()) return ok_status();
  task::Outputs outputs({options_.dead_letters});
  const auto& source = options_.identity.source;
  for (const auto& row : range.refused()) {
    const bool is_too_large = row.letter.size() > kLetterBytesMax;
    if (is_too_large) {
      MR_RETURN_IF_ERROR(services_.objects->put(dead_letter_key(options_.identity, row.offset),
                                                row.letter, false));
    }
    const auto record = source.to_string() + "/" + std::to_string(row.offset.value);
    const std::array<codec::HeaderToAppend, 3> headers{
        {{"millrace-source", record},
         {"millrace-pipeline", options_.identity.pipeline},
         {"millrace-error", "SINK_ERROR"}}};
    outputs.append(0, outputs.partition_for(0, row.key, source.partition),
                   {row.time, row.key, is_too_large ? row.reference : row.letter, headers});
  }
  for (auto& batch : outputs.take()) {
    commit.appends.push_back(
        {options_.dead_letters.topic, batch.partition, std::move(batch.bytes)});
  }
  return ok_status();
}

Status Delivery::finish_range(const FreezeEntry& freeze, const RangeBuffer& range, DoneEntry done) {
  done.dead_letters = range.refused().size();
  log::Commit commit;
  MR_RETURN_IF_ERROR(append_dead_letters(range, commit));
  commit.offsets.push_back(
      {options_.group, options_.identity.source, freeze.next_offset, std::to_string(freeze.range)});
  MR_RETURN_IF_ERROR(append({std::move(done)}, std::move(commit)));
  pin();
  return ok_status();
}

}  // namespace millrace::lake
