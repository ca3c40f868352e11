#pragma once

#include "kafka_wire/message_decoder_internal.h"
#include "kafka_wire/message_encoder_internal.h"

// Only the .cc files with the messages include this, and instantiate `decode` and `encode` for
// theirs: MR_KAFKA_CODEC(FetchRequest);

#define MR_KAFKA_CODEC(Type)                                           \
  template Status decode<Type>(std::string_view, std::int16_t, Type&); \
  template void encode<Type>(const Type&, std::int16_t, WireBytes&)
