#include "app/command_tree.h"

#include <string_view>
#include <vector>

#include "app/verb_help.h"
#include "pipeline/suggestion.h"

namespace millrace::app {
namespace {

class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() {
    constexpr std::size_t kOptionColumns = 26;
    column_width(kOptionColumns);
  }
  std::string make_description(const CLI::App* app) const override {
    return std::string(verb_help(path_of(app)).paragraph) + "\n\n";
  }
  std::string make_footer(const CLI::App* app) const override {
    const auto& help = verb_help(path_of(app));
    return help.example.empty() ? "" : "Example:\n" + std::string(help.example) + "\n";
  }
};

// "text|json" is a list of choices, DIR is not.
std::vector<std::string> choices_of(const CLI::Option& option) {
  const auto type = option.get_type_name();
  std::vector<std::string> choices;
  if (type.find('|') == std::string::npos) return choices;
  for (std::size_t at = 0; at < type.size();) {
    const auto end = std::min(type.find('|', at), type.size());
    choices.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return choices;
}

}  // namespace

std::string path_of(const CLI::App* app) {
  if (app->get_parent() == nullptr) return "";
  const auto outer = path_of(app->get_parent());
  return outer.empty() ? app->get_name() : outer + " " + app->get_name();
}

std::shared_ptr<CLI::Formatter> make_help_formatter() {
  return std::make_shared<HelpFormatter>();
}

VerbShape shape_of(const CLI::App& app) {
  VerbShape shape{app.get_name(), app.get_description(), {}, {}, {}};
  for (const auto* option : app.get_options()) {
    if (option->get_lnames().empty()) {
      for (const auto& choice : choices_of(*option)) shape.choices.push_back(choice);
      continue;
    }
    shape.options.push_back({"--" + option->get_lnames().front(), option->get_description(),
                             option->get_items_expected_max() > 0, choices_of(*option)});
  }
  for (const auto* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    shape.verbs.push_back(shape_of(*verb));
  }
  return shape;
}

std::string unknown_verb(const CLI::App& app, std::span<char*> arguments) {
  const CLI::App* group = &app;
  for (const std::string_view word : arguments) {
    std::vector<std::string> known;
    const CLI::App* next = nullptr;
    for (const auto* verb : group->get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(verb->get_name());
      if (verb->get_name() == word) next = verb;
    }
    if (known.empty() || word.starts_with('-')) return "";
    if (next == nullptr) {
      const auto path = path_of(group);
      return "there is no verb `" + (path.empty() ? "" : path + " ") + std::string(word) + "`" +
             pipeline::suggestion(word, known);
    }
    group = next;
  }
  return "";
}

}  // namespace millrace::app
