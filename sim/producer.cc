#include "sim/producer.h"

#include <utility>

#include "base/hash.h"
#include "codec/record_batch.h"
#include "sim/sim_pipelines.h"

namespace millrace::sim {
namespace {

constexpr std::size_t kBatchesPending = 3;
constexpr std::size_t kRecentEvents = 30;
constexpr std::int64_t kReplayStartUs = 1'500'000'000'000'000;

}  // namespace

Producer::Producer(World& world, TopicPartition to, std::int32_t partition_count,
                   std::uint64_t seed)
    : world_(world), to_(std::move(to)), random_(seed) {
  for (int i = 0; i < kKeyCount; ++i) {
    if (partition_for_key(key_name(i), partition_count) == to_.partition) {
      keys_.push_back(key_name(i));
    }
  }
  // A partition that no key belongs to stays idle.
  if (!keys_.empty()) events_left_ = world_.profile.events_per_partition;
}

std::int64_t Producer::next_time_us() {
  std::int64_t time_us = 0;
  if (world_.profile.is_live) {
    time_us = world_.clock.wall_now().value * kMicrosPerMilli + jump_us_ -
              static_cast<std::int64_t>(random_.below(30'000));
  } else {
    progress_us_ += static_cast<std::int64_t>(random_.below(40'000));
    time_us = kReplayStartUs + progress_us_ + jump_us_;
  }
  if (jumps_left_ > 0) {
    --jumps_left_;
    return time_us + 20'000'000;
  }
  if (random_.one_in(world_.profile.late_one_in)) {
    return time_us - static_cast<std::int64_t>(random_.below(1'000'000));
  }
  if (random_.one_in(150)) jumps_left_ = 1;
  if (random_.one_in(400)) {
    // So many that the clock believes them: the feed goes on from there.
    jump_us_ += 20'000'000;
    world_.census.count("event.jump_confirmed");
  }
  if (random_.one_in(100)) {
    world_.census.count("event.future");
    return world_.clock.wall_now().value * kMicrosPerMilli + 2 * kMaxAheadUs;
  }
  return time_us;
}

Event Producer::make_event() {
  if (!recent_.empty() && random_.one_in(world_.profile.duplicate_one_in)) {
    world_.census.count("event.duplicate");
    Event again = recent_[random_.below(recent_.size())];
    // The same id; at times with another content.
    if (random_.one_in(2)) again.time_us = next_time_us();
    return again;
  }
  Event event;
  event.id = to_.to_string() + "-" + std::to_string(++event_count_);
  event.key = keys_[random_.below(keys_.size())];
  event.time_us = next_time_us();
  event.cents = 1 + static_cast<std::int64_t>(random_.below(100'000));
  event.count = static_cast<std::int64_t>(random_.below(1000));
  if (random_.one_in(world_.profile.bad_one_in)) {
    world_.census.count("event.bad");
    switch (random_.below(3)) {
      case 0:
        event.kind = Event::Kind::unreadable;
        break;
      case 1:
        event.kind = Event::Kind::incomplete;
        break;
      default:
        event.kind = Event::Kind::against_rule;
        event.cents = 0;
    }
  }
  recent_.push_back(event);
  if (recent_.size() > kRecentEvents) recent_.pop_front();
  return event;
}

EventRecord Producer::make_record() {
  const Event event = make_event();
  EventRecord record{event.key, world_.events.add(event)};
  if (random_.one_in(60)) {
    world_.census.count("event.null_key");
    record.key.reset();
  } else if (random_.one_in(60)) {
    world_.census.count("event.other_key");
    record.key = "other";
  } else if (random_.one_in(60)) {
    world_.census.count("event.null_value");
    record.value.reset();
  }
  return record;
}

void Producer::make_batch() {
  const int count = std::min(events_left_, 1 + static_cast<int>(random_.below(6)));
  Batch batch;
  codec::RecordBatchBuilder builder(random_.one_in(2) ? codec::Compression::lz4
                                                      : codec::Compression::none);
  for (int i = 0; i < count; ++i) {
    batch.records.push_back(make_record());
    builder.append(world_.clock.wall_now(), batch.records.back().key, batch.records.back().value,
                   {});
  }
  builder.set_producer(identity_->id, identity_->epoch, next_sequence_);
  builder.finish(batch.bytes);
  next_sequence_ += count;
  events_left_ -= count;
  pending_.push_back(std::move(batch));
}

void Producer::acknowledge(const Batch& batch, Offset base_offset) {
  auto offset = base_offset.value;
  for (const auto& record : batch.records) acknowledged_[offset++] = record;
}

bool Producer::send_one(log::Log& log, Batch& batch, Sent& sent) {
  log::Commit commit;
  commit.appends.push_back({to_.topic, to_.partition, batch.bytes});
  const auto appended = log.commit(std::move(commit));
  if (!appended.is_ok()) {
    if (appended.status().code() == StatusCode::overloaded) {
      world_.census.count("producer.told_to_wait");
    } else if (appended.status().code() != StatusCode::io &&
               appended.status().code() != StatusCode::cancelled) {
      world_.violation("a producer of " + to_.to_string() +
                       " was refused: " + appended.status().to_string());
    }
    return false;
  }
  if (batch.was_taken) {
    world_.census.count(appended->batches[0].is_duplicate ? "producer.repeat_recognised"
                                                          : "producer.lost_batch_sent_again");
  } else if (appended->batches[0].is_duplicate) {
    world_.violation("a new batch of " + to_.to_string() + " was taken for a repeat");
  }
  batch.was_taken = true;
  sent = {appended->sequence, appended->batches[0].base_offset};
  return true;
}

void Producer::send(log::Log& log) {
  std::vector<Sent> sent;
  for (auto& batch : pending_) {
    Sent one;
    if (!send_one(log, batch, one)) break;
    sent.push_back(one);
  }
  if (sent.empty() || !log.wait_durable(sent.back().sequence).is_ok()) return;
  for (const auto& one : sent) {
    acknowledge(pending_.front(), one.base_offset);
    last_.emplace(std::move(pending_.front()), one.base_offset);
    pending_.pop_front();
  }
}

void Producer::repeat_last(log::Log& log) {
  Sent sent;
  if (!last_ || !send_one(log, last_->first, sent)) return;
  if (sent.base_offset == last_->second) return;
  world_.violation("a repeated batch of " + to_.to_string() + " got offset " +
                   std::to_string(sent.base_offset.value) + " after " +
                   std::to_string(last_->second.value));
}

void Producer::run() {
  world_.scheduler.set_name("p:" + to_.to_string());
  while (!world_.is_ending && !is_done()) {
    std::int64_t pause_ms = world_.random_ms(world_.is_finishing ? 10 : 60);
    if (random_.one_in(world_.profile.pause_one_in)) pause_ms *= 20;
    world_.sleep_ms(pause_ms);
    const World::Visit process(world_);
    if (!process) continue;
    if (!identity_) {
      auto identity = process->log().new_producer();
      if (identity.is_ok()) identity_ = *identity;
      continue;
    }
    while (pending_.size() < kBatchesPending && events_left_ > 0) {
      make_batch();
      if (random_.one_in(2)) break;
    }
    if (pending_.empty() || random_.one_in(15)) {
      // Only while nothing newer is on its way: the log remembers a few batches.
      repeat_last(process->log());
    }
    send(process->log());
  }
}

}  // namespace millrace::sim
