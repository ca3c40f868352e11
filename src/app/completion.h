#pragma once

#include <string>
#include <vector>

namespace millrace::app {

// The command line as its completion sees it.
struct OptionShape {
  std::string name;  // "--data"
  std::string help;
  bool takes_value = true;
  std::vector<std::string> choices = {};  // of the value; empty: a file name is offered
};

struct VerbShape {
  std::string name;
  std::string help;  // one line
  std::vector<OptionShape> options;
  std::vector<VerbShape> verbs;
  std::vector<std::string> choices = {};  // of an argument without a name
};

enum class Shell : unsigned char { bash, zsh, fish };

// A script for the shell to source. Pure.
std::string completion_script(Shell shell, const VerbShape& root);

}  // namespace millrace::app
