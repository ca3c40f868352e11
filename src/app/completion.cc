#include "app/completion.h"

#include <algorithm>
#include <functional>
#include <map>

namespace millrace::app {
namespace {

// Calls `visit` with "", "dlq", "dlq list", ...
void each_verb(const VerbShape& verb, const std::string& path,
               const std::function<void(const std::string&, const VerbShape&)>& visit) {
  visit(path, verb);
  for (const auto& inner : verb.verbs) {
    each_verb(inner, path.empty() ? inner.name : path + " " + inner.name, visit);
  }
}

std::string names_of(const VerbShape& verb) {
  std::string names;
  const auto add = [&](const std::string& name) { names += (names.empty() ? "" : " ") + name; };
  for (const auto& inner : verb.verbs) add(inner.name);
  for (const auto& choice : verb.choices) add(choice);
  for (const auto& option : verb.options) add(option.name);
  return names;
}

std::map<std::string, std::string> choices_by_option(const VerbShape& root) {
  std::map<std::string, std::string> choices;
  each_verb(root, "", [&](const std::string&, const VerbShape& verb) {
    for (const auto& option : verb.options) {
      std::string words;
      for (const auto& choice : option.choices) words += (words.empty() ? "" : " ") + choice;
      if (!words.empty()) choices[option.name] = words;
    }
  });
  return choices;
}

// "--data|--server", of all options with a value that have no choices.
std::string file_options(const VerbShape& root) {
  std::map<std::string, bool> names;
  each_verb(root, "", [&](const std::string&, const VerbShape& verb) {
    for (const auto& option : verb.options) {
      if (option.takes_value && option.choices.empty()) names[option.name] = true;
    }
  });
  std::string out;
  for (const auto& [name, unused] : names) out += (out.empty() ? "" : "|") + name;
  return out;
}

// The words before the cursor that are verbs make the path; what may follow is looked up by it.
std::string bash_script(const VerbShape& root) {
  std::string script = R"(# bash completion of millrace; use: source <(millrace completion bash)
_millrace() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path="" word i
  case "$previous" in
)";
  for (const auto& [name, words] : choices_by_option(root)) {
    script += "    " + name + ") COMPREPLY=($(compgen -W \"" + words +
              "\" -- \"$current\")); return ;;\n";
  }
  const auto files = file_options(root);
  if (!files.empty()) {
    script += "    " + files + ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n";
  }
  script += R"(  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case "$path $word" in
)";
  each_verb(root, "", [&](const std::string& path, const VerbShape&) {
    if (path.empty()) return;
    const auto space = path.rfind(' ');
    const auto before = space == std::string::npos ? "" : path.substr(0, space);
    script += "      \"" + before + " " + path.substr(space == std::string::npos ? 0 : space + 1) +
              "\") path=\"" + path + "\" ;;\n";
  });
  script += R"(    esac
  done
  case "$path" in
)";
  each_verb(root, "", [&](const std::string& path, const VerbShape& verb) {
    script += "    \"" + path + "\") COMPREPLY=($(compgen -W \"" + names_of(verb) +
              "\" -- \"$current\")) ;;\n";
  });
  script += R"(  esac
  if [[ ${#COMPREPLY[@]} == 0 && $current != -* ]]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _millrace millrace
)";
  return script;
}

// zsh understands bash's functions.
std::string zsh_script(const VerbShape& root) {
  return "#compdef millrace\n"
         "# zsh completion of millrace; use: source <(millrace completion zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(root);
}

std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// True in fish once all words of the path were typed and none of the verbs below it.
std::string fish_condition(const std::string& path, const VerbShape& verb) {
  std::string condition;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find(' ', at), path.size());
    condition += (condition.empty() ? "" : "; and ") +
                 ("__fish_seen_subcommand_from " + path.substr(at, end - at));
    at = end + 1;
  }
  std::string below;
  for (const auto& inner : verb.verbs) below += " " + inner.name;
  if (path.empty()) return "__fish_use_subcommand";
  if (!below.empty()) condition += "; and not __fish_seen_subcommand_from" + below;
  return condition;
}

std::string fish_script(const VerbShape& root) {
  std::string script = "# fish completion of millrace; use: millrace completion fish | source\n";
  each_verb(root, "", [&](const std::string& path, const VerbShape& verb) {
    const auto start = "complete -c millrace -n " + fish_quoted(fish_condition(path, verb));
    for (const auto& inner : verb.verbs) {
      script += start + " -f -a " + inner.name + " -d " + fish_quoted(inner.help) + "\n";
    }
    for (const auto& choice : verb.choices) script += start + " -f -a " + choice + "\n";
    for (const auto& option : verb.options) {
      const auto name = option.name.substr(option.name.find_first_not_of('-'));
      script += start + " -l " + name + " -d " + fish_quoted(option.help);
      if (option.takes_value) script += " -r";
      std::string words;
      for (const auto& choice : option.choices) words += (words.empty() ? "" : " ") + choice;
      if (!words.empty()) script += " -f -a " + fish_quoted(words);
      script += "\n";
    }
  });
  return script;
}

}  // namespace

std::string completion_script(Shell shell, const VerbShape& root) {
  switch (shell) {
    case Shell::bash:
      return bash_script(root);
    case Shell::zsh:
      return zsh_script(root);
    case Shell::fish:
      return fish_script(root);
  }
  return "";
}

}  // namespace millrace::app
