#include "app/completion.h"

#include <gmock/gmock.h>

namespace millrace::app {
namespace {

using testing::HasSubstr;

VerbShape shape() {
  VerbShape list{"list", "List it's letters", {{"--limit", "how many"}}, {}};
  VerbShape dlq{"dlq", "Look at dead letters", {}, {list}};
  VerbShape up{
      "up", "Start", {{"--output", "how", true, {"text", "json"}}, {"--follow", "", false}}, {}};
  VerbShape completion{"completion", "Print it", {}, {}, {"bash", "fish"}};
  return {"millrace", "", {{"--help", "", false}}, {up, dlq, completion}};
}

TEST(Completion, bash_offers_verbs_options_and_choices_by_path) {
  const auto script = completion_script(Shell::bash, shape());
  EXPECT_THAT(script, HasSubstr("\"\") COMPREPLY=($(compgen -W \"up dlq completion --help\" --"));
  EXPECT_THAT(script, HasSubstr("\"dlq\") COMPREPLY=($(compgen -W \"list\" --"));
  EXPECT_THAT(script, HasSubstr("\"dlq list\") COMPREPLY=($(compgen -W \"--limit\" --"));
  EXPECT_THAT(script, HasSubstr("\"dlq list\") path=\"dlq list\""));
  EXPECT_THAT(script, HasSubstr("\"completion\") COMPREPLY=($(compgen -W \"bash fish\" --"));
  EXPECT_THAT(script, HasSubstr("--output) COMPREPLY=($(compgen -W \"text json\" --"));
}

TEST(Completion, fish_quotes_what_it_says) {
  const auto script = completion_script(Shell::fish, shape());
  EXPECT_THAT(script, HasSubstr("-f -a list -d 'List it\\'s letters'"));
  EXPECT_THAT(script, HasSubstr("'__fish_seen_subcommand_from completion' -f -a fish\n"));
  EXPECT_THAT(script, HasSubstr("-l output -d 'how' -r -f -a 'text json'"));
  EXPECT_THAT(
      script,
      HasSubstr("'__fish_seen_subcommand_from dlq; and not __fish_seen_subcommand_from list'"));
}

TEST(Completion, zsh_takes_the_bash_function) {
  EXPECT_THAT(completion_script(Shell::zsh, shape()), testing::StartsWith("#compdef millrace\n"));
}

}  // namespace
}  // namespace millrace::app
