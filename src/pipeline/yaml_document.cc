#include "pipeline/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <sstream>
#include <unordered_map>

#include "base/check.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "pipeline/yaml_scalar.h"

namespace millrace::pipeline {
namespace {

struct Node;

struct Member {
  std::string key;  // empty in a list
  TextPosition key_position;
  const Node* node = nullptr;
};

struct Node {
  enum class Kind { scalar, list, map } kind = Kind::scalar;
  TextPosition position;
  std::string text;  // of a scalar
  ScalarStyle style = ScalarStyle::plain;
  std::string tag;  // explicit only
  std::vector<Member> members;
  std::size_t size = 1;   // nodes below and including this one, aliases followed; saturates
  std::size_t depth = 1;  // of the tree that starts here
  bool is_open = true;
};

TextPosition position_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

// Builds the tree from the parser's events. Faults are collected; the parser goes on, so that one
// run finds all of them.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::deque<Node>& nodes, std::vector<Diagnostic>& errors)
      : nodes_(nodes), errors_(errors) {}

  [[nodiscard]] const Node* root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, "", anchor, "", true);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    scalar(mark, tag, anchor, value, false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node* node;
    bool has_key = false;  // a key is read, its value comes next
    Member pending;
    std::unordered_map<std::string, TextPosition> keys;
  };

  void fault(TextPosition position, std::string message) {
    constexpr std::size_t kFaultsMax = 100;
    if (errors_.size() < kFaultsMax) {
      errors_.push_back({"", position.line, position.column, "", std::move(message)});
    }
  }
  Node& make(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
  void scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
              const std::string& text, bool is_null);
  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind);
  void close();
  void take_key(const std::string& text, TextPosition position);
  void add(const Node& node, TextPosition position);
  [[nodiscard]] bool expects_key() const {
    return !stack_.empty() && stack_.back().node->kind == Node::Kind::map && !stack_.back().has_key;
  }

  std::deque<Node>& nodes_;
  std::vector<Diagnostic>& errors_;
  std::unordered_map<YAML::anchor_t, Node*> anchors_;
  std::vector<Open> stack_;
  const Node* root_ = nullptr;
};

Node& TreeBuilder::make(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
  Node& node = nodes_.emplace_back();
  node.position = position_of(mark);
  // yaml-cpp: "?" is a plain scalar without tag, "!" a quoted one.
  if (tag == "!") node.style = ScalarStyle::quoted;
  if (tag != "?" && tag != "!") node.tag = tag;
  if (anchor != 0) anchors_[anchor] = &node;
  return node;
}

void TreeBuilder::take_key(const std::string& text, TextPosition position) {
  Open& map = stack_.back();
  const auto [known, is_new] = map.keys.emplace(text, position);
  if (!is_new) {
    fault(position, "key `" + text + "` is here twice; the first one is in line " +
                        std::to_string(known->second.line));
  }
  map.pending = {text, position, nullptr};
  map.has_key = true;
}

void TreeBuilder::scalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         const std::string& text, bool is_null) {
  if (expects_key()) {
    if (is_null) fault(position_of(mark), "a key is empty or null; write a name");
    take_key(text, position_of(mark));
    return;
  }
  Node& node = make(mark, tag, anchor);
  node.text = text;
  node.is_open = false;
  // The parser puts a missing value where the next token is; the place of its key says more.
  if (is_null && !stack_.empty() && stack_.back().has_key) {
    node.position = stack_.back().pending.key_position;
  }
  add(node, node.position);
}

void TreeBuilder::open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       Node::Kind kind) {
  if (expects_key()) {
    // It is read as a tree of its own and dropped by `close`.
    fault(position_of(mark), "a key must be a name, not a list or a map");
  }
  Node& node = make(mark, "?", anchor);
  node.kind = kind;
  if (!tag.empty() && tag != "?" && tag != "!") {
    fault(node.position, "the tag " + tag + " is not supported; leave it out");
  }
  stack_.push_back({&node, false, {}, {}});
}

void TreeBuilder::close() {
  MR_CHECK(!stack_.empty());
  Node& node = *stack_.back().node;
  node.is_open = false;
  stack_.pop_back();
  if (expects_key()) {
    take_key("", node.position);
    stack_.back().keys.erase("");
    return;
  }
  add(node, node.position);
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const TextPosition position = position_of(mark);
  if (expects_key()) {
    fault(position, "a key must be a name, not an alias");
    take_key("", position);
    stack_.back().keys.erase("");
    return;
  }
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end() || found->second->is_open) {
    fault(position, "an alias must stand behind what it refers to, not inside of it");
    Node& node = nodes_.emplace_back();
    node.position = position;
    node.is_open = false;
    add(node, position);
    return;
  }
  add(*found->second, position);
}

void TreeBuilder::add(const Node& node, TextPosition position) {
  if (stack_.empty()) {
    root_ = &node;
  } else {
    Open& parent = stack_.back();
    Member member{"", position, &node};
    if (parent.has_key) {
      member.key = std::move(parent.pending.key);
      member.key_position = parent.pending.key_position;
      parent.has_key = false;
    }
    parent.node->members.push_back(std::move(member));
    parent.node->size = std::min(parent.node->size + node.size, kYamlNodesMax + 1);
    parent.node->depth = std::max(parent.node->depth, node.depth + 1);
  }
}

std::string_view unescape_token(std::string_view token, std::string& buffer) {
  if (token.find('~') == std::string_view::npos) return token;
  buffer.clear();
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      buffer += token[++i] == '1' ? '/' : '~';
    } else {
      buffer += token[i];
    }
  }
  return buffer;
}

const Member* find_child(const Node& node, std::string_view token) {
  if (node.kind == Node::Kind::list) {
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
    if (error != std::errc() || end != token.data() + token.size()) return nullptr;
    return index < node.members.size() ? &node.members[index] : nullptr;
  }
  const auto found = std::ranges::find(node.members, token, &Member::key);
  return found == node.members.end() ? nullptr : &*found;
}

}  // namespace

struct YamlDocument::Tree {
  std::deque<Node> nodes;
  const Node* root = nullptr;

  // The values of a tree without cycles, at most kJsonDepthMax deep. An aliased node is converted
  // once.
  Value convert(const Node& node, Arena& arena, std::vector<Diagnostic>& errors) {
    if (const auto done = converted.find(&node); done != converted.end()) return done->second;
    Value out = Value::null();
    if (node.kind == Node::Kind::scalar) {
      auto value = read_scalar(node.text, node.style, node.tag, arena);
      if (value.is_ok()) {
        out = *value;
      } else {
        errors.push_back({"", node.position.line, node.position.column, "",
                          std::string(value.status().message())});
      }
    } else if (node.kind == Node::Kind::list) {
      auto items = arena.array<Value>(node.members.size());
      for (std::size_t i = 0; i < items.size(); ++i) {
        items[i] = convert(*node.members[i].node, arena, errors);
      }
      out = Value::list(items);
    } else {
      auto entries = arena.array<MapEntry>(node.members.size());
      for (std::size_t i = 0; i < entries.size(); ++i) {
        entries[i] = {Value::string(arena.copy(node.members[i].key)),
                      convert(*node.members[i].node, arena, errors)};
      }
      out = Value::map(entries);
    }
    converted.emplace(&node, out);
    return out;
  }

  // The deepest member on the pointer's way that exists; null for the root.
  const Member* find(std::string_view pointer) const {
    const Node* at = root;
    const Member* member = nullptr;
    std::string buffer;
    while (pointer.starts_with('/')) {
      pointer.remove_prefix(1);
      const auto end = std::min(pointer.find('/'), pointer.size());
      const Member* next = find_child(*at, unescape_token(pointer.substr(0, end), buffer));
      if (next == nullptr) break;
      pointer.remove_prefix(end);
      member = next;
      at = member->node;
    }
    return member;
  }

  std::unordered_map<const Node*, Value> converted;
};

YamlDocument::YamlDocument() : tree_(std::make_unique<Tree>()) {}
YamlDocument::~YamlDocument() = default;

std::unique_ptr<YamlDocument> YamlDocument::parse(std::string_view text,
                                                  std::vector<Diagnostic>& errors) {
  const std::size_t error_count = errors.size();
  const auto fail = [&errors](int line, int column, std::string message) {
    errors.push_back({"", line, column, "", std::move(message)});
    return nullptr;
  };
  if (text.size() > kYamlBytesMax) {
    return fail(0, 0, "the file is longer than " + std::to_string(kYamlBytesMax) + " bytes");
  }
  if (!is_valid_utf8(text)) return fail(0, 0, "the file is not UTF-8 text");
  std::unique_ptr<YamlDocument> document(new YamlDocument);
  TreeBuilder builder(document->tree_->nodes, errors);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || builder.root() == nullptr) {
      return fail(1, 1, "the file is empty");
    }
    std::deque<Node> rest;
    std::vector<Diagnostic> ignored;
    TreeBuilder second(rest, ignored);
    if (parser.HandleNextDocument(second))
      return fail(1, 1, "the file holds more than one document");
  } catch (const YAML::Exception& error) {
    return fail(error.mark.line + 1, error.mark.column + 1, error.msg);
  }
  document->tree_->root = builder.root();
  if (builder.root()->size > kYamlNodesMax) {
    return fail(1, 1, "the file has more than " + std::to_string(kYamlNodesMax) + " values");
  }
  if (builder.root()->depth > static_cast<std::size_t>(codec::kJsonDepthMax)) {
    return fail(
        1, 1,
        "lists and maps are nested more than " + std::to_string(codec::kJsonDepthMax) + " deep");
  }
  if (errors.size() > error_count) return nullptr;
  document->value_ = document->tree_->convert(*builder.root(), document->arena_, errors);
  return errors.size() > error_count ? nullptr : std::move(document);
}

TextPosition YamlDocument::position(std::string_view pointer) const {
  const Member* member = tree_->find(pointer);
  return member == nullptr ? tree_->root->position : member->node->position;
}

TextPosition YamlDocument::key_position(std::string_view pointer) const {
  const Member* member = tree_->find(pointer);
  return member == nullptr ? tree_->root->position : member->key_position;
}

}  // namespace millrace::pipeline
