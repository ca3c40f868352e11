#pragma once

#include "base/time.h"

namespace millrace::sys {

class RealClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall_now() const override;
  [[nodiscard]] MonotonicTime monotonic_now() const override;
};

}  // namespace millrace::sys
