#include "lake/manifest.h"

#include <algorithm>
#include <unordered_set>

#include "lake/file_encoder.h"
#include "lake/journal.h"

namespace millrace::lake {
namespace {

constexpr std::size_t kFaultsNamedMax = 5;  // in a check's detail

struct Manifest {
  DeliveryState state;
  std::vector<LakeFile> files;
};

Status take_entry(const LakeEntry& entry, const ManifestSource& source, Manifest& manifest) {
  MR_RETURN_IF_ERROR(manifest.state.take(entry));
  if (const auto* freeze = std::get_if<FreezeEntry>(&entry.event)) {
    for (const auto& file : freeze->files) {
      manifest.files.push_back({source.sink, source.source.partition, file.path,
                                freeze->first_offset, freeze->next_offset, file.rows, 0,
                                FileState::frozen});
    }
  }
  if (const auto* done = std::get_if<DoneEntry>(&entry.event)) {
    // take() has checked that the range is the last one frozen, with as many files.
    auto file = manifest.files.end() - static_cast<std::ptrdiff_t>(done->file_bytes.size());
    for (const auto bytes : done->file_bytes) {
      file->bytes = bytes;
      file->state = FileState::delivered;
      ++file;
    }
  }
  return ok_status();
}

Status read(const log::Log& log, const ManifestSource& source, Manifest& manifest) {
  return read_lake_journal(log, source.journal, [&](const LakeEntry& entry) {
    return take_entry(entry, source, manifest);
  });
}

// Faults by name, the first few.
class Faults {
 public:
  void add(const std::string& fault) {
    if (++count_ <= kFaultsNamedMax) text_ += (text_.empty() ? "" : "; ") + fault;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::string text() const {
    if (count_ <= kFaultsNamedMax) return text_;
    return text_ + "; and " + std::to_string(count_ - kFaultsNamedMax) + " more";
  }

 private:
  std::size_t count_ = 0;
  std::string text_;
};

Status check_file(objects::ObjectStore& objects, const LakeFile& file) {
  MR_ASSIGN_OR_RETURN(const auto bytes, objects.get(file.path));
  if (bytes.size() != file.bytes) {
    return corrupt_error("has " + std::to_string(bytes.size()) + " bytes instead of " +
                         std::to_string(file.bytes));
  }
  MR_ASSIGN_OR_RETURN(const auto rows, count_rows(file.path, bytes));
  if (rows == file.rows) return ok_status();
  return corrupt_error("has " + std::to_string(rows) + " rows instead of " +
                       std::to_string(file.rows));
}

class Verifier {
 public:
  Verifier(const log::Log& log, objects::ObjectStore& objects, const ManifestSource& source)
      : log_(log), objects_(objects), source_(source) {}

  std::vector<LakeCheck> run(const std::function<bool()>& is_cancelled) {
    // Listed before the journal is read: what exists by now was frozen before.
    const auto listed = objects_.list(source_.folder + "/");
    const auto read_status = read(log_, source_, manifest_);
    check_ranges(read_status);
    if (!read_status.is_ok()) return std::move(checks_);
    check_group();
    check_files(is_cancelled);
    check_strangers(listed);
    return std::move(checks_);
  }

 private:
  void add(std::string name, bool is_ok, std::string detail) {
    checks_.push_back(
        {source_.sink, source_.source.partition, std::move(name), is_ok, std::move(detail)});
  }

  void check_ranges(const Status& read_status) {
    if (!read_status.is_ok()) return add("ranges_tile", false, read_status.to_string());
    const auto& state = manifest_.state;
    if (!state.begin) return add("ranges_tile", true, "nothing has been delivered yet");
    const auto first = state.begin->first_offset;
    const auto records = state.delivered_offset - first;
    const auto counted = static_cast<std::int64_t>(state.rows + state.dead_letters);
    add("ranges_tile", counted <= records,
        std::to_string(state.last_range) + " ranges cover [" + std::to_string(first.value) + ", " +
            std::to_string(state.delivered_offset.value) + ") without hole or overlap: " +
            std::to_string(records) + " offsets, " + std::to_string(state.rows) + " rows, " +
            std::to_string(state.dead_letters) + " dead letters");
  }

  // A commit may come between reading the journal and reading the group, which only ever advances
  // it.
  void check_group() {
    const auto delivered = manifest_.state.delivered_offset;
    for (const auto& known : log_.group_offsets(source_.group)) {
      if (known.source != source_.source) continue;
      return add("group_offset", known.next_offset >= delivered,
                 "group " + source_.group + " stands at " +
                     std::to_string(known.next_offset.value) + ", the journal at " +
                     std::to_string(delivered.value));
    }
    add("group_offset", manifest_.state.files == 0,
        "group " + source_.group + " has no offset; " + std::to_string(manifest_.state.files) +
            " files are delivered");
  }

  void check_files(const std::function<bool()>& is_cancelled) {
    Faults faults;
    std::uint64_t checked = 0;
    for (const auto& file : manifest_.files) {
      if (file.state != FileState::delivered) continue;
      if (is_cancelled()) return add("files_whole", false, "cancelled");
      const auto status = check_file(objects_, file);
      ++checked;
      if (!status.is_ok()) faults.add(file.path + ": " + std::string(status.message()));
    }
    add("files_whole", faults.empty(),
        faults.empty() ? std::to_string(checked) + " files exist with their rows and bytes"
                       : faults.text());
  }

  void check_strangers(const Result<std::vector<objects::ObjectInfo>>& listed) {
    if (!listed.is_ok()) return add("no_strangers", false, listed.status().to_string());
    std::unordered_set<std::string_view> known;
    for (const auto& file : manifest_.files) known.insert(file.path);
    const auto name = "/" + source_.sink + "-" + std::to_string(source_.source.partition) + "-";
    Faults faults;
    for (const auto& object : *listed) {
      if (object.key.compare(object.key.rfind('/'), name.size(), name) != 0) continue;
      if (!known.contains(object.key)) faults.add(object.key + " is in no range");
    }
    add("no_strangers", faults.empty(),
        faults.empty() ? "every file is one of the journal's" : faults.text());
  }

  const log::Log& log_;
  objects::ObjectStore& objects_;
  const ManifestSource& source_;
  Manifest manifest_;
  std::vector<LakeCheck> checks_;
};

}  // namespace

std::string_view to_string(FileState state) {
  return state == FileState::delivered ? "delivered" : "frozen";
}

Result<std::vector<LakeFile>> read_manifest(const log::Log& log, const ManifestSource& source) {
  Manifest manifest;
  MR_RETURN_IF_ERROR(read(log, source, manifest));
  return std::move(manifest.files);
}

std::vector<LakeCheck> verify_manifest(const log::Log& log, objects::ObjectStore& objects,
                                       const ManifestSource& source,
                                       const std::function<bool()>& is_cancelled) {
  return Verifier(log, objects, source).run(is_cancelled);
}

}  // namespace millrace::lake
