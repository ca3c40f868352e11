#pragma once

#include "codec/json_schema_node.h"
#include "model/shape.h"

// Private to json_schema*.cc.

namespace millrace::codec {

// Of the described properties of `root`, in their order. An object is closed where
// additionalProperties is false and patternProperties names nothing: whatever else holds for it, no
// document with another member is valid (draft 7 section 6.5.6).
RowShapes shapes_of_row(const SchemaNode& root);

}  // namespace millrace::codec
