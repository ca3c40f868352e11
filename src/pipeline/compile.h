#pragma once

#include "pipeline/spec.h"

namespace millrace::pipeline {

// Resolves names, compiles expressions, lays out topics. Null when anything was reported.
std::unique_ptr<Pipeline> compile_spec(const Spec& spec, const BuildOptions& options,
                                       const ReportFault& report);

}  // namespace millrace::pipeline
