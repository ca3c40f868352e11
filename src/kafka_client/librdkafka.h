#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>

// librdkafka's C interface, with owners for what it hands out. The distribution's header may be
// older than the library that is linked (docs/decisions/0006-librdkafka.md); what it lacks is
// declared here, weakly: an older library has none of these, and open_kafka_log says so.

// NOLINTBEGIN(readability-identifier-naming, modernize-use-using): librdkafka's names, in C
extern "C" {

// Since 2.3.0.
typedef struct rd_kafka_TopicCollection_s rd_kafka_TopicCollection_t;
typedef struct rd_kafka_TopicDescription_s rd_kafka_TopicDescription_t;
typedef struct rd_kafka_TopicPartitionInfo_s rd_kafka_TopicPartitionInfo_t;
typedef struct rd_kafka_Uuid_s rd_kafka_Uuid_t;

[[gnu::weak]] rd_kafka_TopicCollection_t* rd_kafka_TopicCollection_of_topic_names(
    const char** topics, size_t topics_cnt);
[[gnu::weak]] void rd_kafka_TopicCollection_destroy(rd_kafka_TopicCollection_t* topics);
[[gnu::weak]] void rd_kafka_DescribeTopics(rd_kafka_t* rk, const rd_kafka_TopicCollection_t* topics,
                                           const rd_kafka_AdminOptions_t* options,
                                           rd_kafka_queue_t* rkqu);
[[gnu::weak]] const rd_kafka_event_t* rd_kafka_event_DescribeTopics_result(rd_kafka_event_t* rkev);
[[gnu::weak]] const rd_kafka_TopicDescription_t** rd_kafka_DescribeTopics_result_topics(
    const rd_kafka_event_t* result, size_t* result_topics_cntp);
[[gnu::weak]] const char* rd_kafka_TopicDescription_name(
    const rd_kafka_TopicDescription_t* description);
[[gnu::weak]] const rd_kafka_error_t* rd_kafka_TopicDescription_error(
    const rd_kafka_TopicDescription_t* description);
[[gnu::weak]] const rd_kafka_Uuid_t* rd_kafka_TopicDescription_topic_id(
    const rd_kafka_TopicDescription_t* description);
[[gnu::weak]] const rd_kafka_TopicPartitionInfo_t** rd_kafka_TopicDescription_partitions(
    const rd_kafka_TopicDescription_t* description, size_t* cntp);
[[gnu::weak]] int64_t rd_kafka_Uuid_most_significant_bits(const rd_kafka_Uuid_t* uuid);
[[gnu::weak]] int64_t rd_kafka_Uuid_least_significant_bits(const rd_kafka_Uuid_t* uuid);

[[gnu::weak]] rd_kafka_error_t* rd_kafka_ConfigResource_add_incremental_config(
    rd_kafka_ConfigResource_t* config, const char* name, int op_type, const char* value);
[[gnu::weak]] void rd_kafka_IncrementalAlterConfigs(rd_kafka_t* rk,
                                                    rd_kafka_ConfigResource_t** configs,
                                                    size_t config_cnt,
                                                    const rd_kafka_AdminOptions_t* options,
                                                    rd_kafka_queue_t* rkqu);
[[gnu::weak]] const rd_kafka_event_t* rd_kafka_event_IncrementalAlterConfigs_result(
    rd_kafka_event_t* rkev);
[[gnu::weak]] const rd_kafka_ConfigResource_t** rd_kafka_IncrementalAlterConfigs_result_resources(
    const rd_kafka_event_t* result, size_t* cntp);

typedef struct rd_kafka_ListOffsetsResultInfo_s rd_kafka_ListOffsetsResultInfo_t;
[[gnu::weak]] void rd_kafka_ListOffsets(rd_kafka_t* rk,
                                        rd_kafka_topic_partition_list_t* topic_partitions,
                                        const rd_kafka_AdminOptions_t* options,
                                        rd_kafka_queue_t* rkqu);
[[gnu::weak]] const rd_kafka_event_t* rd_kafka_event_ListOffsets_result(rd_kafka_event_t* rkev);
[[gnu::weak]] const rd_kafka_ListOffsetsResultInfo_t** rd_kafka_ListOffsets_result_infos(
    const rd_kafka_event_t* result, size_t* cntp);
[[gnu::weak]] const rd_kafka_topic_partition_t* rd_kafka_ListOffsetsResultInfo_topic_partition(
    const rd_kafka_ListOffsetsResultInfo_t* info);
[[gnu::weak]] int64_t rd_kafka_ListOffsetsResultInfo_timestamp(
    const rd_kafka_ListOffsetsResultInfo_t* info);
[[gnu::weak]] rd_kafka_error_t* rd_kafka_AdminOptions_set_isolation_level(
    rd_kafka_AdminOptions_t* options, int value);

// Since 2.9.0.
[[gnu::weak]] const char* rd_kafka_consumer_group_metadata_member_id(
    const rd_kafka_consumer_group_metadata_t* metadata);
[[gnu::weak]] int32_t rd_kafka_consumer_group_metadata_generation_id(
    const rd_kafka_consumer_group_metadata_t* metadata);
}
// NOLINTEND(readability-identifier-naming, modernize-use-using)

namespace millrace::kafka_client {

// RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, since 2.3.0.
inline constexpr int kAlterConfigSet = 0;
// rd_kafka_IsolationLevel_t, since 2.3.0.
enum class IsolationLevel : int { read_uncommitted = 0, read_committed = 1 };
// rd_kafka_OffsetSpec_t, since 2.3.0.
inline constexpr std::int64_t kOffsetSpecEarliest = -2;
inline constexpr std::int64_t kOffsetSpecLatest = -1;
inline constexpr std::int64_t kOffsetSpecMaxTimestamp = -3;

template <auto kDestroy>
struct Destroyer {
  template <typename T>
  void operator()(T* object) const {
    if (object != nullptr) kDestroy(object);
  }
};
template <typename T, auto kDestroy>
using Owned = std::unique_ptr<T, Destroyer<kDestroy>>;

using OwnedQueue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using OwnedEvent = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using OwnedError = Owned<rd_kafka_error_t, rd_kafka_error_destroy>;
using OwnedTopic = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using OwnedMessage = Owned<rd_kafka_message_t, rd_kafka_message_destroy>;
using OwnedPartitions =
    Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using OwnedMembership =
    Owned<rd_kafka_consumer_group_metadata_t, rd_kafka_consumer_group_metadata_destroy>;

}  // namespace millrace::kafka_client
