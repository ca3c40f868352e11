#include "broker/acl.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "broker/authorizer.h"

namespace millrace::broker {
namespace {

Acl acl(AclPermission permission, AclOperation operation, const std::string& topic,
        PatternType pattern = PatternType::literal, const std::string& principal = "User:a",
        const std::string& host = "*") {
  return {ResourceType::topic, topic, pattern, principal, host, operation, permission};
}
constexpr AclSubject kA{"User:a", "10.0.0.1"};

// KIP-11, KIP-290 and the documentation's words, entry by entry.
class Twin {
 public:
  std::vector<Acl> acls;

  [[nodiscard]] bool allows(const AclSubject& who, AclOperation operation, ResourceType type,
                            const std::string& name) const {
    bool is_allowed = false;
    for (const Acl& one : acls) {
      if (one.resource_type != type || !is_about_name(one, name) || !is_about(one, who)) continue;
      if (one.permission == AclPermission::deny) {
        if (one.operation == operation || one.operation == AclOperation::all) return false;
        continue;
      }
      is_allowed |= implies(one.operation, operation);
    }
    return is_allowed;
  }

  // By trying every name that could make a difference.
  [[nodiscard]] bool allows_on_any(const AclSubject& who, AclOperation operation,
                                   ResourceType type) const {
    for (const Acl& one : acls) {
      if (one.resource_type != type) continue;
      const bool is_wide =
          one.pattern_type == PatternType::prefixed || one.resource_name == kAnyName;
      // A name nobody else speaks of, where the pattern leaves a choice.
      const std::string name = one.pattern_type == PatternType::prefixed
                                   ? one.resource_name + "\x01unheard of"
                                   : (is_wide ? "\x01unheard of" : one.resource_name);
      if (allows(who, operation, type, name)) return true;
      if (allows(who, operation, type, one.resource_name)) return true;
    }
    return false;
  }

 private:
  static bool is_about_name(const Acl& one, const std::string& name) {
    if (one.pattern_type == PatternType::prefixed) return name.rfind(one.resource_name, 0) == 0;
    return one.resource_name == "*" || one.resource_name == name;
  }
  static bool is_about(const Acl& one, const AclSubject& who) {
    return (one.principal == "User:*" || one.principal == who.principal) &&
           (one.host == "*" || one.host == who.host);
  }
  static bool implies(AclOperation entry, AclOperation asked) {
    if (entry == AclOperation::all || entry == asked) return true;
    switch (entry) {
      case AclOperation::read:
      case AclOperation::write:
      case AclOperation::remove:
      case AclOperation::alter:
        return asked == AclOperation::describe;
      case AclOperation::alter_configs:
        return asked == AclOperation::describe_configs;
      default:
        return false;
    }
  }
};

TEST(Acl, what_nothing_is_said_about_is_denied) {
  const AclTable table;
  EXPECT_FALSE(table.allows(kA, AclOperation::read, ResourceType::topic, "t"));
  EXPECT_FALSE(table.allows_on_any(kA, AclOperation::read, ResourceType::topic));
}

TEST(Acl, deny_wins_however_narrow_what_allows) {
  AclTable table;
  table.add(acl(AclPermission::allow, AclOperation::read, "orders"));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "orders"));
  EXPECT_FALSE(table.allows(kA, AclOperation::read, ResourceType::group, "orders"));
  table.add(acl(AclPermission::deny, AclOperation::all, "*", PatternType::literal, "User:*"));
  EXPECT_FALSE(table.allows(kA, AclOperation::read, ResourceType::topic, "orders"));
  table.remove(acl(AclPermission::deny, AclOperation::all, "*", PatternType::literal, "User:*"));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "orders"));
}

TEST(Acl, allowing_implies_describing_and_denying_implies_nothing) {
  AclTable table;
  table.add(acl(AclPermission::allow, AclOperation::write, "t"));
  EXPECT_TRUE(table.allows(kA, AclOperation::describe, ResourceType::topic, "t"));
  EXPECT_FALSE(table.allows(kA, AclOperation::describe_configs, ResourceType::topic, "t"));
  table.add(acl(AclPermission::deny, AclOperation::write, "t"));
  EXPECT_FALSE(table.allows(kA, AclOperation::write, ResourceType::topic, "t"));
  EXPECT_TRUE(table.allows(kA, AclOperation::describe, ResourceType::topic, "t"));
}

TEST(Acl, a_prefix_holds_for_what_begins_so_and_a_literal_star_for_everything) {
  AclTable table;
  table.add(acl(AclPermission::allow, AclOperation::read, "or", PatternType::prefixed));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "or"));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "orders"));
  EXPECT_FALSE(table.allows(kA, AclOperation::read, ResourceType::topic, "o"));
  table.add(acl(AclPermission::allow, AclOperation::read, "*", PatternType::prefixed));
  EXPECT_FALSE(table.allows(kA, AclOperation::read, ResourceType::topic, "o")) << "no wildcard";
  table.add(acl(AclPermission::allow, AclOperation::read, "*"));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "o"));
}

TEST(Acl, principals_and_hosts_must_be_the_same_or_any) {
  AclTable table;
  table.add(acl(AclPermission::allow, AclOperation::read, "t", PatternType::literal, "User:a",
                "10.0.0.1"));
  EXPECT_TRUE(table.allows(kA, AclOperation::read, ResourceType::topic, "t"));
  EXPECT_FALSE(table.allows({"User:a", "10.0.0.2"}, AclOperation::read, ResourceType::topic, "t"));
  EXPECT_FALSE(table.allows({"User:A", "10.0.0.1"}, AclOperation::read, ResourceType::topic, "t"));
}

TEST(Acl, on_any_resource_counts_what_is_not_denied_again) {
  AclTable table;
  table.add(acl(AclPermission::allow, AclOperation::write, "orders"));
  EXPECT_TRUE(table.allows_on_any(kA, AclOperation::write, ResourceType::topic));
  table.add(acl(AclPermission::deny, AclOperation::write, "ord", PatternType::prefixed));
  EXPECT_FALSE(table.allows_on_any(kA, AclOperation::write, ResourceType::topic));
  table.add(acl(AclPermission::allow, AclOperation::write, "o", PatternType::prefixed));
  EXPECT_TRUE(table.allows_on_any(kA, AclOperation::write, ResourceType::topic));
}

TEST(Acl, filters_match_as_kafka_does) {
  const auto literal = acl(AclPermission::allow, AclOperation::read, "orders");
  const auto prefix = acl(AclPermission::allow, AclOperation::read, "ord", PatternType::prefixed);
  const auto star = acl(AclPermission::allow, AclOperation::read, "*");
  AclFilter filter;
  EXPECT_TRUE(filter.matches(literal) && filter.matches(prefix) && filter.matches(star));
  filter.resource_name = "orders";
  EXPECT_TRUE(filter.matches(literal));
  EXPECT_FALSE(filter.matches(prefix) || filter.matches(star));
  filter.pattern_type = PatternType::match;
  EXPECT_TRUE(filter.matches(literal) && filter.matches(prefix) && filter.matches(star));
  filter.pattern_type = PatternType::prefixed;
  EXPECT_FALSE(filter.matches(literal) || filter.matches(prefix));
  filter.resource_name = "ord";
  EXPECT_TRUE(filter.matches(prefix));
  filter.operation = AclOperation::write;
  EXPECT_FALSE(filter.matches(prefix));
  filter.operation = AclOperation::any;
  filter.principal = "User:b";
  EXPECT_FALSE(filter.matches(prefix));
}

TEST(Acl, what_cannot_be_meant_is_refused) {
  const auto good = acl(AclPermission::allow, AclOperation::read, "t");
  EXPECT_TRUE(check_acl(good).is_ok());
  const auto is_refused = [&](auto change) {
    Acl one = good;
    change(one);
    return !check_acl(one).is_ok();
  };
  EXPECT_TRUE(is_refused([](Acl& one) { one.resource_type = ResourceType::any; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.resource_type = static_cast<ResourceType>(8); }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.resource_type = ResourceType::cluster; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.resource_name = ""; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.pattern_type = PatternType::match; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.operation = AclOperation::any; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.permission = AclPermission::any; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.principal = "alice"; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.principal = "User:"; }));
  EXPECT_TRUE(is_refused([](Acl& one) { one.host = ""; }));
}

TEST(Acl, operations_are_bits_as_clients_read_them) {
  // AclOperation's codes 3 to 8, 10 and 11 of a topic; 5, 7 to 12 of a cluster.
  const Access everything(nullptr, {});
  EXPECT_EQ(everything.operations(ResourceType::topic, "t"), 0x0DF8);
  EXPECT_EQ(everything.operations(ResourceType::cluster, kClusterName), 0x1FA0);
  EXPECT_EQ(everything.operations(ResourceType::group, "g"), 0x0D48);
}

// Few names and principals, so that entries meet.
class AclModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(AclModel, the_table_agrees_with_a_list_that_is_read_through) {
  Random random(GetParam());
  const auto one_of = [&](const std::vector<std::string>& some) {
    return some[random.below(some.size())];
  };
  const std::vector<std::string> names{"*", "a", "ab", "abc", "abd", "b", "*a"};
  const std::vector<std::string> principals{"User:*", "User:a", "User:b"};
  const std::vector<std::string> hosts{"*", "1.1.1.1", "2.2.2.2"};
  const auto operation = [&] { return static_cast<AclOperation>(2 + random.below(14)); };
  AclTable table;
  Twin twin;
  for (int step = 0; step < 2000; ++step) {
    const Acl one{static_cast<ResourceType>(2 + random.below(2)),
                  one_of(names),
                  random.below(2) == 0 ? PatternType::literal : PatternType::prefixed,
                  one_of(principals),
                  one_of(hosts),
                  operation(),
                  random.below(4) == 0 ? AclPermission::deny : AclPermission::allow};
    const auto known = std::find(twin.acls.begin(), twin.acls.end(), one);
    if (random.below(2) == 0) {
      EXPECT_EQ(table.add(one), known == twin.acls.end());
      if (known == twin.acls.end()) twin.acls.push_back(one);
    } else if (!twin.acls.empty()) {
      const auto gone = twin.acls.begin() + static_cast<long>(random.below(twin.acls.size()));
      table.remove(*gone);
      twin.acls.erase(gone);
    }
    ASSERT_EQ(table.all().size(), twin.acls.size());
    const std::string principal = one_of({"User:a", "User:b", "User:c"});
    const std::string host = one_of({"1.1.1.1", "3.3.3.3"});
    const AclSubject who{principal, host};
    const auto type = static_cast<ResourceType>(2 + random.below(3));
    const auto asked = operation();
    const std::string name = one_of({"a", "ab", "abc", "abcd", "b", "c", "*ab"});
    ASSERT_EQ(table.allows(who, asked, type, name), twin.allows(who, asked, type, name))
        << "seed " << GetParam() << " step " << step;
    // Kafka looks at the very operation there, not at what is implied.
    const bool is_implied = asked == AclOperation::describe ||
                            asked == AclOperation::describe_configs || asked == AclOperation::all;
    if (is_implied) continue;
    ASSERT_EQ(table.allows_on_any(who, asked, type), twin.allows_on_any(who, asked, type))
        << "seed " << GetParam() << " step " << step;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, AclModel, testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace millrace::broker
