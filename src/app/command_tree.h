#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <span>
#include <string>

#include "app/completion.h"

// The tree of verbs as CLI11 has it: names, help, shape. See command_line.cc for what is in it.

namespace millrace::app {

// "", "dlq", "dlq list", ...
std::string path_of(const CLI::App* app);

// In its own help a verb has its paragraph and its example, in lists of verbs its one line.
std::shared_ptr<CLI::Formatter> make_help_formatter();

// What completion has to know of a verb and those below it.
VerbShape shape_of(const CLI::App& app);

// What CLI11 only calls "A subcommand is required": a first word that is no verb, here or in a
// group. Empty where that is not what is wrong.
std::string unknown_verb(const CLI::App& app, std::span<char*> arguments);

}  // namespace millrace::app
