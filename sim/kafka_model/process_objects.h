#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "objects/object_store.h"
#include "sim/kafka_model/process.h"

namespace millrace::kafka_model {

// A store that all processes share, as one of them sees it: a frozen one halts in front of every
// request and goes on later, a dead one's fail.
class ProcessObjects final : public objects::ObjectStore {
 public:
  ProcessObjects(Process& process, objects::ObjectStore& store)
      : process_(process), store_(store) {}

  Status put(const std::string& key, std::string_view bytes, bool only_if_absent) override {
    return ask([&] { return store_.put(key, bytes, only_if_absent); });
  }
  [[nodiscard]] Result<std::string> get(const std::string& key) override {
    return ask([&] { return store_.get(key); });
  }
  [[nodiscard]] Result<objects::ObjectInfo> head(const std::string& key) override {
    return ask([&] { return store_.head(key); });
  }
  Status remove(const std::string& key) override {
    return ask([&] { return store_.remove(key); });
  }
  [[nodiscard]] Result<std::vector<objects::ObjectInfo>> list(const std::string& prefix) override {
    return ask([&] { return store_.list(prefix); });
  }
  [[nodiscard]] Result<std::string> start_upload(const std::string& key) override {
    return ask([&] { return store_.start_upload(key); });
  }
  [[nodiscard]] Result<objects::UploadPart> put_part(const std::string& key,
                                                     const std::string& upload_id, int number,
                                                     std::string_view bytes) override {
    return ask([&] { return store_.put_part(key, upload_id, number, bytes); });
  }
  Status complete_upload(const std::string& key, const std::string& upload_id,
                         const std::vector<objects::UploadPart>& parts,
                         bool only_if_absent) override {
    return ask([&] { return store_.complete_upload(key, upload_id, parts, only_if_absent); });
  }
  Status abort_upload(const std::string& key, const std::string& upload_id) override {
    return ask([&] { return store_.abort_upload(key, upload_id); });
  }

 private:
  template <typename Request>
  auto ask(Request&& request) -> decltype(request()) {
    if (!process_.may_go_on()) return disconnected_error("the process is dead");
    auto answer = request();
    if (!process_.may_go_on()) return disconnected_error("the process is dead");
    return answer;
  }

  Process& process_;
  objects::ObjectStore& store_;
};

}  // namespace millrace::kafka_model
