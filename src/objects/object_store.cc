#include "objects/object_store.h"

#include <algorithm>

namespace millrace::objects {
namespace {

class WholeObject final : public ObjectReader {
 public:
  explicit WholeObject(std::string bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] std::uint64_t bytes() const override { return bytes_.size(); }
  Status read_at(std::uint64_t position, std::size_t size, std::string& out) const override {
    out.append(bytes_, std::min<std::uint64_t>(position, bytes_.size()), size);
    return ok_status();
  }

 private:
  std::string bytes_;
};

}  // namespace

Result<std::unique_ptr<ObjectReader>> ObjectStore::open_to_read(const std::string& key) {
  MR_ASSIGN_OR_RETURN(auto bytes, get(key));
  return std::unique_ptr<ObjectReader>(std::make_unique<WholeObject>(std::move(bytes)));
}

}  // namespace millrace::objects
