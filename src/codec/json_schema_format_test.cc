#include "codec/json_schema_format.h"

#include <gtest/gtest.h>

#include "codec/json_schema_uri.h"

namespace millrace::codec {
namespace {

TEST(TextFormat, uuid_needs_its_hyphens_and_hex_digits) {
  EXPECT_TRUE(has_format(TextFormat::uuid, "2EB8AA08-aa98-11ea-b4aa-73b441d16380"));
  EXPECT_FALSE(has_format(TextFormat::uuid, "2eb8aa08aa9811eab4aa73b441d16380"));
  EXPECT_FALSE(has_format(TextFormat::uuid, "2eb8aa08-aa98-11ea-b4ga-73b441d16380"));
  EXPECT_FALSE(has_format(TextFormat::uuid, "2eb8aa08-aa98-11ea-b4aa73b441d163800"));
}

TEST(TextFormat, ipv4_has_four_numbers_without_leading_zeros) {
  EXPECT_TRUE(has_format(TextFormat::ipv4, "192.168.0.1"));
  EXPECT_FALSE(has_format(TextFormat::ipv4, "192.168.0.256"));
  EXPECT_FALSE(has_format(TextFormat::ipv4, "192.168.0"));
  EXPECT_FALSE(has_format(TextFormat::ipv4, "087.10.0.1"));
  EXPECT_FALSE(has_format(TextFormat::ipv4, "1.2.3.4."));
}

TEST(TextFormat, email_takes_quoted_names_and_address_literals) {
  EXPECT_TRUE(has_format(TextFormat::email, "joe.bloggs@example.com"));
  EXPECT_TRUE(has_format(TextFormat::email, "\"joe bloggs\"@example.com"));
  EXPECT_TRUE(has_format(TextFormat::email, "joe@[127.0.0.1]"));
  EXPECT_TRUE(has_format(TextFormat::email, "joe@[IPv6:::1]"));
  EXPECT_FALSE(has_format(TextFormat::email, "joe@[127.0.0.300]"));
  EXPECT_FALSE(has_format(TextFormat::email, "joe@exa mple.com"));
  EXPECT_FALSE(has_format(TextFormat::email, "joe@"));
}

TEST(TextFormat, second_60_exists_only_at_the_end_of_a_utc_day) {
  EXPECT_TRUE(has_format(TextFormat::time, "23:59:60Z"));
  EXPECT_TRUE(has_format(TextFormat::time, "01:29:60+01:30"));
  EXPECT_FALSE(has_format(TextFormat::time, "22:59:60Z"));
  EXPECT_FALSE(has_format(TextFormat::time, "12:00:00"));
}

TEST(FitsDecimal, zeros_at_the_end_do_not_count) {
  EXPECT_TRUE(fits_decimal(Decimal(999'999, 2), 6, 2));
  EXPECT_FALSE(fits_decimal(Decimal(1'000'000, 2), 6, 2));
  EXPECT_TRUE(fits_decimal(Decimal(-9999, 0), 6, 2));
  EXPECT_FALSE(fits_decimal(Decimal(-10'000, 0), 6, 2));
  EXPECT_TRUE(fits_decimal(Decimal(1'500'000, 6), 6, 2));
  EXPECT_FALSE(fits_decimal(Decimal(1'500'001, 6), 6, 2));
  EXPECT_TRUE(fits_decimal(Decimal(power_of_ten(38) - 1, 0), 38, 0));
}

// The examples of RFC 3986 section 5.4.
TEST(Uri, references_resolve_as_in_the_rfc) {
  const std::string base = "http://a/b/c/d;p?q";
  EXPECT_EQ(resolve_uri(base, "g:h"), "g:h");
  EXPECT_EQ(resolve_uri(base, "g"), "http://a/b/c/g");
  EXPECT_EQ(resolve_uri(base, "/g"), "http://a/g");
  EXPECT_EQ(resolve_uri(base, "//g"), "http://g");
  EXPECT_EQ(resolve_uri(base, "?y"), "http://a/b/c/d;p?y");
  EXPECT_EQ(resolve_uri(base, "g#s"), "http://a/b/c/g#s");
  EXPECT_EQ(resolve_uri(base, "#s"), "http://a/b/c/d;p?q#s");
  EXPECT_EQ(resolve_uri(base, ""), "http://a/b/c/d;p?q");
  EXPECT_EQ(resolve_uri(base, "./"), "http://a/b/c/");
  EXPECT_EQ(resolve_uri(base, "../../../g"), "http://a/g");
  EXPECT_EQ(resolve_uri(base, "g/./../h"), "http://a/b/c/h");
}

TEST(Uri, fragments_are_percent_decoded) {
  EXPECT_EQ(split_fragment("a#/b%25c").fragment, "/b%c");
  EXPECT_EQ(split_fragment("a#/b%2").fragment, "/b%2");
  EXPECT_EQ(split_fragment("a").document, "a");
}

}  // namespace
}  // namespace millrace::codec
