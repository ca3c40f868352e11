#pragma once

#include <string_view>

namespace millrace::app {

// What `millrace VERB --help` says besides the options.
struct VerbHelp {
  std::string_view path;       // "dlq list"; "" for the program
  std::string_view summary;    // one line, for lists of verbs
  std::string_view paragraph;  // what it does and when to use it
  std::string_view example;    // lines to type, and what comes of it
};

// Of a verb that exists.
const VerbHelp& verb_help(std::string_view path);

}  // namespace millrace::app
